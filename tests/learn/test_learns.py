"""Trainings that must reach a number: fixed seeds and steps, one thread, a few minutes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from vitruvian.data.augment import Augment
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.synthetic import figures
from vitruvian.learn.devices import Place
from vitruvian.learn.report import Report
from vitruvian.learn.runner import net_runner, new_net
from vitruvian.learn.session import Session
from vitruvian.learn.train import train
from vitruvian.recipe import Fit, Optim, Recipe, Schedule
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import Ask, Batch, predict
from vitruvian.systems.deeppose import DEEPPOSE
from vitruvian.systems.deeppose.net import DeepPoseConfig
from vitruvian.systems.resnet_fcn import RESNET_FCN, ResNetFCNConfig
from vitruvian.types import State
from vitruvian.use.evaluate import evaluate, predict_people
from vitruvian.use.quick import spread

pytestmark = pytest.mark.learn
CPU = torch.device("cpu")
# Measured: 0.648, lowest joint 0.409. Without left and right changing names in mirrored crops: 0.488.
FLOOR, LOWEST_JOINT = 0.57, 0.3


def test_resnet_fcn_learns_figures(tmp_path: Path) -> None:
    """PCK of persons it never saw, against the mean pose; a fault in frames, flips or targets fails."""
    people = figures(3000, seed=3, side=128)
    config = ResNetFCNConfig(
        crop=(96, 96),
        backbone="resnet18",
        channels=(16, 32, 64, 96),
        width=64,
        inner=32,
        lateral=True,
        loss="softmax",
        missing="mask",
        offset="local_mean",
    )
    fit = Fit(
        stage="heatmaps",
        steps=900,
        batch=32,
        optim=Optim(lr=3e-3, weight_decay=0.02, decay_norms=False),
        schedule=Schedule(law="cosine", warmup=0.05, floor=0.01),
        clip=5.0,
        ema=0.99,
    )
    recipe = Recipe(
        name="learns",
        system="resnet_fcn",
        config=asdict(config),
        augment=Augment(scale=(0.85, 1.15), rotation=10, translation=0.05, flip=0.5),
        fits=(fit,),
        evaluate_every=4.0,
    )
    net = new_net(RESNET_FCN, config, people.skeleton, seed=0)
    runner = net_runner(RESNET_FCN, net, CPU)
    tune = people.subset("tune")
    session = Session(
        system=RESNET_FCN,
        net=net,
        recipe=recipe,
        people=people.subset("train"),
        folder=tmp_path,
        where=Place(CPU),
        report=Report(tmp_path, quiet=True),
        spread=lambda net: spread(predict_people(runner, tune, tune.box, recipe.crop), tune),
        evaluate=lambda net: 0.0,
        workers=2,
    )
    assert train(session)
    val = people.subset("val")
    result = evaluate(runner, val, recipe.crop, trained_on=session.people, flip=True)
    plain = evaluate(runner, val, recipe.crop)
    pck, mean_pose = result.total.value, result.baselines["mean_pose"].total.value
    print(f"PCK@0.2 {pck:.3f}, without flip {plain.total.value:.3f}, mean pose {mean_pose:.3f}")
    print({name: round(joint.value, 3) for name, joint in result.joints.items()})
    assert pck > FLOOR
    assert pck > mean_pose + 0.3
    assert plain.total.value > FLOOR - 0.05
    assert min(joint.value for joint in result.joints.values()) > LOWEST_JOINT


def test_every_refinement_of_a_cascade_helps(tmp_path: Path) -> None:
    """Errors in px of persons it never saw, after each stage; and the flip test does not hurt."""
    config = tiny.CascadeConfig(stages=3)
    fits = [Fit(stage=name, steps=60, batch=32, optim=Optim(lr=3e-3)) for name in config.names]
    session = tiny.session(tmp_path, tiny.CASCADE, config, tiny.blobs(512, seed=1), *fits)
    assert train(session)
    people = tiny.blobs(128, seed=2)
    crops = next(plain_crops(people, people.box, *config.crop, len(people), Skipped()))
    batch = Batch.of(crops)
    visible = batch.state == State.VISIBLE

    def error(ask: Ask) -> float:
        answer = predict(tiny.CASCADE, session.net, batch.image, ask)
        return (answer.xy - batch.joints).norm(dim=-1)[visible].mean().item()

    errors = [error(Ask(upto=name)) for name in config.names]
    print(
        f"px after each stage {np.round(errors, 2)}, with the flip test {error(Ask(flip=True)):.2f}"
    )
    assert errors[1] < 0.8 * errors[0]
    assert errors[2] < errors[1]
    assert errors[2] < 2
    assert error(Ask(flip=True)) < 1.2 * errors[2]


def test_deeppose_refines_figures(tmp_path: Path) -> None:
    """Errors in diameters of persons it never saw: stage 2 lowers them, stage 3 does not raise them."""
    trunk = Skeleton(
        "trunk",
        ("right_hip", "left_hip", "right_shoulder", "left_shoulder", "neck", "head_top"),
        flip_pairs=(("right_hip", "left_hip"), ("right_shoulder", "left_shoulder")),
        references={
            "torso": ("left_shoulder", "right_hip"),
            "torso_other": ("right_shoulder", "left_hip"),
        },
        reference="torso",
    )
    people = figures(3000, seed=3, skeleton=trunk, side=128)
    config = DeepPoseConfig(
        crop=(128, 128),
        net="compact",
        input=32,
        window=40,
        sigma=1.7,
        aspect="pad",
        displacements="mixed",
        inherit=True,
        cov="full",
        vary_size=True,
        loss="l1",
        channels=(16, 32, 64, 96),
        hidden=192,
        window_channels=(16, 32, 64),
        window_hidden=96,
        auxiliary=0.5,
        dropout=0.0,
    )

    def fit(stage: str, steps: int, lr: float) -> Fit:
        return Fit(
            stage=stage,
            steps=steps,
            batch=32,
            optim=Optim(lr=lr, weight_decay=0.02, decay_norms=False),
            schedule=Schedule(law="cosine", warmup=0.05, floor=0.01),
            clip=5.0,
            ema=0.99,
        )

    recipe = Recipe(
        name="refines",
        system="deeppose",
        config=asdict(config),
        augment=Augment(scale=(0.85, 1.15), rotation=10, translation=0.05, flip=0.5),
        fits=(fit("stage1", 120, 2e-3), fit("stage2", 850, 3e-3), fit("stage3", 150, 1e-3)),
        evaluate_every=1000.0,
    )
    net = new_net(DEEPPOSE, config, people.skeleton, seed=0)
    session = Session(
        system=DEEPPOSE,
        net=net,
        recipe=recipe,
        people=people.subset("train"),
        folder=tmp_path,
        where=Place(CPU),
        report=Report(tmp_path, quiet=True),
        workers=1,
    )
    assert train(session)
    held_out = people.subset("val")
    crops = next(plain_crops(held_out, held_out.box, *config.crop, len(held_out), Skipped()))
    batch = Batch.of(crops)
    located = batch.state >= State.OCCLUDED
    box = net.initial_box(batch.image.float())
    diameter = net.diameter(batch.joints, box, located)[..., 0]

    def error(ask: Ask) -> float:
        xy = predict(DEEPPOSE, net, batch.image, ask).xy
        return ((xy - batch.joints).norm(dim=-1) / diameter)[located].mean().item()

    errors = [error(Ask(upto=name)) for name in config.names]
    flipped = error(Ask(flip=True))
    print(f"diameters after each stage {np.round(errors, 3)}, with the flip test {flipped:.3f}")
    assert errors[1] < 0.75 * errors[0]
    assert errors[2] <= errors[1]
    assert flipped < errors[2]

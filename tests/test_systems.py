"""What holds for every system: the battery that a new one passes before anything is said of it."""

from __future__ import annotations

import copy
import resource
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import tiny
from vitruvian import geometry
from vitruvian.data.augment import Augment
from vitruvian.data.loader import Skipped, plain_crops, training_crops
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.export import to_onnx
from vitruvian.learn.devices import Place
from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.report import Report
from vitruvian.learn.runner import load_net, name_stages, new_net, system_and_config
from vitruvian.learn.session import Session
from vitruvian.learn.train import set_trained, train
from vitruvian.models import ModelInfo, Preprocessing, read_model, write_model
from vitruvian.recipe import Fit, Optim
from vitruvian.skeleton import LSP, Skeleton, find_skeleton
from vitruvian.systems import SYSTEMS
from vitruvian.systems.contract import (
    Ask,
    Batch,
    Stage,
    System,
    build,
    generator,
    normal_per_sample,
    predict,
)
from vitruvian.types import State, UserError

THIN = {"crop": (64, 96), "backbone": "resnet18", "channels": (8, 16, 16, 24), "width": 16}
THIN_DEEP = {
    "crop": (64, 96),
    "net": "compact",
    "input": 40,
    "window": 24,
    "aspect": "pad",
    "channels": (8, 12, 16),
    "hidden": 32,
    "dropout": 0.1,
}
THIN_PARTS = {
    "crop": (64, 96),
    "backbone": "resnet18",
    "channels": (8, 12, 16, 24),
    "width": 16,
    "levels": 2,
    "radius": 5.0,
    "sigma": 3.0,
    "stride": 2,
}
THIN_PARTS_VGG = {
    "backbone": "vgg11_bn",
    "channels": (8, 8, 12, 16, 16),
    "hidden": 32,
    "hidden_kernel": 3,
    "dropout": 0.1,
    "regressor": "large_kernels",
    "widths": (12, 16, 16, 24),
    "kernels": (5, 7, 3),
    "weights": "he",
}
THIN_SCALES = {
    "crop": (64, 96),
    "stacks": 2,
    "width": 16,
    "levels": 2,
    "scales": 2,
    "nowhere": "middle",
}
THIN_NORMALIZED = {
    "crop": (64, 96),
    "grid": 4,
    "scale": 4,
    "backbone": "resnet18",
    "channels": (8, 12, 16, 24),
    "bias": -3.0,
    "width": 8,
    "kernels": (5, 7, 7),
    "refine_bias": -3.0,
}
# System -> sizes that train in seconds; a crop that is not square finds swapped rows and columns.
SMALL: dict[str, list[dict[str, Any]]] = {
    "resnet_fcn": [
        THIN | {"inner": 8},
        THIN
        | {
            "inner": 8,
            "lateral": True,
            "loss": "softmax",
            "missing": "mask",
            "offset": "local_mean",
        },
    ],
    "deeppose": [
        THIN_DEEP
        | {
            "cov": "full",
            "vary_size": True,
            "draws": 2,
            "loss": "l1",
            "inherit": True,
            "auxiliary": 0.5,
        },
        THIN_DEEP
        | {
            "stages": 2,
            "head": "per_joint_net",
            "aspect": "stretch",
            "translation": 0.1,
            "normalisation": "gcn",
        },
        {
            "crop": (64, 96),
            "stages": 2,
            "input": 68,
            "window": 60,
            "displacements": "mixed",
            "draws": 2,
            "channels": (8, 12, 16, 16, 12),
            "hidden": 32,
            "weights": "he",
            "bias": 0.1,
            "groups": 2,
        },
    ],
    "part_heatmaps": [
        THIN_PARTS,
        THIN_PARTS | {"variant": "detection", "output_stride": 8, "bias": -3.0, "missing": "zero"},
        THIN_PARTS | {"variant": "regression", "foreground": 4.0, "reduction": "sum"},
        THIN_PARTS | THIN_PARTS_VGG | {"crop": (60, 92)},
        THIN_PARTS
        | THIN_PARTS_VGG
        | {
            "variant": "regression_regression",
            "stack": "features",
            "downsample": "input_quarter",
            "sigma": 10.0,
            "stride": 4,
        },
    ],
    "multiscale": [
        THIN_SCALES,
        THIN_SCALES
        | {
            "stacks": 1,
            "levels": 3,
            "scales": 3,
            "feed_scales": True,
            "regressor": "after",
            "regressor_scales": "all",
            "target_scale": "rerender",
            "reduction": "mean",
            "foreground": 4.0,
            "sigma": 1.0,
        },
        THIN_SCALES
        | {
            "stacks": 1,
            "regressor": "detached",
            "regressor_form": "convs",
            "regressor_scales": "all",
            "target_scale": "avgpool",
            "missing": "mask",
            "offset": "local_mean",
        },
        THIN_SCALES | {"scales": 1, "regressor": "none", "recompute": True, "window": None},
    ],
    "normalized": [
        THIN_NORMALIZED,
        THIN_NORMALIZED
        | {
            "grid": 8,
            "scale": 8,
            "backbone": "vgg11_bn",
            "channels": (8, 8, 12, 16, 16),
            "hidden": 32,
            "hidden_kernel": 3,
            "dropout": 0.1,
            "supervision": "extra",
            "loss_grid": "input",
            "branches": "types",
            "types": 1,
            "angles": "truth",
            "root_merge": "mean",
            "foreground": 1.0,
        },
        THIN_NORMALIZED
        | {
            "detector": "resnet",
            "intermediate": True,
            "refine": "st1",
            "branches": "multi",
            "types": 1,
            "background": "none",
            "pad": 0.5,
            "upright_angle": 30.0,
        },
        THIN_NORMALIZED
        | {
            "detector": "hourglass",
            "stacks": 2,
            "features": 16,
            "levels": 2,
            "width": 16,
            "body_norm": False,
            "limb_norm": False,
            "root_merge": "limb",
            "offset": "both_axes",
        },
    ],
}


@dataclass(frozen=True)
class Case:
    """A system with small sizes, and a skeleton to build it for."""

    system: System
    config: Any
    skeleton: Skeleton

    def net(self) -> nn.Module:
        return new_net(self.system, self.config, self.skeleton, seed=0)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.system.stages(self.config)

    def people(self) -> People:
        return _people(self.skeleton)

    def batch(self) -> Batch:
        return _batch(self.skeleton, self.config.crop)

    def plain(self) -> list[Batch]:
        people = self.people()
        crops = plain_crops(people, people.box, *self.config.crop, 8, Skipped(), 0)
        return [Batch.of(c) for c in crops]


@cache
def _people(skeleton: Skeleton) -> People:
    if skeleton is tiny.FIGURE:
        return tiny.blobs(16)
    return figures(16, 1, skeleton, side=96, missing=0.1)


@cache
def _batch(skeleton: Skeleton, crop: tuple[int, int]) -> Batch:
    people = _people(skeleton)
    return Batch.of(next(training_crops(people, Augment(), *crop, 8, 0, Skipped(), workers=0)))


def cases() -> list[Any]:
    made = {
        f"{name}-{number}": Case(*system_and_config(name, values, "SMALL"), LSP)
        for name in SYSTEMS
        for number, values in enumerate(SMALL.get(name, []))
    }
    for system, config in (
        (tiny.HEATMAPS, tiny.HeatmapsConfig()),
        (tiny.HEAD_ONLY, tiny.HeatmapsConfig()),
        (tiny.CASCADE, tiny.CascadeConfig(stages=1)),
        (tiny.CASCADE, tiny.CascadeConfig(stages=3)),
    ):
        made[f"{system.name}-{len(system.stages(config))}"] = Case(system, config, tiny.FIGURE)
    return [pytest.param(case, id=name) for name, case in made.items()]


every_case = pytest.mark.parametrize("case", cases())


def slow_but_the_first() -> list[Any]:
    """All cases and flips; those take seconds each that are no system's first with the flip test."""
    return [
        pytest.param(*case.values, flip, id=f"{flip}-{case.id}", marks=marks)
        for case in cases()
        for flip in (True, False)
        for marks in [() if flip and str(case.id).endswith("-0") else (pytest.mark.slow,)]
    ]


def test_every_system_has_small_sizes() -> None:
    assert set(SMALL) == set(SYSTEMS), "a system needs a line in SMALL to be tested"
    for name, sizes in SMALL.items():
        for values in sizes:
            H, W = values["crop"]
            assert H != W, f"{name}: a crop that is not square finds swapped axes"


def as_if_trained(net: nn.Module) -> None:
    for name, count in net.named_buffers():
        if name.endswith("num_batches_tracked"):
            count.fill_(1)


def begin(case: Case, net: nn.Module, stage: Stage) -> None:
    """What the loop does before a fit's first step, where the stages before it have been trained."""
    as_if_trained(net)
    if stage.before:
        with torch.no_grad():
            stage.before(net.eval(), case.plain(), generator(0))
    set_trained(net, stage.trains)


def loss(stage: Stage, net: nn.Module, batch: Batch, seed: int = 0) -> Tensor:
    """The sum of a step's losses; equal seeds give equal draws."""
    torch.manual_seed(seed)
    losses = stage.step(net, batch, generator(seed))
    assert all(value.dim() == 0 for value in losses.values())
    return torch.stack(list(losses.values())).sum()


def trained(net: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in net.named_parameters() if p.requires_grad}


@every_case
def test_loss_falls_and_every_trained_parameter_learns(case: Case) -> None:
    """What has learnt in an earlier stage goes on at a third of the rate, as fine-tuning does."""
    net, batch = case.net(), case.batch()
    before: set[str] = set()
    for stage in case.stages:
        begin(case, net, stage)
        rate = 1e-3 if before & set(stage.trains) else 3e-3
        before |= set(stage.trains)
        optimiser = torch.optim.AdamW(trained(net).values(), lr=rate)
        still = set(trained(net))
        assert still, stage.name
        values = []
        for number in range(16):
            value = loss(stage, net, batch)
            optimiser.zero_grad()
            value.backward()
            if number < 3:
                still -= {n for n, p in trained(net).items() if p.grad is not None and p.grad.any()}
            optimiser.step()
            values.append(value.item())
        assert np.isfinite(values).all(), stage.name
        assert not still, f"{stage.name}: no gradient within three steps"
        assert max(values[-3:]) < 0.97 * values[0], f"{stage.name}: {values}"


@every_case
def test_a_stage_moves_only_what_it_names(case: Case, tmp_path: Path) -> None:
    """Frozen parameters and the buffers of frozen BatchNorms stay bit-equal, and in eval mode."""
    net = case.net()
    modes: list[dict[str, bool]] = []
    watched = tiny.seen(case.system, lambda net, batch: modes.append(module_modes(net)))
    for number, stage in enumerate(case.stages):
        old = copy.deepcopy(net.state_dict())
        fit = Fit(stage=stage.name, steps=2, batch=4, optim=Optim(lr=1e-3, weight_decay=0.1))
        folder = tmp_path / str(number)
        session = tiny.session(folder, watched, case.config, case.people(), fit)
        session.net = net
        assert train(session)
        parameters = {name for name, _ in net.named_parameters()}
        norms = {
            f"{path}.{name}"
            for path, module in net.named_modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm)
            for name, _ in module.named_buffers()
        }
        moved = {name for name, value in net.state_dict().items() if not value.equal(old[name])}
        outside = {name for name in moved & (parameters | norms) if not below(name, stage.trains)}
        assert not outside, stage.name
        assert {name for name in moved & parameters if below(name, stage.trains)}, stage.name
        if not stage.before:
            assert all(below(name, stage.trains) for name in moved)
        training = {path for path, on in modes[-1].items() if on}
        assert training == {path for path in modes[-1] if below(path, stage.trains)}


def module_modes(net: nn.Module) -> dict[str, bool]:
    return {path: module.training for path, module in net.named_modules()}


def below(name: str, paths: tuple[str, ...]) -> bool:
    """Whether a module, parameter or buffer is part of what `Stage.trains` names."""
    return any(not path or name == path or name.startswith(f"{path}.") for path in paths)


@every_case
def test_answers(case: Case) -> None:
    """Every stage answers, in the crop's pixels and with scores in 0..1; the image is only read."""
    net, image = case.net().eval(), case.batch().image
    kept = image.clone()
    for upto in (None, *(stage.name for stage in case.stages)):
        for flip in (False, True):
            answer = predict(case.system, net, image, Ask(flip=flip, upto=upto, maps=flip))
            assert answer.xy.shape == (len(image), len(case.skeleton), 2)
            assert answer.score.shape == answer.xy.shape[:2]
            assert answer.xy.dtype == answer.score.dtype == torch.float32
            assert answer.xy.isfinite().all()
            assert ((answer.score >= 0) & (answer.score <= 1)).all()
            assert bool(answer.maps) == flip
    assert image.equal(kept)
    assert not any(module_modes(net).values())
    last = predict(case.system, net, image, Ask(upto=case.stages[-1].name))
    assert last.xy.equal(predict(case.system, net, image).xy)


@every_case
def test_an_answer_does_not_depend_on_its_batch(case: Case) -> None:
    net, image = case.net().eval(), case.batch().image
    whole = predict(case.system, net, image).xy
    torch.testing.assert_close(predict(case.system, net, image[2:3]).xy, whole[2:3])


@every_case
def test_unknown_stage(case: Case) -> None:
    known = ", ".join(stage.name for stage in case.stages)
    with pytest.raises(UserError, match=rf"has no stage 'legs', only {known}"):
        predict(case.system, case.net(), case.batch().image, Ask(upto="legs"))


@every_case
def test_a_mirrored_crop_has_the_mirrored_answer(case: Case) -> None:
    net, image = case.net().eval(), case.batch().image
    there = predict(case.system, net, image, Ask(flip=True))
    back = predict(case.system, net, image.flip(-1), Ask(flip=True))
    x, y = back.xy[:, case.skeleton.swap].unbind(-1)
    mirrored = torch.stack([geometry.flip_x(x, image.shape[-1]), y], -1)
    torch.testing.assert_close(mirrored, there.xy, rtol=0, atol=1e-3)
    torch.testing.assert_close(back.score[:, case.skeleton.swap], there.score)


@every_case
def test_joints_without_a_place_count_nothing(case: Case) -> None:
    """Whatever stands in their coordinates changes no bit of a loss or of a gradient."""
    net, batch = case.net(), case.batch()
    state, joints = batch.state.clone(), batch.joints.clone()
    state[::2, 1], state[1::3, 2], state[3, :] = State.UNDEFINED, State.MISSING, State.UNDEFINED
    nowhere = state < State.OCCLUDED
    joints[nowhere] = torch.where(torch.arange(2) == 0, 7e3, -3.0)
    clean = replace(batch, state=state, joints=batch.joints * ~nowhere[..., None])
    junk = replace(batch, state=state, joints=joints)
    for stage in case.stages:
        begin(case, net, stage)
        results = []
        for one in (clean, junk):
            again = copy.deepcopy(net)
            value = loss(stage, again, one)
            value.backward()
            results.append((value, [p.grad for p in trained(again).values()]))
        (value, gradients), (value_junk, gradients_junk) = results
        assert value.equal(value_junk), stage.name
        assert all(a.equal(b) for a, b in zip(gradients, gradients_junk, strict=True)), stage.name


@every_case
def test_the_loss_of_a_batch_is_the_mean_of_its_parts(case: Case) -> None:
    """So N processes equal one; draws belong to a sample and not to its place."""
    net, batch = case.net(), case.batch()
    for stage in case.stages:
        begin(case, net, stage)
        net.eval()
        with torch.no_grad():
            whole = loss(stage, net, batch)
            parts = torch.stack([loss(stage, net, batch.part(i, 2)) for i in range(2)])
        torch.testing.assert_close(parts.mean(), whole, rtol=1e-5, atol=1e-8)


@every_case
def test_needs(case: Case) -> None:
    """A skeleton without the facts a system needs is refused in one line; one with them is not."""
    bare = Skeleton("hand", ("palm", "thumb"))
    if not case.system.needs:
        assert len(build(case.system, case.config, bare).skeleton) == 2
        return
    with pytest.raises(UserError) as error:
        build(case.system, case.config, bare)
    message = str(error.value)
    for word in (case.system.name, "'hand'", *case.system.needs):
        assert word in message
    assert "\n" not in message


@every_case
def test_net_knows_what_it_was_built_from(case: Case) -> None:
    net = case.net()
    assert net.config == case.config
    assert net.skeleton is case.skeleton
    assert case.config.__dataclass_params__.frozen
    assert len({stage.name for stage in case.stages}) == len(case.stages)


@every_case
def test_model_folder_round_trip(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A net comes back from its folder with the same answers, bit for bit."""
    monkeypatch.setitem(SYSTEMS, case.system.name, case.system)
    net, image = case.net().eval(), case.batch().image
    begin(case, net, case.stages[-1])  # writes buffers too, where there are some
    info = ModelInfo(
        name="test",
        system=case.system.name,
        config=vars(case.config),
        skeleton=case.skeleton,
        preprocessing=Preprocessing(crop=case.config.crop),
        parameters=sum(p.numel() for p in net.parameters()),
        gmacs=0.0,
    )
    tensors = {name: value.numpy() for name, value in net.state_dict().items()}
    write_model(tmp_path / "model", info, tensors, None, "# card\n")
    system, again = load_net(tmp_path / "model", read_model(tmp_path / "model"))
    assert system is case.system
    assert again.config == net.config
    assert again.skeleton == net.skeleton
    for name, value in net.state_dict().items():
        assert again.state_dict()[name].equal(value), name
    one, two = (predict(system, n, image, Ask(flip=True)) for n in (net.eval(), again))
    assert one.xy.equal(two.xy)
    assert one.score.equal(two.score)


@pytest.mark.parametrize(("case", "flip"), slow_but_the_first())
def test_onnx_equals_net(case: Case, flip: bool) -> None:
    """The exported graph gives the net's own answers, for any batch size."""
    net, image = case.net().eval(), case.batch().image
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    run = onnxruntime.InferenceSession(
        to_onnx(case.system, net, flip=flip), options, providers=["CPUExecutionProvider"]
    )
    for count in (1, 3):
        answer = predict(case.system, net, image[:count], Ask(flip=flip))
        crops = image[:count].permute(0, 2, 3, 1).contiguous().numpy()
        xy, score = run.run(["xy", "score"], {"image": crops})
        assert xy.shape == answer.xy.shape
        assert np.abs(xy - answer.xy.numpy()).max() < 0.01  # px
        assert np.abs(score - answer.score.numpy()).max() < 1e-4


def test_generators_differ_by_every_seed() -> None:
    seeds = [(0,), (0, 0), (0, 0, 0), (1,), (1, 0), (0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1)]
    assert len({generator(*some).initial_seed() for some in seeds}) == len(seeds)
    assert generator(3, 4).initial_seed() == generator(3, 4).initial_seed()


def test_draws_belong_to_the_sample() -> None:
    batch = _batch(tiny.FIGURE, (64, 48))
    whole = normal_per_sample(batch, (4, 2), generator(1, 2))
    assert whole.shape == (8, 4, 2)
    assert len(whole.unique()) == whole.numel(), "every sample has its own"
    for first in range(2):
        assert normal_per_sample(batch.part(first, 2), (4, 2), generator(1, 2)).equal(
            whole[first::2]
        )
    assert not normal_per_sample(batch, (4, 2), generator(2, 1)).equal(whole)


def published() -> list[Any]:
    """Of recipes that share a net, one; its first fit and its last."""
    recipes = {name: make() for name, make in RECIPES.items()}
    nets = {(recipe.system, repr(recipe.config)): name for name, recipe in recipes.items()}
    return [
        pytest.param(name, number, id=f"{name}-{number}")
        for name in nets.values()
        for number in sorted({0, len(recipes[name].fits) - 1})
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), published())
def test_published_sizes_take_a_step(name: str, number: int, tmp_path: Path) -> None:
    """One optimiser step of a recipe's fit at its own input size, on rendered figures."""
    recipe = name_stages(RECIPES[name]())
    fit = recipe.fits[number].model_copy(update={"steps": 1, "batch": 2, "accumulate": 1})
    skeleton = find_skeleton(recipe.skeleton)
    system, config = system_and_config(recipe.system, recipe.config, name)
    net = new_net(system, config, skeleton, recipe.seed)
    if number:
        as_if_trained(net)
    old = copy.deepcopy(net.state_dict())
    report = Report(tmp_path, quiet=True)
    session = Session(
        system=system,
        net=net,
        recipe=recipe.model_copy(update={"fits": (fit,)}),
        people=figures(4, 0, skeleton, side=256),
        folder=tmp_path,
        where=Place(torch.device("cpu")),
        report=report,
        workers=0,
    )
    assert train(session)
    assert all(value.isfinite().all() for value in net.state_dict().values())
    assert any(not value.equal(old[key]) for key, value in net.state_dict().items())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name} fit {number}: the process has used at most {peak:.2f} GiB")

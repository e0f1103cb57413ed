"""Part heatmaps: what each stage trains and begins with, what is stacked, Fig. 2."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from thin_parts import KINDS, THIN, batch_of, stirred
from vitruvian.data.augment import Augment
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.synthetic import figures
from vitruvian.learn.devices import Place, bf16_pays
from vitruvian.learn.report import Report
from vitruvian.learn.runner import new_net
from vitruvian.learn.session import Session
from vitruvian.learn.train import set_trained, train
from vitruvian.recipe import Fit, Optim, Recipe, Schedule
from vitruvian.skeleton import LSP
from vitruvian.systems.contract import Ask, Batch, generator
from vitruvian.systems.part_heatmaps import (
    PART_HEATMAPS,
    PartHeatmaps,
    PartHeatmapsConfig,
    joint_step,
    predict,
    second_step,
    stages,
)
from vitruvian.systems.part_heatmaps.nets import (
    FCNDetector,
    HourglassRegressor,
    LargeKernels,
    ResidualDetector,
)
from vitruvian.types import State


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("detection_regression", ["detect: first", "regress: second", "joint: first second"]),
        ("regression_regression", ["pre_regress: first", "regress: second", "joint: first second"]),
        ("detection", ["detect: first"]),
        ("regression", ["regress: first"]),
    ],
)
@KINDS
def test_stages_of_the_variants(config, variant, expected):
    config = replace(config, variant=variant)
    assert [f"{s.name}: {' '.join(s.trains)}" for s in stages(config)] == expected
    net = new_net(PART_HEATMAPS, config, LSP, 0)
    assert (net.second is None) == (len(expected) == 1)
    batch = batch_of([[[40.0, 30.0]] * 14] * 2, [[State.VISIBLE] * 14] * 2)
    names = [set(stage.step(net, batch, generator(0))) for stage in stages(config)]
    own = {"detection": "detection", "regression": "regression"}.get(variant)
    first = own or ("detection" if variant.startswith("detection") else "pre_regression")
    assert names[0] == {first}
    if net.second is not None:
        assert names[1:] == [{"regression"}, {first, "regression"}]


@KINDS
def test_the_second_loss_reaches_the_first_subnetwork_in_the_joint_stage_only(config):
    net = stirred(new_net(PART_HEATMAPS, config, LSP, 0))
    batch = batch_of([[[40.0, 30.0]] * 14] * 2, [[State.VISIBLE] * 14] * 2)
    for step, reaches in ((second_step, False), (joint_step, True)):
        net.zero_grad()
        step(net, batch, generator(0))["regression"].backward()
        assert any(p.grad is not None and p.grad.any() for p in net.first.parameters()) == reaches
        assert all(p.grad is not None for p in net.second.parameters())


def test_weights_of_the_two_losses_where_both_learn():
    net = new_net(PART_HEATMAPS, THIN, LSP, seed=0).eval()
    rng = np.random.default_rng(0)
    xy = rng.uniform(10, 54, (2, 14, 2)).astype(np.float32)
    batch = batch_of(xy, np.full((2, 14), State.VISIBLE))
    plain = joint_step(net, batch, generator(0))
    net.config = replace(THIN, first_weight=0.25, second_weight=3.0)
    weighted = joint_step(net, batch, generator(0))
    assert weighted["detection"].item() == pytest.approx(0.25 * plain["detection"].item())
    assert weighted["regression"].item() == pytest.approx(3 * plain["regression"].item())
    alone = second_step(net, batch, generator(0))  # which learns alone
    assert alone["regression"].item() == pytest.approx(plain["regression"].item())


@pytest.mark.parametrize("stride", [1, 2])
def test_another_deconvolution_of_the_features(stride):
    """Its maps are the crop's, as ever; a constant stays itself through it, and all of it learns."""
    sizes = (64 // stride, 96 // stride)
    net = HourglassRegressor(5, 3, 8, 2, 4, stride=stride, output_deconv="features")
    assert net.grow.weight.shape == (8, 8, 2, 2)
    features = torch.randn(1, 8, 1, 1).expand(1, 8, 6, 7)
    torch.testing.assert_close(net.grow(features), features[..., :1, :1].expand(1, 8, 12, 14))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    stacked = torch.randn(2, 5, *sizes)
    touched = set()
    for _ in range(3):
        optimiser.zero_grad()
        maps = net(stacked)
        assert maps.shape == (2, 3, *sizes)
        (maps - torch.randn(2, 3, *sizes)).square().sum().backward()
        touched |= {name for name, p in net.named_parameters() if p.grad.any()}
        optimiser.step()
    assert {"grow.weight", "grow.bias", "score.weight", "entry.0.weight"} <= touched


@KINDS
@pytest.mark.parametrize("variant", ["detection_regression", "regression_regression"])
def test_what_is_stacked(config, variant):
    """Maps first, then the image: probabilities of a detector, its logits if asked, else confidences."""
    net = stirred(PartHeatmaps(replace(config, variant=variant), LSP))
    crop = torch.randn(1, 3, 64, 96)
    maps, seen = net.first(crop)
    assert seen is None
    stacked = net.stacked(crop, maps, seen)
    assert stacked.shape == (1, 17, 32, 48)
    detects = variant.startswith("detection")
    torch.testing.assert_close(stacked[:, :14], maps.sigmoid() if detects else maps)
    cells = crop.unflatten(-1, (48, 2)).unflatten(-3, (32, 2)).mean((-1, -3))
    torch.testing.assert_close(stacked[:, 14:], cells)
    net.config = replace(net.config, feed="logit")
    torch.testing.assert_close(net.stacked(crop, maps, seen)[:, :14], maps)


@KINDS
def test_frozen_statistics_stay_and_then_move(config):
    net = stirred(new_net(PART_HEATMAPS, config, LSP, 0))
    batch = batch_of([[[40.0, 30.0]] * 14] * 4, [[State.VISIBLE] * 14] * 4)
    batch = replace(batch, image=torch.randint(0, 256, (4, 3, 64, 96), dtype=torch.uint8))
    for stage, moves in zip(stages(config)[1:], (False, True), strict=True):
        set_trained(net, stage.trains)
        old = {name: value.clone() for name, value in net.first.named_buffers()}
        stage.step(net, batch, generator(0))
        new = dict(net.first.named_buffers())
        means = [name for name in old if name.endswith("running_mean")]
        assert means
        for name in means:
            assert new[name].equal(old[name]) != moves, (stage.name, name)


def test_every_upsampling_begins_as_one():
    """Scores of 1 everywhere are maps of 1, inside, in all four subnetworks."""
    detector = ResidualDetector("resnet18", 5, (4, 4, 4, 4), bias=1.0)
    fcn = FCNDetector("vgg11", 5, (4, 4, 4, 4, 4), 6, 3, bias=1.0)
    hourglass, large = HourglassRegressor(8, 5, 8, 2, 4), LargeKernels(8, 5, (4, 4), (3, 3))
    for module in (hourglass.score, large.score):
        nn.init.zeros_(module.weight)
        nn.init.ones_(module.bias)
    image = torch.randn(2, 3, 64, 96)
    stacked = torch.randn(2, 8, 64, 96)
    for maps in (detector(image)[0], fcn(image)[0], hourglass(stacked), large(stacked)):
        assert maps.shape == (2, 5, 64, 96)
        inside = maps[..., 4:-4, 4:-4]
        torch.testing.assert_close(inside, torch.ones_like(inside))


def test_weights_before_training():
    net = PartHeatmaps(replace(THIN, bias=-5.0), LSP)
    assert not net.first.scores.weight.any()
    assert net.first.scores.bias.unique().tolist() == [-5]
    assert not net.second.score.weight.any()
    maps = net(torch.zeros(1, 3, 64, 96, dtype=torch.uint8))
    torch.testing.assert_close(maps["detection"], torch.full((1, 14, 32, 48), 0.0066929))
    assert not maps["regression"].any()
    regression = PartHeatmaps(replace(THIN, bias=-5.0, variant="regression"), LSP)
    assert not regression.first.scores.bias.any()
    gaussian = LargeKernels(17, 5)
    assert gaussian.layers[3].weight.std().item() == pytest.approx(0.01, rel=0.01)


# Fig. 2 of the paper


@pytest.mark.learn
def test_the_detector_doubts_hidden_joints_and_the_regressor_finds_them(tmp_path: Path) -> None:
    """On figures never seen: detection visible > hidden > background; hidden joints gain by regression."""
    people = figures(3000, seed=3, side=128)
    config = PartHeatmapsConfig(
        crop=(96, 96),
        backbone="resnet18",
        channels=(16, 32, 64, 96),
        width=48,
        levels=3,
        radius=4.0,
        sigma=2.0,
        stride=2,
        bias=-5.0,
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
        name="fig2",
        system="part_heatmaps",
        config=asdict(config),
        augment=Augment(scale=(0.85, 1.15), rotation=10, translation=0.05, flip=0.5, occluders=2),
        fits=(fit("detect", 900, 3e-3), fit("regress", 250, 3e-3), fit("joint", 200, 1e-3)),
        precision="bf16",
        evaluate_every=1000.0,
    )
    net = new_net(PART_HEATMAPS, config, people.skeleton, seed=0)
    session = Session(
        system=PART_HEATMAPS,
        net=net,
        recipe=recipe,
        people=people.subset("train"),
        folder=tmp_path,
        where=Place(torch.device("cpu")),
        report=Report(tmp_path, quiet=True),
        workers=1,
        bf16=bf16_pays(torch.device("cpu")),
    )
    assert train(session)
    held_out = people.subset("val")
    batch = Batch.of(next(plain_crops(held_out, held_out.box, 96, 96, len(held_out), Skipped())))
    with torch.no_grad():
        before = predict(net, batch.image, Ask(upto="detect", maps=True))
        after = predict(net, batch.image, Ask(maps=True))
    hidden, visible = batch.state == State.OCCLUDED, batch.state == State.VISIBLE
    at = (batch.joints / 2).round().long().clamp(0, 47)
    rows = torch.arange(len(at))[:, None], torch.arange(14)[None]
    value = before.maps["detection"][(*rows, at[..., 1], at[..., 0])]  # (B, J)
    levels = [value[visible].mean(), value[hidden].mean(), before.maps["detection"].mean()]
    torso = (batch.joints[:, 9] - batch.joints[:, 2]).norm(dim=-1).clamp(min=8)[:, None]
    found = [
        ((answer.xy - batch.joints).norm(dim=-1) <= 0.2 * torso).float()
        for answer in (before, after)
    ]
    pck = {
        name: [round(f[chosen].mean().item(), 3) for f in found]
        for name, chosen in (("visible", visible), ("hidden", hidden))
    }
    print(
        f"visible, hidden, background {[round(v.item(), 4) for v in levels]}; before, after {pck}"
    )
    assert levels[0] > 1.5 * levels[1] > 1.5 * 3 * levels[2]
    assert pck["hidden"][1] > pck["hidden"][0] + 0.05
    assert pck["visible"][1] > pck["visible"][0]

"""Part heatmaps: published counts, targets and masks by hand, what each stage trains, answers, Fig. 2."""

from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from vitruvian.data.augment import Augment
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.synthetic import figures
from vitruvian.learn.devices import Place, bf16_pays
from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.report import Report
from vitruvian.learn.runner import new_net, system_and_config
from vitruvian.learn.session import Session
from vitruvian.learn.size import size_of
from vitruvian.learn.start import take_from
from vitruvian.learn.train import set_trained, train
from vitruvian.models import ModelInfo, Preprocessing, write_model
from vitruvian.nn.backbones import VGGS
from vitruvian.recipe import Fit, Optim, Recipe, Schedule
from vitruvian.skeleton import LSP, MPII, Skeleton
from vitruvian.systems.contract import Ask, Batch, generator
from vitruvian.systems.part_heatmaps import (
    PART_HEATMAPS,
    PartHeatmaps,
    PartHeatmapsConfig,
    detection_loss,
    joint_step,
    predict,
    regression_loss,
    second_step,
    stages,
)
from vitruvian.systems.part_heatmaps.nets import (
    FCNDetector,
    HourglassRegressor,
    LargeKernels,
    ResidualDetector,
)
from vitruvian.types import State, UserError

VGG = PartHeatmapsConfig(crop=(380, 380), backbone="vgg16", regressor="large_kernels", radius=15.0)
THIN = PartHeatmapsConfig(
    crop=(64, 96), backbone="resnet18", channels=(4, 6, 8, 10), width=8, levels=2, sigma=3, stride=2
)
THIN_VGG = replace(
    THIN,
    backbone="vgg11_bn",
    channels=(4, 4, 6, 6, 8),
    hidden=12,
    hidden_kernel=3,
    regressor="large_kernels",
    widths=(6, 8, 8),
    kernels=(5, 3),
    weights="he",
)
KINDS = pytest.mark.parametrize("config", [THIN, THIN_VGG], ids=["res", "vgg"])
HAND = Skeleton("hand", ("palm", "thumb", "tip", "nail"))
STATES = (State.VISIBLE, State.OCCLUDED, State.MISSING, State.UNDEFINED)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def on_meta(config, skeleton=MPII):
    with torch.device("meta"):
        return PartHeatmaps(config, skeleton)


def shapes(net, crop):
    maps = net(torch.empty(1, 3, *crop, dtype=torch.uint8, device="meta"))
    return {name: tuple(value.shape[1:]) for name, value in maps.items()}


def stirred(net, seed=0):
    """The net in eval mode with weights and statistics that are nowhere zero."""
    rng = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=rng)
            module.running_var.uniform_(0.5, 2, generator=rng)
        if isinstance(module, nn.Conv2d) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.3, generator=rng)
    return net.eval()


def batch_of(xy, state, crop=(64, 96)):
    B = len(xy)
    return Batch(
        image=torch.zeros(B, 3, *crop, dtype=torch.uint8),
        joints=torch.tensor(xy),
        state=torch.tensor(state, dtype=torch.uint8),
        to_image=torch.eye(3)[:2].expand(B, 2, 3),
        key=torch.arange(B),
    )


# sizes


def test_parameters_of_the_residual_cascade():
    net = on_meta(PartHeatmapsConfig())
    assert (parameters(net.first), parameters(net.second)) == (58_180_704, 7_681_824)
    layers = net.first.backbone.net
    blocks = [len(getattr(layers, f"layer{i}")) for i in (1, 2, 3, 4)]
    assert blocks == [3, 8, 36, 3]
    count = sum(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in net.second.modules())
    assert count == 99


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"post_merge": True}, 10_256_160),
        ({"bottleneck_ratio": 4}, 3_381_792),
        # 256 x 256 x 2 x 2 + 256 in place of 16 x 16 x 4 x 4 + 16
        ({"output_deconv": "features"}, 7_681_824 + 262_400 - 4_112),
    ],
)
def test_parameters_of_other_hourglasses(change, expected):
    assert parameters(on_meta(PartHeatmapsConfig(**change)).second) == expected


def test_parameters_of_the_vgg_cascade():
    net = on_meta(VGG)
    assert (parameters(net.first), parameters(net.second)) == (134_338_416, 9_967_328)
    assert parameters(net) == 144_305_744


def test_maps_have_the_size_of_the_crop():
    assert shapes(on_meta(PartHeatmapsConfig()), (256, 256)) == {
        "detection": (16, 256, 256),
        "regression": (16, 256, 256),
    }
    assert shapes(on_meta(VGG), (380, 380)) == {
        "detection": (16, 380, 380),
        "regression": (16, 380, 380),
    }


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("regressor", ["hourglass", "large_kernels"])
@pytest.mark.parametrize("config", [THIN, replace(THIN_VGG, crop=(64, 160))], ids=["res", "vgg"])
def test_coarser_maps_have_their_size_everywhere(config, regressor, stride):
    config = replace(config, stride=stride, regressor=regressor, downsample="input_quarter")
    H, W = config.crop
    size = (14, H // stride, W // stride)
    net = on_meta(config, LSP)
    assert shapes(net, config.crop) == {"detection": size, "regression": size}
    if regressor == "large_kernels":
        pooled = replace(config, downsample="pool_c1c2")
        assert shapes(on_meta(pooled, LSP), config.crop)["regression"] == size


@pytest.mark.parametrize(("config", "width"), [(THIN, 4), (THIN_VGG, 4)])
def test_features_are_stacked_in_place_of_the_image(config, width):
    image, features = (
        on_meta(replace(config, stack=stack), LSP) for stack in ("image", "features")
    )
    first = [
        next(m for m in net.second.modules() if isinstance(m, nn.Conv2d))
        for net in (image, features)
    ]
    assert [conv.in_channels for conv in first] == [14 + 3, 14 + width]
    assert shapes(image, config.crop) == shapes(features, config.crop)


def test_the_compact_recipes():
    for name in ("", "_detection", "_regression", "_regression2", "_vgg"):
        recipe = RECIPES[f"part_heatmaps/compact{name}"]()
        system, config = system_and_config(recipe.system, recipe.config, recipe.name)
        assert size_of(system, config, LSP).parameters < 3e6
        assert config.crop == (128, 128)
        assert recipe.augment.occluders > 0
        assert [fit.stage for fit in recipe.fits] == [stage.name for stage in stages(config)]


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (THIN, {"crop": (72, 96)}, "crop height 72 must be a multiple of 16 px"),
        (THIN, {"crop": (64, 96), "levels": 4}, "crop width 96 must be a multiple of 64 px"),
        (THIN, {"output_stride": 8, "stride": 4}, "maps of 2 px a cell, which is finer than stride 4"),
        (THIN_VGG, {"crop": (62, 64)}, "crop height 62 must be a multiple of 4 px"),
        (THIN_VGG, {"crop": (64, 92), "stride": 4}, "crop width 92 cannot be padded"),
        (THIN_VGG, {"kernels": (4,)}, "kernels must be odd"),
        (THIN_VGG, {"kernels": (3, 3, 3, 3)}, "no more than widths"),
        (THIN, {"radius": 0.0}, "must be positive"),
        (THIN, {"levels": 0}, "levels .* must be positive"),
        (THIN, {"levels": -3}, "levels .* must be positive"),
        (THIN, {"second_weight": 0.0}, "second_weight must be positive"),
        (THIN, {"width": 2, "bottleneck_ratio": 4}, "set config.width=4 or more"),
        (THIN, {"foreground": -1.0}, "foreground and first_weight must not be negative"),
        (THIN, {"first_weight": -0.1}, "foreground and first_weight must not be negative"),
        (THIN, {"sigma": float("nan")}, "sigma is nan; set config.sigma to a finite number"),
        (THIN, {"bias": float("-inf")}, "bias is -inf; set config.bias"),
        (THIN, {"channels": ()}, r"channels \[\] must be whole numbers from 1 on, and one at least"),
        (THIN, {"channels": (4, 0, 8, 10)}, r"channels \[4, 0, 8, 10\] must be whole numbers from 1"),
        (THIN, {"output_deconv": "features", "stride": 4}, "set config.stride=2"),
        (THIN_VGG, {"dropout": 1.5}, "dropout 1.5 must be from 0 to less than 1"),
        (THIN_VGG, {"dropout": -0.5}, "dropout -0.5 must be from 0 to less than 1"),
        (THIN_VGG, {"hidden_kernel": 4}, "hidden_kernel 4 must be odd"),
        (THIN_VGG, {"hidden_kernel": -1}, "hidden_kernel -1 must be odd"),
        (THIN_VGG, {"widths": (6, 0, 8)}, r"widths \[6, 0, 8\] must be whole numbers from 1 on"),
        (THIN_VGG, {"kernels": (5, -3)}, r"kernels \[5, -3\] must be whole numbers from 1 on"),
        (THIN, {"radius": 1.4}, "discs of radius 1.4 px may have no cell of 2 px"),
    ],
)  # fmt: skip
def test_sizes_that_contradict(config, change, message):
    with pytest.raises(UserError, match=message):
        replace(config, **change)


def test_channels_that_do_not_fit_the_backbone():
    with pytest.raises(UserError, match="'resnet18' has four layers: give four channels"):
        on_meta(replace(THIN, channels=(8, 8)))


def test_a_backbone_with_even_kernels():
    """ConvNeXt's layer at stride 1 begins with a 2x2 convolution."""
    config = replace(THIN, backbone="convnext_atto", channels=None, output_stride=8)
    assert shapes(on_meta(config, LSP), config.crop) == {
        "detection": (14, 32, 48),
        "regression": (14, 32, 48),
    }


# targets


def target(loss, config, batch, h, w, skeleton=HAND):
    """The target and the weight of each joint's map, from gradients at two places."""
    net = SimpleNamespace(config=config, skeleton=skeleton)
    gradients = []
    for value in (0.0, 1.0):
        maps = torch.full((*batch.state.shape, h, w), value, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss(net, maps, batch), maps)
        gradients.append(gradient * maps.numel())
    at_0, at_1 = gradients
    slope = {detection_loss: 0.2310586, regression_loss: 2.0}[loss]  # d of the gradient from 0 to 1
    weight = (at_1 - at_0) / slope
    zero = 0.5 if loss is detection_loss else 0.0
    scale = 1 if loss is detection_loss else 2
    return zero - at_0 / scale, weight


def test_discs_are_measured_in_pixels_of_the_crop():
    xy = [[[30.0, 20.0], [33.0, 20.0], [40.5, 40.5], [90.0, 60.0]]]
    batch = batch_of(xy, [[State.VISIBLE] * 4])
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    for stride in (1, 2):
        config = replace(THIN, stride=stride, radius=5.0)
        discs, _ = target(detection_loss, config, batch, 64 // stride, 96 // stride)
        step = stride / 2 - 0.5  # a cell's centre in px of the crop
        centres = (x[::stride, ::stride] + step, y[::stride, ::stride] + step)
        for joint, (px, py) in enumerate(xy[0]):
            inside = (centres[0] - px) ** 2 + (centres[1] - py) ** 2 <= 25
            torch.testing.assert_close(discs[0, joint], inside.float(), atol=1e-4, rtol=0)
    both = (discs[0, 0] > 0.5) & (discs[0, 1] > 0.5)  # parts overlap: every part has its own map
    assert both.sum() > 5
    assert discs[0, 0].sum().item() == pytest.approx(torch.pi * 25 / 4, abs=3)


def test_gaussians_are_measured_in_pixels_of_the_crop():
    batch = batch_of([[[33.5, 25.5]] * 4], [[State.VISIBLE] * 4])
    for stride, cell in ((1, None), (2, (12.5, 16.5)), (4, (6, 8))):
        config = replace(THIN, stride=stride, sigma=4.0)
        maps, _ = target(regression_loss, config, batch, 64 // stride, 96 // stride)
        y, x = (25, 33) if cell is None else (int(c) for c in cell)
        off = 0.5 if stride < 4 else 0.0  # cells from the joint to that cell's centre
        expected = np.exp(-2 * (off * stride) ** 2 / (2 * 4.0**2))
        assert maps[0, 0, y, x].item() == pytest.approx(expected, abs=1e-5)
        right = np.exp(-((off * stride) ** 2 + ((1 - off) * stride) ** 2) / (2 * 4.0**2))
        assert maps[0, 0, y, x + 1].item() == pytest.approx(right, abs=1e-5)


XY = [[[33.5, 29.5], [57.5, 37.5], [20.0, 20.0], [40.0, 20.0]]]


@pytest.mark.parametrize(("missing", "weights"), [("mask", [1, 1, 0, 0]), ("zero", [1, 1, 1, 0])])
def test_who_sends_a_gradient_and_for_what(missing, weights):
    """Visible, occluded, missing, undefined: discs for the first, Gaussians for the first two."""
    batch = batch_of(XY, [STATES])
    config = replace(THIN, missing=missing)
    discs, counted = target(detection_loss, config, batch, 32, 48)
    everywhere = torch.tensor(weights).float()[None, :, None, None].expand(1, 4, 32, 48)
    torch.testing.assert_close(counted, everywhere, atol=1e-4, rtol=0)
    assert [discs[0, j].max().item() > 0.9 for j in range(2)] == [True, False]
    assert discs[0, 1].abs().max() < 1e-5
    maps, counted = target(regression_loss, config, batch, 32, 48)
    assert counted[0, :, 0, 0].tolist() == pytest.approx(weights)
    assert [maps[0, j].max().item() > 0.8 for j in range(2)] == [True, True]
    if missing == "zero":
        assert discs[0, 2].abs().max() < 1e-5
        assert maps[0, 2].abs().max() < 1e-5


def test_sums_are_the_means_times_the_cells():
    batch = batch_of(XY, [STATES])
    for loss in (detection_loss, regression_loss):
        maps = torch.randn(1, 4, 32, 48)
        mean, total = (
            loss(SimpleNamespace(config=replace(THIN, reduction=kind), skeleton=HAND), maps, batch)
            for kind in ("mean", "sum")
        )
        torch.testing.assert_close(total, mean * 32 * 48)


def test_squared_errors_near_joints_can_weigh_more():
    batch = batch_of([[[33.5, 29.5]]], [[State.VISIBLE]])
    net = SimpleNamespace(config=replace(THIN, foreground=9.0, sigma=0.1), skeleton=HAND)
    plain = SimpleNamespace(config=replace(THIN, sigma=0.1), skeleton=HAND)
    maps = torch.zeros(1, 1, 16, 24)
    for n in (net, plain):
        n.config = replace(n.config, stride=4)  # the joint is the centre of cell (8, 7)
    assert regression_loss(plain, maps, batch).item() == pytest.approx(1 / 384)
    assert regression_loss(net, maps, batch).item() == pytest.approx(10 / 384)
    assert regression_loss(net, maps + 1, batch).item() == pytest.approx(383 / 384)


def test_undefined_joints_stop_or_are_put_between_others():
    """Pelvis from the hips (one hidden), thorax not from shoulders of which one is missing."""
    names = MPII.joint_names
    xy = torch.zeros(1, 16, 2)
    state = torch.full((1, 16), State.VISIBLE, dtype=torch.uint8)
    at = {name: i for i, name in enumerate(names)}
    xy[0, at["right_hip"]], xy[0, at["left_hip"]] = torch.tensor([[30.0, 40.0], [50.0, 44.0]])
    xy[0, at["right_shoulder"]] = torch.tensor([30.0, 20.0])
    state[0, at["pelvis"]] = state[0, at["thorax"]] = State.UNDEFINED
    state[0, at["right_hip"]], state[0, at["left_shoulder"]] = State.OCCLUDED, State.MISSING
    batch = batch_of(xy.tolist(), state.tolist())
    for undefined, counts in (("stop", False), ("synthesise", True)):
        config = replace(THIN, undefined=undefined, stride=1)
        maps, weight = target(regression_loss, config, batch, 64, 96, MPII)
        assert bool(weight[0, at["pelvis"]].any()) == counts
        assert not weight[0, at["thorax"]].any()
    assert maps[0, at["pelvis"]].argmax().item() == 42 * 96 + 40
    discs, weight = target(detection_loss, config, batch, 64, 96, MPII)
    assert weight[0, at["pelvis"]].any()
    assert discs[0, at["pelvis"]].abs().max() < 1e-5, "it is as hidden as the hip"
    defined = replace(batch, state=torch.full_like(batch.state, State.VISIBLE))
    own, _ = target(regression_loss, config, defined, 64, 96, MPII)
    assert own[0, at["pelvis"]].argmax().item() == 0, "what the data set gives is kept"


def test_a_skeleton_with_nothing_to_make_up():
    with pytest.raises(UserError, match=r"'lsp' has neither pelvis nor thorax; set .*=stop"):
        PartHeatmaps(replace(THIN, undefined="synthesise"), LSP)


# stages


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


# another data set with fewer joints


def test_a_net_for_16_joints_starts_one_for_14(tmp_path):
    source = stirred(new_net(PART_HEATMAPS, THIN, MPII, 1))
    info = ModelInfo(
        name="mpii",
        system="part_heatmaps",
        config=asdict(THIN),
        skeleton=MPII,
        preprocessing=Preprocessing(crop=THIN.crop),
        parameters=1,
        gmacs=0.0,
    )
    tensors = {name: value.contiguous().numpy() for name, value in source.state_dict().items()}
    write_model(tmp_path / "model", info, tensors, None, "# card\n")
    net = new_net(PART_HEATMAPS, THIN, LSP, 0)
    line, _ = take_from(PART_HEATMAPS, net, str(tmp_path / "model"))
    assert line.endswith(", 0 new")
    places = MPII.index(*LSP.joint_names)
    own, other = net.second.entry[0].weight, source.second.entry[0].weight
    assert own[:, :14].equal(other[:, places])
    assert own[:, 14:].equal(other[:, 16:]), "the image's channels"
    assert net.first.scores.weight.equal(source.first.scores.weight[places])
    assert net.second.grow.weight.equal(source.second.grow.weight[places][:, places])


# answers


class Fixed(nn.Module):
    """A net that has these maps, and others for any crop but the black one."""

    def __init__(self, config, maps, others=None):
        super().__init__()
        self.config, self.skeleton, self.maps = config, HAND_PAIR, maps
        self.others = maps if others is None else others

    def forward(self, image, upto_first=False):
        chosen = self.others if image[0, 0, 0, -1] else self.maps
        keep = 1 if upto_first else len(chosen)
        return dict(list(chosen.items())[:keep])


HAND_PAIR = Skeleton("pair", ("palm", "left", "right"), (("left", "right"),))


def marked():
    """A crop whose first column is white: mirrored it is the last."""
    image = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    image[..., 0] = 255
    return image


def test_answers_are_pixels_of_the_crop():
    maps = torch.zeros(1, 3, 64, 96)
    maps[0, 0, 20, 31] = 0.75
    maps[0, 1] = -torch.rand(64, 96) - 1
    maps[0, 2, 5, 7], maps[0, 2, 6, 8] = 1.5, 1.4
    net = Fixed(replace(THIN, stride=1), {"detection": maps, "regression": maps})
    answer = predict(net, marked(), Ask(maps=True))
    assert answer.xy[0].tolist() == [[31, 20], [47.5, 31.5], [7, 5]]  # without a peak: the middle
    assert answer.score[0].tolist() == [0.75, 0, 1]
    assert set(answer.maps) == {"detection", "regression"}
    assert answer.maps["regression"].equal(maps)


def test_coarser_maps_are_upsampled_first():
    maps = torch.zeros(1, 3, 32, 48)
    maps[0, :, 10, 15], maps[0, :, 10, 16], maps[0, :, 11, 15] = 1.0, 0.5, 0.25
    answer = predict(Fixed(THIN, {"regression": maps}), marked(), Ask())
    # of the cell's four pixels (30, 31) x (20, 21) the one nearest to the higher neighbours
    assert answer.xy[0].tolist() == [[31, 21]] * 3
    assert answer.score[0, 0].item() == pytest.approx(0.75 * 0.75 + 0.5 * 0.1875 + 0.25 * 0.1875)


def test_maps_of_the_mirrored_crop_are_mirrored_renamed_and_averaged():
    here, there = torch.zeros(2, 1, 3, 64, 96)
    here[0, 1, 10, 20], there[0, 2, 10, 95 - 20] = 0.6, 0.4  # left, which the mirror calls right
    here[0, 2, 30, 50], there[0, 1, 40, 95 - 60] = 0.6, 0.7
    here[0, 0, 3, 4], there[0, 0, 3, 95 - 4] = -1.0, 0.5
    config = replace(THIN, stride=1)
    net = Fixed(config, {"regression": here}, {"regression": there})
    answer = predict(net, marked(), Ask(flip=True, maps=True))
    assert answer.xy[0].tolist() == [[47.5, 31.5], [20, 10], [60, 40]]
    assert answer.score[0].tolist() == pytest.approx([0, 0.5, 0.35])
    assert answer.maps["regression"][0, 0, 3, 4].item() == pytest.approx(-0.25)


def test_the_first_of_the_highest_pixels():
    maps = torch.zeros(1, 3, 64, 96)
    maps[0, :, 20:23, 30:35] = 0.75
    for highest, xy in (("first", [30, 20]), ("middle", [32, 21])):
        net = Fixed(replace(THIN, stride=1, highest=highest), {"regression": maps})
        answer = predict(net, marked(), Ask())
        assert answer.xy[0].tolist() == [xy] * 3
        assert answer.score[0].tolist() == [0.75] * 3


def test_upto_the_first_stage_is_the_detector_alone():
    first, second = torch.zeros(2, 1, 3, 32, 48)
    first[0, :, 5, 5], second[0, :, 8, 8] = 1, 1
    net = Fixed(THIN, {"detection": first, "regression": second})
    for upto, pixel in (("detect", 10.5), ("regress", 16.5), ("joint", 16.5), (None, 16.5)):
        answer = predict(net, marked(), Ask(upto=upto, maps=True))
        assert answer.xy[0, 0].tolist() == [pixel, pixel]
        assert ("regression" in answer.maps) == (upto != "detect")


def test_padding_of_the_fcn_moves_nothing():
    """A cell of stride 8 of the padded crop lies where its pixels do: 60 x 92 is padded by 2 and 2."""
    detector = FCNDetector("vgg11", 1, (4, 4, 4, 4, 4), 6, 3, stride=2).eval()
    maps = torch.zeros(1, 1, 8, 12)
    maps[0, 0, 3, 5] = 1
    detector.fcn.fuse = lambda features: [maps]
    answer, _ = detector(torch.zeros(1, 3, 60, 92))
    assert answer.shape == (1, 1, 30, 46)
    y, x = torch.meshgrid(torch.arange(30.0), torch.arange(46.0), indexing="ij")
    centre = [(answer[0, 0] * axis).sum().item() / answer.sum().item() for axis in (x, y)]
    px = [2 * cell + 0.5 for cell in centre]
    assert px == pytest.approx([8 * 5 + 3.5 - 2, 8 * 3 + 3.5 - 2])


@KINDS
@pytest.mark.parametrize("variant", ["detection_regression", "detection", "regression"])
def test_flip_test_commutes_with_the_mirror(config, variant):
    torch.manual_seed(0)
    net = stirred(PartHeatmaps(replace(config, variant=variant), LSP))
    image = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        one = predict(net, image, Ask(flip=True))
        other = predict(net, image.flip(-1), Ask(flip=True))
        single = predict(net, image, Ask())
    mirrored = torch.stack([95 - other.xy[..., 0], other.xy[..., 1]], -1)[:, LSP.swap]
    torch.testing.assert_close(one.xy, mirrored, atol=1e-3, rtol=0)
    torch.testing.assert_close(one.score, other.score[:, LSP.swap])
    assert not torch.allclose(one.xy, single.xy)
    assert one.xy.unique().numel() > 5


def test_any_vgg_or_resnet():
    for backbone in ("resnet50", "resnext50_32x4d", *VGGS):
        config = replace(THIN, backbone=backbone, channels=None, hidden=8, hidden_kernel=3)
        assert shapes(on_meta(config, LSP), (64, 96))["regression"] == (14, 32, 48)


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

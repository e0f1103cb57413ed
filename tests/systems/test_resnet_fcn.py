"""Wang & Hao's heads: published counts, map sizes, targets and losses by hand, flips."""

from dataclasses import replace
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vitruvian.skeleton import LSP, MPII, Skeleton
from vitruvian.systems.contract import Ask, Batch, generator
from vitruvian.systems.resnet_fcn import (
    HEADS,
    RESNET_FCN,
    PlainRounds,
    ResNetFCN,
    ResNetFCNConfig,
    Round,
    heatmap_step,
    predict,
    stages,
)
from vitruvian.types import State, UserError

THIN = ResNetFCNConfig(
    crop=(64, 96), backbone="resnet18", channels=(4, 8, 12, 16), width=12, inner=6, head="fcn_up"
)
ROUNDS = ("fcn_up", "fcn_bottleneck")


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@cache
def on_meta(**config):
    with torch.device("meta"):
        return ResNetFCN(ResNetFCNConfig(**config), MPII)


def moved_statistics(net, seed=0):
    """The net in eval mode with statistics that are not those of a new one."""
    rng = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=rng)
            module.running_var.uniform_(0.5, 2, generator=rng)
            nn.init.uniform_(module.weight, 0.5, 2, generator=rng)
            nn.init.normal_(module.bias, 0, 0.1, generator=rng)
    return net.eval()


# parameters


@pytest.mark.parametrize(
    ("backbone", "total", "head"),
    [
        ("resnet18", 15_376_464, 4_199_952),
        ("resnet34", 25_484_624, 4_199_952),
        ("resnet50", 33_999_440, 10_491_408),
        ("resnet101", 52_991_568, 10_491_408),
        ("resnet152", 68_635_216, 10_491_408),
    ],
)
def test_parameters_of_the_baseline(backbone, total, head):
    net = on_meta(backbone=backbone, head="deconv")
    assert (parameters(net), parameters(net.head)) == (total, head)


@pytest.mark.parametrize(
    ("head", "own", "total"),
    [
        ("fcn_up", 986_896, 24_494_928),
        ("fcn_1x1", 594_960, 24_102_992),
        ("fcn_bottleneck", 854_800, 24_362_832),
        ("fcn_native", 986_896, 24_494_928),
        ("fcn_skip", 57_392, 23_565_424),
        ("deconv", 10_491_408, 33_999_440),
    ],
)
def test_parameters_of_the_heads_on_resnet50(head, own, total):
    net = on_meta(head=head)
    assert (parameters(net.head), parameters(net)) == (own, total)


def test_parameters_on_a_shallow_resnet():
    assert parameters(on_meta(backbone="resnet18").head) == 495_376


def test_one_bias_in_the_default_head():
    head = on_meta().head
    biased = [name for name, m in head.named_modules() if getattr(m, "bias", None) is not None]
    convolutions = [name for name in biased if isinstance(head.get_submodule(name), nn.Conv2d)]
    assert convolutions == ["score"]


# sizes of maps


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", [(256, 256), (256, 192), (320, 320), (64, 32)])
def test_map_sizes(head, size):
    net = on_meta(head=head)
    height, width = size
    maps = net(torch.empty(2, 3, height, width, dtype=torch.uint8, device="meta"))
    stride = 32 if head == "fcn_native" else 4
    assert net.stride == stride
    assert maps.shape == (2, 16, height // stride, width // stride)


@pytest.mark.parametrize("head", ROUNDS)
def test_map_sizes_with_lateral_maps(head):
    net = on_meta(head=head, lateral=True, backbone="resnet18", channels=(8, 16, 24, 32))
    maps = net(torch.empty(1, 3, 256, 192, dtype=torch.uint8, device="meta"))
    assert maps.shape == (1, 16, 64, 48)
    assert [block.lateral[0].in_channels for block in net.head.rounds] == [24, 16, 8]


def test_lateral_maps_change_the_answer():
    net = moved_statistics(ResNetFCN(replace(THIN, lateral=True), LSP))
    features = [torch.randn(1, c, 16 >> i, 24 >> i) for i, c in enumerate(THIN.channels)]
    whole = net.head(features)
    for level in range(3):
        without = [torch.zeros_like(f) if i == level else f for i, f in enumerate(features)]
        assert not torch.allclose(net.head(without), whole)


# 1x1 convolutions and upsampling


def grown(maps):
    return F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)


@pytest.mark.parametrize(("inputs", "outputs"), [(20, 12), (12, 12)])
def test_a_round_equals_the_order_of_the_report(inputs, outputs):
    block = moved_statistics(Round(inputs, outputs, inner=6, factor=2))
    maps = torch.randn(2, inputs, 3, 5)
    x = grown(maps)  # first upsample, then the whole bottleneck
    skip = x if block.project is None else block.project_norm(block.project(x))
    y = torch.relu(block.reduce_norm(block.reduce(x)))
    y = torch.relu(block.expand(torch.relu(block.middle(y))) + skip)
    assert y.shape == (2, outputs, 6, 10)
    torch.testing.assert_close(block(maps), y, atol=1e-5, rtol=1e-5)
    assert (block.project is None) == (inputs == outputs)


def test_plain_rounds_equal_the_order_of_the_report():
    head = moved_statistics(PlainRounds(THIN, (16,), 5))
    nn.init.normal_(head.score.bias)
    maps = torch.randn(2, 16, 2, 3)
    x = torch.relu(head.first_norm(head.first(grown(maps))))
    x = torch.relu(head.second_norm(head.second(grown(x))))
    torch.testing.assert_close(head([maps]), head.score(grown(x)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("head", [name for name in HEADS if name != "fcn_native"])
def test_constant_maps_stay_constant_inside(head):
    net = moved_statistics(ResNetFCN(replace(THIN, head=head), LSP)).double()
    channels, strides = net.backbone.channels, net.backbone.strides
    features = [
        torch.randn(1, c, 1, 1, dtype=torch.double).expand(1, c, 512 // s, 512 // s)
        for c, s in zip(channels, strides, strict=True)
    ]
    maps = net.head(features)[..., 60:68, 60:68]  # the borders feel the padding of the 3x3
    pattern = maps[..., :1, :1] if head != "deconv" else maps[..., :8, :8]
    torch.testing.assert_close(maps, pattern.expand_as(maps), atol=1e-9, rtol=1e-6)


# config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": (250, 256)}, "multiples of 32"),
        ({"crop": (256, 0)}, "multiples of 32"),
        ({"crop": (-32, 64)}, "multiples of 32"),
        ({"sigma": float("nan")}, "sigma is nan; set config.sigma to a finite number"),
        ({"channels": (8, 16, 0, 8)}, r"channels \[8, 16, 0, 8\] must be whole numbers from 1"),
        ({"loss": "softmax"}, "no zero map; set config.missing=mask"),
        ({"lateral": True, "head": "deconv"}, "'deconv' has no rounds"),
        ({"lateral": True, "head": "fcn_native"}, "'fcn_native' has no rounds"),
    ],
)
def test_sizes_that_contradict(change, message):
    with pytest.raises(UserError, match=message):
        ResNetFCNConfig(**change)


def test_backbones_that_do_not_fit():
    with pytest.raises(UserError, match="no backbone 'resnet5' in timm; nearest: 'resnet50'"):
        ResNetFCN(replace(THIN, backbone="resnet5"), LSP)
    with pytest.raises(UserError, match="cannot be built"):
        ResNetFCN(replace(THIN, backbone="mobilenetv3_small_100"), LSP)


def test_another_backbone():
    config = replace(THIN, backbone="mobilenetv3_small_050", channels=None, lateral=True)
    net = ResNetFCN(config, LSP).eval()
    assert net(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).shape == (1, 14, 16, 24)


def test_initial_weights():
    deconv = ResNetFCN(replace(THIN, head="deconv", width=64), LSP).head
    for module in (deconv.grow[0], deconv.grow[3], deconv.score):
        assert module.weight.std().item() == pytest.approx(0.001, rel=0.1)
    assert not deconv.score.bias.any()
    assert ResNetFCN(THIN, LSP).head.score.weight.std().item() == pytest.approx(0.001, rel=0.2)


# targets and losses

HAND = Skeleton("hand", ("palm", "thumb", "tip", "nail"))
STATES = (State.VISIBLE, State.OCCLUDED, State.MISSING, State.UNDEFINED)


class Fixed(nn.Module):
    """A net whose heatmaps are its only parameter."""

    def __init__(self, heatmaps, stride=4, skeleton=HAND, **config):
        super().__init__()
        self.heatmaps, self.stride, self.skeleton = nn.Parameter(heatmaps), stride, skeleton
        self.config = replace(THIN, **config)

    def forward(self, image):
        return self.heatmaps


def batch_of(xy, state):
    B = len(xy)
    return Batch(
        image=torch.zeros(B, 3, 64, 96, dtype=torch.uint8),
        joints=torch.tensor(xy),
        state=torch.tensor(state, dtype=torch.uint8),
        to_image=torch.eye(3)[:2].expand(B, 2, 3),
        key=torch.arange(B),
    )


def loss_and_gradient(net, batch):
    (loss,) = heatmap_step(net, batch, generator(0)).values()
    (gradient,) = torch.autograd.grad(loss, net.heatmaps)
    return loss.item(), gradient


XY = [[[33.5, 29.5], [57.5, 37.5], [0.0, 0.0], [0.0, 0.0]]]  # cells (8, 7) and (14, 9)


@pytest.mark.parametrize("stride", [4, 32])
def test_target_stands_in_its_cell(stride):
    h, w = 64 // stride, 96 // stride
    x, y = (3, 2) if stride == 4 else (2, 1)
    px = [(x + 0.5) * stride - 0.5, (y + 0.5) * stride - 0.5]
    net = Fixed(torch.zeros(1, 1, h, w), stride)
    _, gradient = loss_and_gradient(net, batch_of([[px]], [[State.VISIBLE]]))
    target = -gradient[0, 0] * h * w / 2
    assert target[y, x].item() == pytest.approx(1)
    assert target[y, x - 1].item() == pytest.approx(0.60653, abs=1e-5)
    assert target[y - 1, x].item() == pytest.approx(0.60653, abs=1e-5)
    assert target.argmax().item() == y * w + x


def test_missing_joints_are_zero_maps_or_nothing():
    half = torch.full((1, 4, 16, 24), 0.5)
    batch = batch_of(XY, [STATES])
    # (1/2 - g)^2 = 1/4 - g + g^2; of a Gaussian g inside the map the sums are 2 pi and pi
    located = 0.25 - torch.pi / (16 * 24)
    zero, gradient = loss_and_gradient(Fixed(half, missing="zero"), batch)
    assert zero == pytest.approx((2 * located + 0.25) / 4, abs=1e-6)
    torch.testing.assert_close(gradient[0, 2], torch.full((16, 24), 2 * 0.5 / (4 * 16 * 24)))
    assert not gradient[0, 3].any()
    mask, gradient = loss_and_gradient(Fixed(half, missing="mask"), batch)
    assert mask == pytest.approx(2 * located / 4, abs=1e-6)
    assert zero - mask == pytest.approx(0.25 / 4)
    assert not gradient[0, 2:].any()
    assert gradient[0, 0].any()
    assert gradient[0, 1].any()


def test_softmax_by_hand():
    net = Fixed(torch.zeros(1, 4, 16, 24), loss="softmax", missing="mask")
    loss, gradient = loss_and_gradient(net, batch_of(XY, [STATES]))
    assert loss == pytest.approx(2 * 5.950643 / 4, abs=1e-5)  # ln(16 * 24)
    assert not gradient[0, 2:].any()
    assert gradient[0, 0].argmin().item() == 7 * 24 + 8
    assert gradient[0, 1].argmin().item() == 9 * 24 + 14


@pytest.mark.parametrize(
    "config",
    [{"missing": "zero"}, {"missing": "mask"}, {"missing": "mask", "loss": "softmax"}],
    ids=["zero", "mask", "softmax"],
)
def test_coordinates_that_do_not_count_change_nothing(config):
    heatmaps = torch.randn(2, 4, 16, 24, generator=torch.Generator().manual_seed(1))
    states = [STATES, STATES[::-1]]
    xy = torch.tensor(XY * 2)
    xy[1] = xy[1].flip(0)
    clean, gradient = loss_and_gradient(Fixed(heatmaps, **config), batch_of(xy.tolist(), states))
    for junk in (-1e6, float("nan"), 20.0):
        spoilt = torch.where(torch.tensor(states)[..., None] >= State.OCCLUDED, xy, junk).tolist()
        loss, again = loss_and_gradient(Fixed(heatmaps, **config), batch_of(spoilt, states))
        assert loss == clean
        assert torch.equal(again, gradient)
    undefined = torch.tensor(states) == State.UNDEFINED
    assert not gradient[undefined].any()


def test_a_perfect_answer_costs_nothing():
    net = Fixed(torch.zeros(1, 4, 16, 24))
    batch = batch_of(XY, [STATES])
    _, gradient = loss_and_gradient(net, batch)
    net.heatmaps.data = -gradient * 4 * 16 * 24 / 2
    loss, gradient = loss_and_gradient(net, batch)
    assert loss == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max() < 1e-8


def test_one_stage_trains_the_whole_net():
    (stage,) = stages(THIN)
    assert (stage.name, stage.trains, stage.before) == ("heatmaps", ("",), None)
    assert RESNET_FCN.needs == ()


# answers


def test_peaks_become_pixels_of_the_crop():
    heatmaps = torch.zeros(1, 4, 16, 24)
    heatmaps[0, 0, 2, 3] = 1.5
    heatmaps[0, 1, 10, 8], heatmaps[0, 1, 10, 9], heatmaps[0, 1, 9, 8] = 0.75, 0.5, 0.25
    heatmaps[0, 2] -= 1
    net = Fixed(heatmaps, offset="both_axes")
    answer = predict(net, torch.zeros(1, 3, 64, 96, dtype=torch.uint8), Ask(maps=True))
    assert answer.xy[0].tolist() == [[13.5, 9.5], [34.5, 40.5], [1.5, 1.5], [1.5, 1.5]]
    assert answer.score[0].tolist() == [1, 0.75, 0, 0]
    assert torch.equal(answer.maps["heatmaps"], heatmaps)
    assert predict(net, torch.zeros(1, 3, 64, 96), Ask()).maps == {}
    native = Fixed(torch.eye(2, 3)[None, None].repeat(1, 4, 1, 1), stride=32, offset="none")
    assert predict(native, torch.zeros(1, 3, 64, 96), Ask()).xy[0, 0].tolist() == [15.5, 15.5]


def test_softmax_scores_are_mass_near_the_peak():
    heatmaps = torch.zeros(1, 4, 16, 24)
    heatmaps[0, 0, 8, 8] = 30
    net = Fixed(heatmaps, loss="softmax", missing="mask", offset="none")
    score = predict(net, torch.zeros(1, 3, 64, 96), Ask()).score[0]
    assert score[0].item() == pytest.approx(1)
    assert score[1].item() == pytest.approx(9 / 384)  # uniform: the first cell, a corner


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    "config",
    [{}, {"loss": "softmax", "missing": "mask", "offset": "local_mean"}],
    ids=["mse", "softmax"],
)
def test_flip_test_commutes_with_the_mirror(head, config):
    torch.manual_seed(0)
    net = moved_statistics(ResNetFCN(replace(THIN, head=head, **config), LSP))
    for module in net.modules():  # else the maps are so flat that rounding makes equal peaks
        if isinstance(module, nn.Conv2d) and module.out_channels == len(LSP):
            nn.init.normal_(module.weight, std=0.5)
    image = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        one = predict(net, image, Ask(flip=True, maps=True))
        other = predict(net, image.flip(-1), Ask(flip=True, maps=True))
        single = predict(net, image, Ask())
    mirrored = torch.stack([95 - other.xy[..., 0], other.xy[..., 1]], -1)[:, LSP.swap]
    torch.testing.assert_close(one.xy, mirrored, atol=1e-3, rtol=0)
    torch.testing.assert_close(one.score, other.score[:, LSP.swap])
    torch.testing.assert_close(
        one.maps["heatmaps"], other.maps["heatmaps"].flip(-1)[:, LSP.swap], atol=1e-7, rtol=1e-5
    )
    assert not torch.allclose(one.xy, single.xy)

"""Part heatmaps: discs, Gaussians and masks by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from thin_parts import THIN, batch_of
from vitruvian.skeleton import LSP, MPII, Skeleton
from vitruvian.systems.part_heatmaps import PartHeatmaps, detection_loss, regression_loss
from vitruvian.types import State, UserError

HAND = Skeleton("hand", ("palm", "thumb", "tip", "nail"))
STATES = (State.VISIBLE, State.OCCLUDED, State.MISSING, State.UNDEFINED)


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

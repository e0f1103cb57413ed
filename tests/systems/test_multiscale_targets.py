"""Multi-scale supervision: targets and losses by hand."""

import math
from dataclasses import replace

import pytest
import torch

from thin_multiscale import THIN, batch_of
from vitruvian import codecs, geometry
from vitruvian.systems.multiscale import MultiscaleConfig, map_losses, targets
from vitruvian.types import State

STATES = (State.VISIBLE, State.OCCLUDED, State.MISSING, State.UNDEFINED)
# targets; px 4 x + 1.5 is the centre of cell x

CROP = (16, 32)  # 4 x 8 cells, then 2 x 4
HAND = replace(THIN, crop=CROP, sigma=1.0, window=3)
E1, E2 = 0.6065307, 0.3678794  # exp(-1/2), exp(-1)
GT = [
    [0, E2, E1, E2, 0, 0, 0, 0],
    [0, E1, 1.0, E1, 0, 0, 0, 0],
    [0, E2, E1, E2, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 0],
]
HALVES = {
    "maxpool": [[E1, 1.0, 0, 0], [E2, E1, 0, 0]],
    "avgpool": [[0.2436025, 0.6452352, 0, 0], [0.0919699, 0.2436025, 0, 0]],
    # the joint is at cell (0.75, 0.25) of 8 px: exp(-(dx^2 + dy^2) / 2)
    "rerender": [[0.7316156, 0.9394131, 0.4437473, 0], [0.5697828, 0.7316156, 0.3455907, 0]],
}


def hand_batch(states=(State.VISIBLE, State.MISSING)):
    return batch_of([[[9.5, 5.5], [20.0, 9.0]]], [states], CROP)


@pytest.mark.parametrize("kind", HALVES)
def test_targets_of_two_scales_by_hand(kind):
    (whole, half), counted = targets(replace(HAND, target_scale=kind), hand_batch())
    torch.testing.assert_close(whole[0, 0], torch.tensor(GT))
    torch.testing.assert_close(half[0, 0], torch.tensor(HALVES[kind]))
    assert not whole[0, 1].any()
    assert not half[0, 1].any()
    assert counted.tolist() == [[True, True]]


def test_targets_of_every_scale_are_read_back_as_the_joint():
    """Where they are drawn anew, to a tenth of a cell; where they are pooled, to one cell."""
    batch = batch_of([[[83.0, 45.0]]], [[State.VISIBLE]], (96, 160))
    for kind, cells in (("rerender", 0.1), ("maxpool", 1), ("avgpool", 1)):
        config = MultiscaleConfig(crop=(96, 160), levels=3, target_scale=kind, sigma=1.0)
        for scale, maps in enumerate(targets(config, batch)[0]):
            xy_cell, _ = codecs.decode_heatmaps(maps, "local_mean")
            xy_crop = geometry.cell_to_px(xy_cell, 4 * 2**scale)
            off = (xy_crop - batch.joints).abs().max().item() / (4 * 2**scale)
            assert off < cells, (kind, scale)


def test_both_readings_of_sigma_1():
    batch = batch_of([[[29.5, 29.5]]], [[State.VISIBLE]], (64, 64))
    profiles = {1.75: [1, 0.8494, 0.5205, 0.2301, 0], 1.0: [1, 0.6065, 0.1353, 0.0111, 0]}
    for sigma, profile in profiles.items():
        config = MultiscaleConfig(crop=(64, 64), scales=1, sigma=sigma)
        (whole,), _ = targets(config, batch)
        assert whole[0, 0, 7, 7:12].tolist() == pytest.approx(profile, abs=5e-5)
        assert (whole > 0).sum().item() == 49


def test_a_window_of_0_follows_sigma():
    batch = batch_of([[[29.5, 29.5]]], [[State.VISIBLE]], (64, 64))
    for sigma, cells in ((1.0, 7), (2.0, 13)):  # 6 sigma + 1 about the middle of cell 7
        config = MultiscaleConfig(crop=(64, 64), scales=1, sigma=sigma, window=0)
        (whole,), _ = targets(config, batch)
        assert (whole > 0).sum().item() == cells**2


@pytest.mark.parametrize(("missing", "counts"), [("zero", [1, 1, 1, 0]), ("mask", [1, 1, 0, 0])])
def test_what_joints_count_for(missing, counts):
    """Visible, occluded, missing, undefined: Gaussians for the first two, an empty map for the third."""
    batch = batch_of([[[9.5, 5.5]] * 4], [STATES], CROP)
    maps, counted = targets(replace(HAND, missing=missing), batch)
    assert counted.tolist() == [[bool(c) for c in counts]]
    for scale in maps:
        assert scale.amax((-2, -1)).tolist() == [[1, 1, 0, 0]]


# losses


# Answers of .5 at GT and .25 at GT/2 for the joint, .1 at both for the missing one; equation (1):
# GT    .5^2 + 4 (e1 - .5)^2 + 4 (e2 - .5)^2 + 23 .5^2 + 32 .1^2                    = 6.4352185, / 2
# GT/2  .75^2 + 2 (e1 - .25)^2 + (e2 - .25)^2 + 4 .25^2 + 8 .1^2                    = 1.1606238, / 2
SUMS = {"stack1_gt": 3.2176092, "stack1_gt/2": 0.5803119}
# With foreground 2 the errors above count 1 + 2 x target times:
# 3 .5^2 + 4 (1 + 2 e1) (e1 - .5)^2 + 4 (1 + 2 e2) (e2 - .5)^2 + 23 .5^2 + .32      = 7.0416587, / 2
# 3 .75^2 + 2 (1 + 2 e1) (e1 - .25)^2 + (1 + 2 e2) (e2 - .25)^2 + 4 .25^2 + .08     = 2.6042420, / 2
WEIGHED = {"stack1_gt": 3.5208294, "stack1_gt/2": 1.3021210}


def answers_by_hand():
    return [
        torch.tensor([0.5, 0.1]).view(1, 2, 1, 1).expand(1, 2, 4, 8),
        torch.tensor([0.25, 0.1]).view(1, 2, 1, 1).expand(1, 2, 2, 4),
    ]


@pytest.mark.parametrize(("foreground", "expected"), [(0.0, SUMS), (2.0, WEIGHED)])
def test_the_loss_of_two_joints_and_two_scales_by_hand(foreground, expected):
    config = replace(HAND, foreground=foreground)
    found = map_losses(config, "stack1", answers_by_hand(), *targets(config, hand_batch()))
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        expected, abs=5e-7
    )
    means = map_losses(
        replace(config, reduction="mean"),
        "stack1",
        answers_by_hand(),
        *targets(config, hand_batch()),
    )
    cells = dict(zip(expected, (32, 8), strict=True))
    for name, value in means.items():
        assert value.item() == pytest.approx(expected[name] / cells[name], abs=1e-7)


def test_sums_weigh_the_scales_16_to_4_to_1_and_means_equally():
    batch = batch_of([[[70.0, 50.0]]], [[State.MISSING]], (128, 128))
    for reduction, ratio in (("sum", [16, 4, 1]), ("mean", [1, 1, 1])):
        config = MultiscaleConfig(crop=(128, 128), reduction=reduction)
        ones = [torch.ones(1, 1, side, side) for side in (32, 16, 8)]
        found = map_losses(config, "stack1", ones, *targets(config, batch))
        assert list(found) == ["stack1_gt", "stack1_gt/2", "stack1_gt/4"]
        values = list(found.values())
        assert [(v / values[-1]).item() for v in values] == pytest.approx(ratio)


def test_an_undefined_joint_counts_nothing_whatever_is_answered():
    config = replace(HAND, missing="zero")
    plain = map_losses(
        config,
        "x",
        answers_by_hand(),
        *targets(config, hand_batch((State.VISIBLE, State.UNDEFINED))),
    )
    assert plain["x_gt"].item() == pytest.approx(SUMS["stack1_gt"] - 0.16, abs=2e-6)
    assert plain["x_gt/2"].item() == pytest.approx(SUMS["stack1_gt/2"] - 0.04, abs=2e-6)


def test_a_softmax_that_knows_nothing_costs_the_log_of_the_cells():
    """Joints: inside, outside the map (no mass, no loss), missing."""
    config = replace(THIN, loss="softmax", missing="mask")
    one = batch_of(
        [[[20.0, 10.0], [300.0, 10.0], [5.0, 5.0]]],
        [[State.VISIBLE, State.OCCLUDED, State.MISSING]],
    )
    target, counted = targets(config, one)
    assert counted.tolist() == [[True, True, False]]
    maps = [torch.zeros_like(m).requires_grad_() for m in target]
    found = map_losses(config, "stack1", maps, target, counted)
    assert found["stack1_gt"].item() == pytest.approx(math.log(8 * 12) / 3)
    assert found["stack1_gt/2"].item() == pytest.approx(math.log(4 * 6) / 3)
    sum(found.values()).backward()
    pull = [m.grad[0].flatten(1).abs().sum(1).tolist() for m in maps]
    assert all(inside > 0 for inside, _, _ in pull)
    assert all(rest == [0, 0] for _, *rest in pull)

"""DeepPose: losses by hand, displacements recovered, what a stage moves."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from thin_deeppose import PAIR, THIN, batch, new
from vitruvian import geometry
from vitruvian.learn.train import set_trained
from vitruvian.nn.warp import to_box
from vitruvian.systems.contract import generator
from vitruvian.systems.deeppose import stages
from vitruvian.systems.deeppose.steps import (
    first_step,
    later_step,
    measure,
    places_loss,
    regression_loss,
    shift_statistics,
    simulated,
    windows,
)
from vitruvian.types import State

# losses


def test_loss_by_hand():
    """The sum over located joints of squared distances, divided by B; draws are averaged."""
    net = new()
    psi, target = torch.zeros(2, 3, 2), torch.zeros(2, 3, 2)
    psi[0, 0], psi[0, 1], psi[1, 2] = torch.tensor([[0.3, 0.4], [7, 7], [0, -1]])
    located = torch.tensor([[True, False, True], [True, True, True]])
    assert regression_loss(net, psi, target, located).item() == pytest.approx((0.25 + 1) / 2)
    four = psi[:, None].repeat(1, 4, 1, 1)
    assert regression_loss(net, four, 0 * four, located).item() == pytest.approx((0.25 + 1) / 2)
    net.config = replace(THIN, loss="l1")
    assert regression_loss(net, psi, target, located).item() == pytest.approx((0.7 + 1) / 2)


def test_places_by_hand():
    """Sure of the right cell costs next to nothing; no idea costs ln 20; outside the view nothing."""
    net = new(replace(THIN, auxiliary=0.5))
    cells = torch.zeros(2, 3, 4, 5)
    xy_norm = torch.zeros(2, 3, 2)
    xy_norm[:, 0] = geometry.px_to_norm(torch.tensor([3.0, 1.0]), torch.tensor([5, 4]))
    xy_norm[:, 1] = 0.51
    located = torch.tensor([[True, True, False], [False, True, False]])
    one = places_loss(net, cells, xy_norm, located).item()
    assert one == pytest.approx(0.5 * np.log(20) / 2)
    cells[0, 0, 1, 3] = 2.0
    assert places_loss(net, cells, xy_norm, located).item() < one
    cells[:, 1:], cells[1, 0] = torch.randn(2, 2, 4, 5), 3.0
    xy_norm[:, 2] = 0.1
    again = places_loss(net, cells, xy_norm, located)
    cells[:, 1:] = 0
    torch.testing.assert_close(places_loss(net, cells, xy_norm, located), again)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_window_finds_all_joints_in_it(stage):
    """The cells asked for are those of the joints in the view of each window."""
    net, one = new(replace(THIN, auxiliary=1.0, stages=2)), batch(3)
    state = one.state.clone()
    state[0, 4] = State.MISSING
    step = first_step if stage == 1 else partial(later_step, 2)
    losses = step(net, replace(one, state=state), generator(0))
    assert set(losses) == {f"stage{stage}", f"places{stage}"}
    losses[f"places{stage}"].backward()
    places = net.nets[stage - 1].places
    assert places.weight.grad.flatten(1).any(1).all()
    assert net.nets[stage - 1].outputs.weight.grad is None


def test_masked_joints_change_nothing():
    net, one = new(replace(THIN, draws=2)).train(), batch()
    state = one.state.clone()
    state[:, 3], state[2, 8:] = State.MISSING, State.UNDEFINED
    joints = torch.where((state < State.OCCLUDED)[..., None], torch.tensor(-5e3), one.joints)
    net.shift_factor.copy_(0.1 * torch.eye(2).expand(2, 14, 2, 2))
    for step in (first_step, partial(later_step, 2), partial(later_step, 3)):
        losses = [
            sum(step(copy.deepcopy(net), replace(one, **what), generator(4)).values())
            for what in ({"state": state}, {"state": state, "joints": joints})
        ]
        assert losses[0].equal(losses[1])
        assert losses[0].isfinite()


# displacements


def test_statistics_of_displacements_are_recovered():
    rng = torch.Generator().manual_seed(0)
    mean = torch.tensor([[0.1, -0.2], [0.0, 0.3], [-0.4, 0.0]])
    factor = torch.tensor([[[0.3, 0], [0.1, 0.2]], [[0.1, 0], [-0.2, 0.4]], [[0.2, 0], [0, 0.1]]])
    noise = torch.randn(20_000, 3, 2, 1, generator=rng)
    error = mean + (factor @ noise)[..., 0]
    known = torch.rand(20_000, 3, generator=rng) < 0.7
    junk = torch.where(known[..., None], error, torch.nan)
    found_mean, found = shift_statistics(junk, known, "full")
    torch.testing.assert_close(found_mean, mean, atol=0.01, rtol=0)
    torch.testing.assert_close(found, factor, atol=0.01, rtol=0)
    _, diagonal = shift_statistics(junk, known, "diag")
    spread = (factor @ factor.mT).diagonal(dim1=1, dim2=2).sqrt()
    torch.testing.assert_close(diagonal, torch.diag_embed(spread), atol=0.01, rtol=0)


def test_a_joint_that_is_never_known_has_the_statistics_of_all():
    error = torch.tensor([[[1.0, 0], [3, 2], [9, 9]], [[2, 0], [4, 2], [9, 9]]])
    known = torch.tensor([[True, True, False], [True, True, False]])
    mean, factor = shift_statistics(error, known, "full")
    assert mean.tolist() == [[1.5, 0], [3.5, 2], [2.5, 1]]
    assert (factor @ factor.mT)[2].flatten().tolist() == pytest.approx([1.25, 1, 1, 1])
    assert factor[0].flatten().tolist() == [0.5, 0, 0, 0]


class Off(nn.Module):
    """Stage 1 that is wrong by known amounts: answers a list of psi, one call after the other."""

    def __init__(self, answers):
        super().__init__()
        self.answers = iter(answers)

    def forward(self, image):
        return next(self.answers).flatten(1)[:, None]


def test_measured_in_diameters_of_the_true_pose():
    """Persons of different sizes, wrong by the same share of their diameter."""
    net = new(replace(THIN, stages=2, cov="full"), PAIR)
    body = torch.tensor([[1.0, 0], [1, 1], [0, 0], [0, 1]])  # diameters of 1
    rng = torch.Generator().manual_seed(1)
    batches, answers = [], []
    for number in range(20):
        size = 8 + 24 * torch.rand(50, 1, 1, generator=rng)
        joints = 20 + body * size
        noise = torch.randn(50, 4, 2, generator=rng)
        wrong = torch.tensor([0.2, -0.1]) + 0.05 * noise
        box = torch.tensor([47.5, 31.5]), torch.tensor([96.0, 96.0])
        answers.append(to_box(joints + wrong * size, *box))
        state = torch.full((50, 4), int(State.VISIBLE), dtype=torch.uint8)
        state[:, 1] = State.MISSING
        joints[:, 1] = 7e3
        one = batch(50, 4, seed=number)
        batches.append(replace(one, joints=joints, state=state))
    net.nets[0] = Off(answers)
    measure(2, net, batches, generator(0))
    expected = torch.tensor([0.2, -0.1]).expand(4, 2)
    torch.testing.assert_close(net.shift_mean[0], expected, atol=0.01, rtol=0)
    torch.testing.assert_close(
        net.shift_factor[0], 0.05 * torch.eye(2).expand(4, 2, 2), atol=0.006, rtol=0
    )
    assert net.share.item() == pytest.approx(20 / 96, rel=0.05)
    assert net.size_std[0].item() == pytest.approx(0.05 * 2**0.5, rel=0.15)


def test_draws_have_the_measured_statistics_and_belong_to_samples():
    config = replace(THIN, stages=3, draws=400, vary_size=True, sigma=1.5)
    net, one = new(config), batch(8)
    rng = torch.Generator().manual_seed(2)
    net.shift_mean.copy_(torch.randn(2, 14, 2, generator=rng) / 5)
    net.shift_factor.copy_(torch.rand(2, 14, 2, 2, generator=rng).tril() / 5)
    net.size_mean.copy_(torch.tensor([0.0, -0.1]))
    net.size_std.copy_(torch.tensor([0.0, 0.2]))
    box = net.initial_box(one.image.float())
    diameter = net.diameter(one.joints, box)[:, None]
    centre, side = simulated(3, net, one, box, generator(5))
    assert centre.shape == (8, 400, 14, 2)
    shift = ((centre - one.joints[:, None]) / diameter).flatten(0, 1)
    mean, factor = shift_statistics(shift, torch.ones(3200, 14, dtype=torch.bool), "full")
    torch.testing.assert_close(mean, net.shift_mean[1], atol=0.02, rtol=0)
    torch.testing.assert_close(factor, net.shift_factor[1], atol=0.02, rtol=0)
    size = (side / diameter / 1.5).log()
    assert size.mean().item() == pytest.approx(-0.1, abs=0.02)
    assert size.std().item() == pytest.approx(0.2, abs=0.02)
    half, _ = simulated(3, net, one.part(1, 2), (box[0][1::2], box[1][1::2]), generator(5))
    assert half.equal(centre[1::2])


def test_training_on_predictions_looks_where_the_stage_before_points():
    net = new(replace(THIN, stages=2, displacements="predicted"))
    one, seen = batch(3), []
    net.later = lambda stage, image, centre, side, cells: (
        seen.append((centre, side)) or 0 * centre,
        None,
    )
    loss = later_step(2, net, one, generator(0))["stage2"]
    poses, _ = net(one.image, 1)
    ((centre, side),) = seen
    assert centre.equal(poses[0][:, None])
    diameter = net.diameter(poses[0], net.initial_box(one.image.float()))
    torch.testing.assert_close(side[:, 0], 2 * diameter)
    error = ((one.joints - poses[0]) / (2 * diameter)).square().sum() / 3
    torch.testing.assert_close(loss, error)


def test_mixed_windows_are_of_both_kinds():
    net, one = new(replace(THIN, stages=2, displacements="mixed", draws=50)), batch(8)
    net.shift_mean.fill_(0.5)
    box = net.initial_box(one.image.float())
    centre, side = windows(2, net, one, box, generator(6))
    xy = net(one.image, 1)[0][0]
    there = (centre - xy[:, None]).abs().amax(-1) < 1e-3
    shifted = one.joints + 0.5 * net.diameter(one.joints, box)
    assert there.float().mean().item() == pytest.approx(0.5, abs=0.03)
    expected = torch.where(there[..., None], xy[:, None], shifted[:, None])
    torch.testing.assert_close(centre, expected, atol=1e-3, rtol=0)
    sides = [2 * net.diameter(pose, box)[:, None] for pose in (xy, one.joints)]
    torch.testing.assert_close(side, torch.where(there[..., None], *sides))


def test_shifts_of_the_first_box():
    """Uniform within the limit per axis; the target moves with the box and the view with both."""
    net = new(replace(THIN, translation=0.1, stages=1))
    one, boxes = batch(400), []
    net.first = lambda image, box, cells: (boxes.append(box) or torch.zeros(400, 14, 2), None)
    first_step(net, one, generator(3))
    ((centre, size),) = boxes
    shift = ((centre - torch.tensor([47.5, 31.5])) / size)[:, 0]
    assert shift.abs().max() <= 0.1
    np.testing.assert_allclose(shift.mean(0), 0, atol=0.01)
    np.testing.assert_allclose(shift.std(0), 0.1 / 3**0.5, atol=0.005)
    assert abs(np.corrcoef(shift.T)[0, 1]) < 0.15


# stages


def test_stages_that_inherit_begin_as_the_one_before():
    one = batch()
    for inherit in (False, True):
        net = new(replace(THIN, stages=3, inherit=inherit))
        for stage in (2, 3):
            with torch.no_grad():
                measure(stage, net, [one], generator(0))
        weights = [net.nets[s].hidden1.weight for s in range(3)]
        assert weights[1].equal(weights[2]) == inherit
        assert weights[0].shape != weights[1].shape


def moved_by(net, stage, one):
    """Names of what one step of plain gradient descent moves."""
    old = copy.deepcopy(net.state_dict())
    if stage.before:
        with torch.no_grad():
            stage.before(net.eval(), [one], generator(0))
    kept = copy.deepcopy(net.state_dict())
    set_trained(net, stage.trains)
    sum(stage.step(net, one, generator(1)).values()).backward()
    torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1).step()
    state = net.state_dict()
    written = {name for name in kept if not kept[name].equal(old[name])}
    return written, {name for name in state if not state[name].equal(kept[name])}


def test_a_stage_moves_its_own_net_only():
    net, one = new(), batch()
    for number, stage in enumerate(stages(net.config)):
        written, moved = moved_by(net, stage, one)
        assert all(name.startswith(f"nets.{number}.") for name in moved)
        assert f"nets.{number}.outputs.weight" in moved
        statistics = {"shift_mean", "shift_factor", "size_mean", "size_std"}
        assert written - {"share"} == (statistics if number else set())

"""DeepPose: published counts, one joint by hand, displacements recovered, windows on their joints."""

import copy
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import nn

from vitruvian import geometry
from vitruvian.learn.recipes import find_recipe
from vitruvian.learn.runner import system_and_config
from vitruvian.learn.train import set_trained
from vitruvian.nn.backbones import Backbone
from vitruvian.nn.warp import cut_windows, from_box, to_box
from vitruvian.skeleton import FLIC, LSP, Skeleton
from vitruvian.systems.contract import Ask, Batch, generator
from vitruvian.systems.deeppose import DEEPPOSE, predict, stages
from vitruvian.systems.deeppose.net import DeepPose, DeepPoseConfig, averaged
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
from vitruvian.types import State, UserError

THIN = DeepPoseConfig(
    crop=(64, 96),
    net="compact",
    input=40,
    window=24,
    aspect="pad",
    channels=(6, 8, 10),
    hidden=16,
    dropout=0.0,
)
PAIR = Skeleton(
    "pair",
    ("right_shoulder", "left_hip", "left_shoulder", "right_hip"),
    flip_pairs=(("right_shoulder", "left_shoulder"), ("left_hip", "right_hip")),
    references={
        "torso": ("left_shoulder", "right_hip"),
        "torso_other": ("right_shoulder", "left_hip"),
    },
)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@cache
def of_recipe(name):
    recipe = find_recipe(name)
    config = system_and_config(recipe.system, recipe.config, name)[1]
    with torch.device("meta"):
        return DeepPose(config, {"lsp": LSP, "flic": FLIC}[recipe.skeleton])


def new(config=THIN, skeleton=LSP, seed=0):
    torch.manual_seed(seed)
    return DeepPose(config, skeleton).eval()


def batch(B=6, J=14, H=64, W=96, seed=0):
    rng = np.random.default_rng(seed)
    joints = rng.uniform(10, 54, (B, J, 2)).astype(np.float32)
    return Batch(
        image=torch.from_numpy(rng.integers(1, 256, (B, 3, H, W), np.uint8)),
        joints=torch.from_numpy(joints),
        state=torch.full((B, J), int(State.VISIBLE), dtype=torch.uint8),
        to_image=torch.eye(2, 3).expand(B, 2, 3),
        key=torch.arange(B),
    )


class Says(nn.Module):
    """A net whose answer is known: images (N, ...) -> `values` (N, outputs) or one row of them."""

    def __init__(self, values):
        super().__init__()
        self.values, self.seen = values, []

    def forward(self, image):
        self.seen.append(image)
        return self.values.expand(len(image), -1)[:, None]


# counts


def test_parameters_of_the_recipes():
    lsp, flic = of_recipe("deeppose/lsp"), of_recipe("deeppose/flic")
    assert (parameters(lsp), parameters(lsp.nets[0])) == (175_188_180, 58_396_060)
    assert [parameters(net) for net in flic.nets] == [58_363_284] * 3
    assert parameters(of_recipe("deeppose/compact")) <= 5_000_000
    assert (lsp.config.sigma, flic.config.sigma) == (2.0, 1.0)


def test_grouped_and_timm_nets():
    with torch.device("meta"):
        grouped = DeepPose(DeepPoseConfig(groups=2, stages=1), LSP)
        resnet = DeepPose(DeepPoseConfig(net="resnet18", stages=2), LSP)
    assert parameters(grouped) == 56_982_940
    assert [parameters(net) for net in resnet.nets] == [11_176_512 + 513 * 28] * 2


def test_a_trunk_is_stage_1_alone():
    """Its last map at stride 32, all of its cells; 50 px make 2 x 2 of them."""
    config = replace(
        THIN, trunk="resnet18", channels=(4, 6, 8, 10), window_channels=(4, 6), input=50, hidden=12
    )
    net = new(config)
    first, *later = net.nets
    assert first.hidden1.weight.shape == (12, 10 * 2 * 2)
    assert isinstance(first.maps.backbone, Backbone)
    assert not any(isinstance(m, Backbone) for one in later for m in one.modules())
    assert len(net(batch(2).image, 2)[0]) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": "resnet18", "trunk": "resnet18"}, "trunk needs net compact"),
        ({"net": "compact", "trunk": "resnet18"}, "and window_channels for later stages"),
        ({"stages": 0}, "must be positive"),
        ({"sigma": 0.0}, "must be positive"),
        ({"head": "per_joint_net", "net": "resnet18"}, "needs net alexnet or compact"),
        ({"window_hidden": 0}, "must be positive"),
        ({"groups": 0}, "must be positive"),
        (
            {"net": "alexnet", "groups": 3, "channels": (6, 6, 9, 9, 8)},
            r"groups 3 must divide all channels \[6, 6, 9, 9, 8\]",
        ),
        (
            {"net": "alexnet", "groups": 2, "channels": (4,) * 5, "window_channels": (5,) * 5},
            "groups 2 must divide all channels",
        ),
        ({"dropout": 2.0}, "dropout 2 must be from 0 to less than 1"),
        ({"translation": -1.0}, "translation and auxiliary must not be negative"),
        ({"auxiliary": -1.0}, "translation and auxiliary must not be negative"),
        ({"sigma": float("nan")}, "sigma is nan; set config.sigma to a finite number"),
        ({"smallest": float("nan")}, "smallest is nan; set config.smallest"),
        ({"channels": ()}, r"channels \[\] must be whole numbers from 1 on, and one at least"),
        ({"window_channels": ()}, "one at least; set config.window_channels"),
        ({"auxiliary": 1.0, "net": "alexnet"}, "auxiliary needs net compact and head gather"),
        ({"auxiliary": 1.0, "head": "per_joint_net"}, "auxiliary needs net compact and head"),
    ],
)
def test_sizes_that_contradict(change, message):
    with pytest.raises(UserError, match=message):
        replace(THIN, **change)


def test_any_number_of_stages():
    for count in (1, 2, 4):
        config = replace(THIN, stages=count)
        names = [stage.name for stage in stages(config)]
        assert names == [f"stage{s}" for s in range(1, count + 1)]
        assert [s.trains for s in stages(config)] == [(f"nets.{s}",) for s in range(count)]
        answer = predict(new(config), batch().image, Ask(maps=True))
        assert list(answer.maps) == names


def test_a_trunk_with_other_layers_than_the_nets():
    config = replace(THIN, trunk="resnet18", channels=(4, 6, 8), window_channels=(4, 6))
    with pytest.raises(UserError, match="'resnet18' has four layers: give four channels"):
        new(config)


def test_a_net_of_timm_answers():
    net = new(replace(THIN, net="resnet18", stages=2, input=64, window=32))
    assert predict(net, batch(2).image, Ask()).xy.shape == (2, 14, 2)


def test_views_are_normalised_by_a_constant_or_each_by_itself():
    """Rows of 20, 60 and 100: mean 60, deviation 40 sqrt(2 / 3); an even view is 0."""
    rows = torch.tensor([20.0, 60.0, 100.0])[:, None].expand(3, 4)
    view = torch.stack([rows, 2 * rows, torch.full((3, 4), 7.0)])[None]  # (1, 3, h, w)
    seen = {}
    for kind in ("imagenet", "gcn"):
        net = new(replace(THIN, stages=1, normalisation=kind))
        net.nets[0] = Says(torch.zeros(1, 28))
        net._look(1, view, False)
        seen[kind] = net.nets[0].seen[0][0, :, :, 1]
    side = (3 / 2) ** 0.5
    expected = torch.tensor([[-side, 0, side], [-side, 0, side], [0, 0, 0]])
    torch.testing.assert_close(seen["gcn"], expected)
    assert seen["imagenet"][0].tolist() == pytest.approx(
        [(value - 123.675) / 58.395 for value in (20, 60, 100)], rel=1e-5
    )


# one joint by hand


def test_encoding_and_decoding_by_hand():
    """Diameter 60, sigma 1, estimate (121, 91), truth (130, 85); equation 6 as printed adds it twice."""
    estimate, truth = torch.tensor([121.0, 91.0]), torch.tensor([130.0, 85.0])
    size = torch.tensor([60.0, 60.0])
    psi = to_box(truth, estimate, size)
    torch.testing.assert_close(psi, torch.tensor([0.15, -0.10]))
    torch.testing.assert_close(from_box(psi, estimate, size), truth)
    torch.testing.assert_close(
        estimate + from_box(psi, estimate, size), torch.tensor([251.0, 176.0])
    )


def test_the_cascade_decodes_like_that():
    """Stage 1 says where the joints are, stage 2 moves the first by (0.15, -0.10) windows."""
    config = DeepPoseConfig(
        crop=(300, 400), stages=2, input=8, window=8, sigma=1.0, aspect="pad", net="compact"
    )
    net = new(config, PAIR)
    pose = torch.tensor([[121.0, 91], [200, 150], [50, 100], [50, 160]])  # torso: 60 px
    box = torch.tensor([199.5, 149.5]), torch.tensor([400.0, 400.0])
    net.nets[0] = Says(to_box(pose, *box).flatten()[None])
    psi = torch.zeros(4, 4, 2)  # window, pair of outputs
    psi[0, 0] = torch.tensor([0.15, -0.10])
    psi[0, 1:] = 9.0  # the other pairs of a window count nothing
    net.nets[1] = Says(psi.flatten(1))
    net.nets[1].forward = lambda image: psi.flatten(1)[:, None]
    answer = predict(net, torch.ones(1, 3, 300, 400, dtype=torch.uint8), Ask())
    torch.testing.assert_close(answer.xy[0, 0], torch.tensor([130.0, 85.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(answer.xy[0, 1:], pose[1:], atol=1e-3, rtol=0)
    moved = (0.15**2 + 0.1**2) ** 0.5
    torch.testing.assert_close(answer.score[0], torch.tensor([1 - 2 * moved, 1, 1, 1]))


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


# diameters


def test_diameters():
    net = new(replace(THIN, smallest=0.1), PAIR)
    net.share.fill_(0.3)
    pose = torch.tensor([[[0.0, 0], [0, 50], [30, 0], [30, 40]]]).repeat(4, 1, 1)  # 40 and 50
    pose[3] = 5.0  # all joints in one place
    located = torch.ones(4, 4, dtype=torch.bool)
    located[1, 2] = False  # the left shoulder: the other diagonal
    located[2, [0, 3]] = False  # an end of both: the median share of the box's shorter side
    box = torch.zeros(4, 1, 2), torch.tensor([[[200.0, 90.0]]]).expand(4, 1, 2)
    assert net.diameter(pose, box, located).flatten().tolist() == pytest.approx([40, 50, 27, 9])
    assert net.diameter(pose, box).flatten().tolist() == pytest.approx([40, 40, 40, 9])
    plain = new(THIN, replace(PAIR, references={"torso": PAIR.references["torso"]}))
    assert plain.diameter(pose, box, located).flatten().tolist() == [40, 22.5, 22.5, 9]


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


# windows


@pytest.mark.parametrize("head", ["gather", "per_joint_net"])
def test_each_window_shows_its_own_joint(head):
    """A white pixel at every joint stands in the middle of its window, and of no other's."""
    net = new(replace(THIN, stages=2, window=9, head=head))
    xy = torch.stack([torch.arange(14) * 6.0 + 8, (torch.arange(14) * 23 % 50) + 7.0], -1)
    image = torch.zeros(2, 3, 64, 96)
    for j, (x, y) in enumerate(xy.int().tolist()):
        image[1, :, y, x] = 100 + j
    centre = xy.expand(2, 3, 14, 2) + torch.tensor([0.0, 1, 0])[None, :, None, None]
    views, look = [], net._look
    net._look = lambda stage, view, cells: views.append(view) or look(stage, view, cells)
    psi, _ = net.later(2, image, centre, torch.tensor(9.0).expand(2, 1, 1, 1))
    assert psi.shape == (2, 3, 14, 2)
    views = views[0].view(2, 3, 14, 3, 9, 9)
    assert not views[0].any()
    own = 100 + torch.arange(14.0)
    for draw, place in enumerate((4, 3, 4)):  # the second window lies a pixel lower and right
        torch.testing.assert_close(views[1, draw, :, 0, place, place], own, atol=1e-3, rtol=0)


def test_gather_reads_a_joints_own_pair():
    net = new(replace(THIN, stages=2))
    one = batch(2)
    centre = one.joints[:, None].repeat(1, 2, 1, 1)
    old, _ = net.later(2, one.image.float(), centre, torch.full((2, 1, 1, 1), 20.0))
    with torch.no_grad():
        net.nets[1].outputs.bias[2 * 5 + 1] += 1  # y of joint 5
    new_psi, _ = net.later(2, one.image.float(), centre, torch.full((2, 1, 1, 1), 20.0))
    difference = torch.zeros(2, 2, 14, 2)
    difference[:, :, 5, 1] = 1
    torch.testing.assert_close(new_psi - old, difference)


def test_stretch_is_the_box_cut_to_the_photograph():
    """A wide photograph in a square crop: its own corners are at half a box, with two scales."""
    net = new(replace(THIN, aspect="stretch", stages=1, crop=(96, 96)))
    image = torch.zeros(1, 3, 96, 96, dtype=torch.uint8)
    image[:, :, 24:72] = 50  # 96 x 48 px
    net.nets[0] = Says(torch.full((1, 28), 0.25))
    xy = predict(net, image, Ask()).xy
    torch.testing.assert_close(xy[0, 0], torch.tensor([47.5 + 24, 47.5 + 12]))
    grey = new().normalise(image[:, :, 40:41, :1])  # no black anywhere
    torch.testing.assert_close(net.nets[0].seen[0], grey.expand(1, 3, 40, 40))
    net.config = replace(net.config, aspect="pad")
    xy = predict(net, image, Ask()).xy
    torch.testing.assert_close(xy[0, 0], torch.tensor([47.5 + 24, 47.5 + 24]))
    assert not torch.allclose(net.nets[0].seen[1], grey, atol=0.5)


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


# training


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


# answers


def test_flip_is_the_mean_of_both():
    net, one = new(), batch()
    swap, W = LSP.swap, one.image.shape[-1]
    plain = predict(net, one.image, Ask())
    mirrored = predict(net, one.image.flip(-1), Ask())
    x, y = mirrored.xy[:, swap].unbind(-1)
    expected = (plain.xy + torch.stack([geometry.flip_x(x, W), y], -1)) / 2
    merged = predict(net, one.image, Ask(flip=True))
    torch.testing.assert_close(merged.xy, expected)
    assert not torch.allclose(merged.xy, plain.xy, atol=0.1)


def test_scores_say_how_little_the_last_stage_moved():
    net, one = new(), batch()
    answer = predict(net, one.image, Ask(maps=True))
    before = answer.maps["stage2"]
    side = 2 * net.diameter(before, net.initial_box(one.image.float()))
    moved = ((answer.xy - before) / side).norm(dim=-1)
    torch.testing.assert_close(answer.score, (1 - 2 * moved).clamp(0, 1), atol=1e-4, rtol=0)
    assert predict(net, one.image, Ask(upto="stage1")).score.eq(1).all()


def test_a_skeleton_needs_a_torso():
    assert DEEPPOSE.needs == ("torso",)


@pytest.mark.parametrize("head", ["gather", "per_joint_net"])
def test_the_networks_alone_see_what_the_cascade_shows_them(head):
    config = replace(THIN, head=head)
    net = DeepPose(config, LSP).eval()
    seen = []
    for stage, module in enumerate(net.nets, 1):
        module.register_forward_hook(lambda m, args, out, s=stage: seen.append((s, args[0].shape)))
    with torch.no_grad():
        for run in DEEPPOSE.passes(net, 2):
            run()
        alone, seen = seen[:], seen.clear() or seen
        net(torch.zeros(2, 3, *config.crop, dtype=torch.uint8), config.stages)
    assert alone == seen


def test_stage_1_sees_the_mean_of_what_it_cannot_show():
    image = torch.zeros(1, 3, 66, 64)
    image[:, :, 17, 34] = 64  # within the 4 x 4 that are the pixel (3, 3) of 8 x 8
    centre, size = torch.tensor([[[34.5, 17.5]]]), torch.tensor([[[32.0, 32.0]]])
    view = cut_windows(*averaged(image, (centre, size), 16), 16)[0, 0, 0]
    assert view.sum() == pytest.approx(64 / 4)  # 2 px of the crop are one of the view
    assert view[7:9, 7:9].sum() == pytest.approx(16)
    same = averaged(image, (centre, size), 33)
    assert same[0] is image

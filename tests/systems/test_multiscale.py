"""Multi-scale supervision: published counts, targets and losses by hand, who learns from what, answers."""

import copy
import math
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from vitruvian import codecs, geometry
from vitruvian.data.augment import Augment
from vitruvian.data.synthetic import figures
from vitruvian.learn.devices import Place, bf16_pays
from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.report import Report
from vitruvian.learn.runner import name_stages, net_runner, new_net, system_and_config
from vitruvian.learn.session import Session
from vitruvian.learn.train import set_trained, train
from vitruvian.recipe import Fit, Optim, Recipe, Schedule
from vitruvian.skeleton import FLIC, LSP, MPII, Skeleton, find_skeleton
from vitruvian.systems.contract import Ask, Batch, generator
from vitruvian.systems.multiscale import (
    MULTISCALE,
    Multiscale,
    MultiscaleConfig,
    map_losses,
    predict,
    regression_step,
    stacks_step,
    stages,
    targets,
)
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import evaluate

THIN = MultiscaleConfig(crop=(32, 48), stacks=2, width=8, levels=2, scales=2)
PAIR = Skeleton("pair", ("palm", "left", "right"), (("left", "right"),))
STATES = (State.VISIBLE, State.OCCLUDED, State.MISSING, State.UNDEFINED)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def on_meta(config, skeleton=MPII):
    with torch.device("meta"):
        return Multiscale(config, skeleton)


def batch_of(xy, state, crop=(32, 48)):
    B = len(xy)
    rng = torch.Generator().manual_seed(0)
    return Batch(
        image=torch.randint(0, 256, (B, 3, *crop), dtype=torch.uint8, generator=rng),
        joints=torch.tensor(xy),
        state=torch.tensor(state, dtype=torch.uint8),
        to_image=torch.eye(3)[:2].expand(B, 2, 3),
        key=torch.arange(B),
    )


def lsp_batch():
    rng = torch.Generator().manual_seed(1)
    xy = torch.rand(3, 14, 2, generator=rng) * torch.tensor([48.0, 32.0])
    return batch_of(xy.tolist(), [[State.VISIBLE] * 14] * 3)


# sizes


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 1_140_560),
        ({"regressor_form": "convs"}, 958_208 + 918_288),
        ({"regressor_scales": "all"}, 1_140_560 + 2 * 1040),
        ({"scales": 4, "feed_scales": True, "regressor": "none"}, 962_368 + 12 * 1088),
        *(
            ({"scales": scales, "regressor": "none"}, count)
            for scales, count in enumerate((949_888, 954_048, 958_208, 962_368), start=1)
        ),
        ({"scales": 1, "regressor": "none", "stacks": 8, "width": 256}, 25_434_112),
        ({"scales": 1, "regressor": "none", "stacks": 2, "width": 64}, 545_248),
    ],
)
def test_parameters(change, expected):
    assert parameters(on_meta(MultiscaleConfig(**change))) == expected


@pytest.mark.parametrize(
    ("crop", "levels", "sizes"),
    [
        ((256, 256), 4, [(64, 64), (32, 32), (16, 16), (8, 8)]),
        ((128, 192), 4, [(32, 48), (16, 24), (8, 12), (4, 6)]),
        ((96, 96), 3, [(24, 24), (12, 12), (6, 6)]),
    ],
)
def test_maps_of_every_scale_and_of_the_answers(crop, levels, sizes):
    config = MultiscaleConfig(
        crop=crop, stacks=2, levels=levels, scales=len(sizes), width=4, regressor_scales="all"
    )
    net = Multiscale(config, MPII)
    image = torch.zeros(2, 3, *crop, dtype=torch.uint8)
    stacks = net.stacks(image)
    expected = [(2, 16, *size) for size in sizes]
    assert [[tuple(m.shape) for m in maps] for maps in stacks] == [expected] * 2
    assert [tuple(m.shape) for m in net.regressor(stacks[-1])] == expected
    config = replace(config, regressor_form="convs")
    assert [tuple(m.shape) for m in Multiscale(config, MPII).regressor(stacks[-1])] == expected
    assert {name: tuple(m.shape) for name, m in net(image).items()} == {
        "stacks": expected[0],
        "regression": expected[0],
    }
    assert set(net(image, upto_stacks=True)) == {"stacks"}
    batch = batch_of([[[5.0, 5.0]] * 16] * 2, [[State.VISIBLE] * 16] * 2, crop)
    maps, counted = targets(config, batch)
    assert [tuple(m.shape) for m in maps] == expected
    assert counted.shape == (2, 16)


def test_the_regression_net_sees_nothing_but_heatmaps_of_all_scales():
    net = on_meta(MultiscaleConfig(scales=3))
    assert net.regressor.entry[0].weight.shape == (64, 3 * 16, 1, 1)
    kernels = [
        tuple(m.weight.shape[1:])
        for m in on_meta(MultiscaleConfig(regressor_form="convs")).regressor.entry
        if isinstance(m, nn.Conv2d)
    ]
    assert kernels == [(48, 9, 9), (64, 9, 9), (64, 9, 9), (64, 1, 1)]


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


def test_a_softmax_answers_with_probabilities():
    config = replace(THIN, loss="softmax", missing="mask", offset="local_mean")
    torch.manual_seed(0)
    net = Multiscale(config, PAIR).eval()
    image = torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8)
    answer = predict(net, image, Ask(flip=True, maps=True))
    for name in ("stacks", "regression"):
        torch.testing.assert_close(answer.maps[name].sum((2, 3)), torch.ones(2, 3))
    assert ((answer.score > 0) & (answer.score <= 1)).all()


def test_the_recipes():
    counts = {}
    for name, make in RECIPES.items():
        if not name.startswith("multiscale/"):
            continue
        recipe = name_stages(make())
        system, config = system_and_config(recipe.system, recipe.config, name)
        counts[name] = parameters(on_meta(config, find_skeleton(recipe.skeleton)))
        assert system is MULTISCALE
        both = config.regressor == "after"  # which trains what the other fit has not
        assert [fit.stage for fit in recipe.fits] == [s.name for s in stages(config)][
            0 if both else -1 :
        ]
        paper = not name.startswith("multiscale/compact")
        assert (config.loss == "mse") == (recipe.augment.occluders == 0) == paper
        assert (config.sigma, config.window) == ((1.75, 7) if paper else (1, 7))
    K = len(FLIC)
    assert counts == {
        "multiscale/mpii": 1_140_560,
        "multiscale/flic": 1_140_560 - (16 - K) * (4 * (3 * 65 + 64) - 64 + 3 * 64 + 65),
        "multiscale/hourglass8": 25_434_112,
        "multiscale/compact": 1_138_102,
        "multiscale/compact_after": 1_138_102,
        "multiscale/compact_hourglass": 948_984,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"crop": (96, 96)},
            r"crop \(96, 96\) must be multiples of 64 px; for .* set config.levels",
        ),
        ({"crop": (64, 72), "levels": 2}, r"\(64, 72\) must be multiples of 16 px"),
        ({"crop": (0, 64)}, "multiples of 64"),
        ({"levels": 3, "scales": 4}, "of 3 levels has no 4 scales"),
        ({"width": 63}, "even width"),
        ({"stacks": 0}, "stacks, levels and an even width"),
        ({"sigma": 0.0}, "sigma must be positive"),
        ({"sigma": float("nan")}, "sigma is nan; set config.sigma to a finite number"),
        ({"window": float("inf")}, "window is inf; set config.window"),
        ({"window": 0.5}, "window at least 1 cell"),
        (
            {"sigma": 2.0},
            "window of 7 cells cuts Gaussians of sigma 2 within 2 sigma; set config.window=0",
        ),
        ({"foreground": -1.0}, "foreground"),
    ],
)
def test_sizes_that_contradict(change, message):
    with pytest.raises(UserError, match=message):
        replace(MultiscaleConfig(), **change)


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


# stages


@pytest.mark.parametrize(
    ("regressor", "expected"),
    [
        ("joint", ["stacks: hourglasses", "regression: hourglasses regressor"]),
        ("detached", ["stacks: hourglasses", "regression: hourglasses regressor"]),
        ("after", ["stacks: hourglasses", "regression: regressor"]),
        ("none", ["stacks: "]),
    ],
)
def test_stages(regressor, expected):
    config = replace(THIN, regressor=regressor, regressor_scales="all")
    assert [f"{s.name}: {' '.join(s.trains)}" for s in stages(config)] == expected
    net = new_net(MULTISCALE, config, LSP, 0)
    assert (net.regressor is None) == (regressor == "none")
    stacks = {f"stack{n}_gt{scale}" for n in (1, 2) for scale in ("", "/2")}
    regression = {"regression_gt", "regression_gt/2"}
    named = [set(stage.step(net, lsp_batch(), generator(0))) for stage in stages(config)]
    assert named[0] == stacks
    if regressor != "none":
        assert named[1] == (regression if regressor == "after" else stacks | regression)


def touched(net, loss):
    """The names of parameters that a loss sends a gradient to."""
    net.zero_grad()
    loss.backward()
    return {n for n, p in net.named_parameters() if p.grad is not None and p.grad.any()}


@pytest.mark.parametrize("form", ["hourglass", "convs"])
@pytest.mark.parametrize(
    ("regressor", "reaches"), [("joint", True), ("detached", False), ("after", False)]
)
def test_the_regression_nets_loss_reaches_the_stacks_where_it_is_joint(form, regressor, reaches):
    net = new_net(MULTISCALE, replace(THIN, regressor=regressor, regressor_form=form), LSP, 0)
    found = touched(net, regression_step(net, lsp_batch(), generator(0))["regression_gt"])
    own = {n for n, _ in net.named_parameters() if n.startswith("regressor.")}
    assert own <= found
    heads = {f"hourglasses.stacks.1.{name}.weight" for name in ("score", "coarser.0")}
    assert (heads <= found) == reaches
    assert bool(found - own) == reaches


@pytest.mark.parametrize("feed", [False, True])
@pytest.mark.parametrize("recompute", [False, True])
def test_every_head_of_every_stack_and_scale_learns(feed, recompute):
    config = replace(
        THIN, feed_scales=feed, recompute=recompute, regressor="detached", regressor_scales="all"
    )
    net = new_net(MULTISCALE, config, LSP, 0)
    step = regression_step(net, lsp_batch(), generator(0))
    assert touched(net, torch.stack(list(step.values())).sum()) == {
        name for name, _ in net.named_parameters()
    }
    for number in (0, 1):
        step = stacks_step(net, lsp_batch(), generator(0))
        found = touched(net, step[f"stack{number + 1}_gt/2"])
        heads = {n for n in found if ".coarser.0." in n}
        assert f"hourglasses.stacks.{number}.coarser.0.weight" in heads
        if not feed:
            assert len(heads) == 2, "weight and bias of that stack alone"


def test_a_regression_net_alone_does_not_learn_on_random_stacks():
    net = new_net(MULTISCALE, replace(THIN, regressor="after"), LSP, 0)
    stacks, regression = stages(net.config)
    assert stacks.before is None
    with pytest.raises(
        UserError, match=r"stacks stand still, and these are random; .* --from STACKS"
    ):
        regression.before(net, [], generator(0))
    set_trained(net, stacks.trains)
    stacks.step(net, lsp_batch(), generator(0))
    regression.before(net.eval(), [], generator(0))
    other = new_net(MULTISCALE, replace(THIN, regressor="after"), LSP, 1)
    other.load_state_dict(net.state_dict())  # as --from does
    regression.before(other, [], generator(0))
    assert all(stage.before is None for stage in stages(replace(THIN, regressor="joint")))


def test_the_stacks_stand_still_for_a_regression_net_that_learns_after_them():
    net = new_net(MULTISCALE, replace(THIN, regressor="after"), LSP, 0)
    set_trained(net, stages(net.config)[1].trains)
    old = copy.deepcopy(net.hourglasses.state_dict())
    step = regression_step(net, lsp_batch(), generator(0))
    assert list(step) == ["regression_gt"]
    assert all(name.startswith("regressor.") for name in touched(net, step["regression_gt"]))
    assert all(value.equal(old[name]) for name, value in net.hourglasses.state_dict().items())


@pytest.mark.parametrize("regressor", ["joint", "after", "none"])
def test_recomputing_changes_no_bit_of_a_step(regressor):
    results = []
    for recompute in (False, True):
        config = replace(THIN, recompute=recompute, regressor=regressor)
        net = new_net(MULTISCALE, config, LSP, 0)
        for stage in stages(config):
            set_trained(net, stage.trains)
            sum(stage.step(net, lsp_batch(), generator(0)).values()).backward()
        results.append(net)
    plain, again = results
    for (name, one), other in zip(plain.named_parameters(), again.parameters(), strict=True):
        assert one.grad.equal(other.grad), name
    for (name, one), other in zip(plain.named_buffers(), again.buffers(), strict=True):
        assert one.equal(other), name


# answers


class Fixed(nn.Module):
    """A net that has these maps, and others for any crop whose last column is white."""

    def __init__(self, config, maps, others=None):
        super().__init__()
        self.config, self.skeleton, self.maps = config, PAIR, maps
        self.regressor = nn.Identity() if "regression" in maps else None
        self.others = maps if others is None else others

    def forward(self, image, upto_stacks=False):
        chosen = self.others if image[0, 0, 0, -1] else self.maps
        return {name: m for name, m in chosen.items() if name == "stacks" or not upto_stacks}


def marked():
    """A crop whose first column is white: mirrored it is the last."""
    image = torch.zeros(1, 3, 32, 48, dtype=torch.uint8)
    image[..., 0] = 255
    return image


def test_peaks_in_pixels_with_a_quarter_cell_and_places_of_joints_without_a_peak():
    maps = torch.zeros(1, 3, 8, 12)
    maps[0, 0, 3, 5], maps[0, 0, 3, 6], maps[0, 0, 2, 5] = 0.8, 0.3, 0.1
    maps[0, 1, 4, 0], maps[0, 1, 4, 1] = 1.5, 1.0  # on the border: no offset
    maps[0, 2] = -0.5
    for nowhere, place in (("corner", [0, 0]), ("middle", [23.5, 15.5])):
        net = Fixed(replace(THIN, nowhere=nowhere), {"stacks": maps})
        answer = predict(net, marked(), Ask())
        # cells (5.25, 2.75) and (0, 4), at px 4 x + 1.5
        assert answer.xy[0].tolist() == [[22.5, 12.5], [1.5, 17.5], place]
        assert answer.score[0].tolist() == pytest.approx([0.8, 1, 0])
        assert answer.maps == {}
    plain = predict(Fixed(replace(THIN, offset="none"), {"stacks": maps}), marked(), Ask())
    assert plain.xy[0, 0].tolist() == [21.5, 13.5]


def test_the_regression_net_answers_and_upto_stacks_the_last_stack():
    stacks, regression = torch.zeros(2, 1, 3, 8, 12)
    stacks[0, :, 2, 3], regression[0, :, 5, 7] = 1, 1
    net = Fixed(THIN, {"stacks": stacks, "regression": regression})
    for upto, xy, names in (
        (None, [29.5, 21.5], ["stacks", "regression"]),
        ("regression", [29.5, 21.5], ["stacks", "regression"]),
        ("stacks", [13.5, 9.5], ["stacks"]),
    ):
        answer = predict(net, marked(), Ask(upto=upto, maps=True))
        assert answer.xy[0].tolist() == [xy] * 3
        assert list(answer.maps) == names
        assert answer.maps["stacks"].equal(stacks)


def test_maps_of_the_mirrored_crop_are_mirrored_renamed_and_averaged():
    here, there = torch.zeros(2, 1, 3, 8, 12)
    here[0, 1, 2, 3], there[0, 2, 2, 11 - 3] = 0.6, 0.4  # left, which the mirror calls right
    here[0, 2, 4, 5], there[0, 1, 6, 11 - 7] = 0.6, 0.7
    here[0, 0, 3, 4], there[0, 0, 3, 11 - 4] = -1.0, 0.5
    net = Fixed(
        replace(THIN, nowhere="middle", offset="none"),
        {"stacks": here, "regression": here},
        {"stacks": there, "regression": there},
    )
    answer = predict(net, marked(), Ask(flip=True, maps=True))
    assert answer.xy[0].tolist() == [[23.5, 15.5], [13.5, 9.5], [29.5, 25.5]]
    assert answer.score[0].tolist() == pytest.approx([0, 0.5, 0.35])
    assert answer.maps["stacks"][0, 0, 3, 4].item() == pytest.approx(-0.25)


# Measured: stacks 0.361, with the flip test 0.363; regression net 0.399 and 0.411; mean pose 0.085. So
# short a training does not tell left from right yet: where joints keep their names in mirrored crops, these
# are 0.366, 0.378, 0.388 and 0.401.
@pytest.mark.learn
def test_it_learns_figures_and_the_regression_does_not_hurt(tmp_path):
    """PCK@0.2 of figures never seen; a fault in frames or targets fails."""
    people = figures(3000, seed=3, side=128)
    config = MultiscaleConfig(
        crop=(96, 96),
        stacks=2,
        width=32,
        levels=3,
        scales=2,
        sigma=1.0,
        reduction="mean",
        foreground=10.0,
    )
    fit = Fit(
        stage="regression",
        steps=800,
        batch=32,
        optim=Optim(lr=3e-3, weight_decay=0.02, decay_norms=False),
        schedule=Schedule(law="cosine", warmup=0.05, floor=0.01),
        clip=5.0,
        ema=0.99,
    )
    recipe = Recipe(
        name="learns",
        system="multiscale",
        config=asdict(config),
        augment=Augment(scale=(0.85, 1.15), rotation=10, translation=0.05, flip=0.5),
        fits=(fit,),
        precision="bf16",
    )
    cpu = torch.device("cpu")
    net = new_net(MULTISCALE, config, people.skeleton, seed=0)
    session = Session(
        system=MULTISCALE,
        net=net,
        recipe=recipe,
        people=people.subset("train"),
        folder=tmp_path,
        where=Place(cpu),
        report=Report(tmp_path, quiet=True),
        workers=1,
        bf16=bf16_pays(cpu),
    )
    assert train(session)
    held_out = people.subset("val")
    pck = {}
    for upto in ("stacks", "regression"):
        runner = net_runner(MULTISCALE, net, cpu, upto)
        for flip in (False, True):
            result = evaluate(runner, held_out, recipe.crop, trained_on=session.people, flip=flip)
            pck[upto, flip] = result.total.value
    mean_pose = result.baselines["mean_pose"].total.value
    print({place: round(value, 3) for place, value in pck.items()}, round(mean_pose, 3))
    assert min(pck.values()) > 0.31
    assert min(pck.values()) > mean_pose + 0.2
    for flip in (False, True):
        assert pck["regression", flip] > pck["stacks", flip] - 0.02

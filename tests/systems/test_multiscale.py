"""Multi-scale supervision: published counts, sizes of maps, recipes."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from thin_multiscale import batch_of
from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.runner import name_stages, system_and_config
from vitruvian.skeleton import FLIC, MPII, find_skeleton
from vitruvian.systems.multiscale import MULTISCALE, Multiscale, MultiscaleConfig, stages, targets
from vitruvian.types import State, UserError


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def on_meta(config, skeleton=MPII):
    with torch.device("meta"):
        return Multiscale(config, skeleton)


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

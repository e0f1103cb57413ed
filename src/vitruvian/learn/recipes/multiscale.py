"""Recipes of `multiscale`.

`mpii` and `flic` are Ke et al.'s network, `hourglass8` is Newell et al.'s. `compact` is what a laptop CPU
can train, `compact_after` the same with the regression net after the stacks, and `compact_hourglass`
without coarser scales and without the regression net.

The grid of Ke et al.'s Fig. 4, which goes on where it was stopped, is
`vitruvian tune multiscale/compact --try config.stacks=1,2,4 --try config.scales=1,2,3
--try config.regressor=none,joint --out RUNS`.

With config.regressor=after the regression net learns on stacks that stand still, so these come first:
`compact_after` has both fits; of any other recipe here train the stacks (`--set config.regressor=none`) and
start `--from` that run.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from vitruvian.data.augment import Augment
from vitruvian.learn.recipes.compact import compact_fit, compact_recipe
from vitruvian.recipe import LAST, Fit, Optim, Recipe, Schedule
from vitruvian.systems.multiscale import MultiscaleConfig

_AUGMENT = Augment(  # of the hourglass' code
    scale_sigma=0.25,
    rotation=30,
    rotation_law="normal",
    rotation_chance=0.4,
    flip=0.5,
    colour=0.4,
)
_COMPACT = MultiscaleConfig(
    crop=(128, 128),
    sigma=1.0,
    reduction="mean",
    missing="mask",
    loss="softmax",
    offset="local_mean",
    nowhere="middle",
)


def mpii() -> Recipe:
    """Four stacks of 64 channels, three scales, 256x256, Adam 5e-4 "with decay", 100 epochs (section 3).

    1,140,560 parameters. Losses are sums over a map's cells. Not stated there and chosen here: the rate is
    divided by 5 at 60 and at 85 epochs; batch 8; the augmentation of the hourglass' code; everything from
    random weights, the regression net together with the stacks.
    """
    return Recipe(
        name="multiscale/mpii",
        system="multiscale",
        config=asdict(MultiscaleConfig()),
        skeleton="mpii",
        augment=_AUGMENT,
        fits=(
            Fit(
                stage=LAST,
                epochs=100,
                batch=8,
                optim=Optim(name="adam", lr=5e-4),
                schedule=Schedule(law="drops", drops=(0.6, 0.85), factor=0.2),
            ),
        ),
    )


def flic() -> Recipe:
    """The same for FLIC's upper bodies."""
    return mpii().model_copy(update={"name": "multiscale/flic", "skeleton": "flic"})


def hourglass8() -> Recipe:
    """Newell et al.: eight stacks of 256 channels, RMSprop 2.5e-4, batch 6, 800,000 steps.

    Losses are means over a map's cells. These are the settings of their code; the paper also divides the
    rate by 5 once the accuracy stands still, as `law: plateau` does.
    """
    config = MultiscaleConfig(stacks=8, width=256, scales=1, regressor="none", reduction="mean")
    return Recipe(
        name="multiscale/hourglass8",
        system="multiscale",
        config=asdict(config),
        skeleton="mpii",
        augment=_AUGMENT,
        fits=(
            Fit(
                stage="stacks",
                steps=800_000,
                batch=6,
                optim=Optim(name="rmsprop", lr=2.5e-4, options={"alpha": 0.99, "eps": 1e-8}),
            ),
        ),
    )


def compact() -> Recipe:
    """The paper's own net at 128x128 for a laptop CPU, 1.1 M parameters.

    Departures: cross-entropy of the spatial softmax (learns several times faster from scratch; squared
    errors stay at empty maps for long), local-mean decoding, Muon on a cosine, averaged weights, bfloat16,
    wider augmentation with pasted occluders. Reading: Gaussians of 1 cell. Squared errors instead:
    `--set config.loss=mse --set config.missing=zero --set config.foreground=10`, which are means over a
    map's cells; `--set config.reduction=sum` makes them equation (1)'s sums. Crops of 96x96 need
    `--set config.crop=[96,96] --set config.levels=3`.
    """
    return _compact("compact", _COMPACT)


def compact_after() -> Recipe:
    """`compact` with regressor=after: the stacks alone, then the regression net while they stand still."""
    fits = (compact_fit("stacks", 45, 3e-3), compact_fit("regression", 15, 3e-3))
    return _compact("compact_after", replace(_COMPACT, regressor="after"), fits)


def compact_hourglass() -> Recipe:
    """`compact` without coarser scales and regression net: the stacked hourglass, 1.0 M parameters."""
    config = replace(_COMPACT, scales=1, regressor="none")
    return _compact("compact_hourglass", config)


def _compact(
    name: str,
    config: MultiscaleConfig,
    fits: tuple[Fit, ...] = (compact_fit(LAST, 60, 3e-3),),
) -> Recipe:
    return compact_recipe(f"multiscale/{name}", asdict(config), fits)

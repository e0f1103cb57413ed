"""Recipes of `normalized`.

All but `compact` and `compact_plain` are Sun et al.'s; `compact` is what a laptop CPU can train, and
`compact_plain` is the same without turning any maps. Their detectors are one: train it once, alone, with
`--stage detector`, then either with `--stage body --stage limbs --stage all --from RUN`. From a finished
run come its refinements too, and a detector that `all` has tuned to them.

All losses are means over a map's cells, to which the paper's rate of 1e-3 belongs; the original FCN's of
1e-10 and less belong to sums. The paper trains "until convergence" and states no epochs: those here are
chosen, as is momentum 0.9, decay 5e-4 (of a ResNet detector its authors' 1e-4), batch 10 and a rate that
falls to a fifth, twice at most, where the data set has persons to tune on.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from vitruvian.data.augment import Augment
from vitruvian.learn.recipes.compact import compact_fit, compact_recipe
from vitruvian.recipe import Fit, Optim, Recipe, Schedule
from vitruvian.systems.normalized.config import NormalizedConfig

_TURNED = Augment(scale=(0.8, 1.25), rotation=180, flip=0.5)  # sports: over 360 degrees
_UPRIGHT = Augment(scale=(0.8, 1.25), rotation=30, flip=0.5)  # people: within 30 either way
_PLATEAU = Schedule(law="plateau", most_drops=2)
_RESNET = NormalizedConfig(detector="resnet", backbone="resnet152")
_HOURGLASS = NormalizedConfig(detector="hourglass", crop=(256, 256), grid=4)
_COMPACT = NormalizedConfig(
    crop=(128, 128),
    grid=4,
    scale=4,
    backbone="resnet18",
    channels=(32, 64, 128, 192),
    bias=-5.0,
    pad=0.125,
    width=32,
    kernels=(9, 11, 11),
    offset="local_mean",
)


def lsp() -> Recipe:
    """The improved FCN and both refinements at 340x340 on whole photographs (tables 1, 2, 4, 9 and 11).

    For `--data lsp=DIR`, with `--convention OC` for all but table 4: the files' labels are PC. The paper
    begins with the FCN's PASCAL VOC weights; ImageNet's are nearest (`--set init=timm`, which needs a
    network or timm's cache). For table 1: config.supervision=plain and config.refine=st1, which leave
    `--stage detector --stage body --stage all` of the fits; for its rivals also config.body_norm=off,
    config.branches=types or multi and balance=pose_types.
    """
    return _paper("lsp", NormalizedConfig(), _fcn(60) + _refinements(60, 40))


def lsp_lspet() -> Recipe:
    """`lsp` for `--full --data lsp=DIR --data lspet=DIR` (table 5; table 10 with `--convention OC`).

    With `--box-of lspet=data`: LSPET's photographs are not tight about the person, as LSP's are.
    """
    return _paper("lsp_lspet", NormalizedConfig(), _fcn(20) + _refinements(20, 10))


def lsp_lspet_mpii() -> Recipe:
    """`lsp` for `--full --data lsp=DIR --data lspet=DIR --data mpii=DIR --convention OC` (table 3).

    With `--box-of lspet=data --box-of mpii=data`: MPII's persons share photographs. All are turned over
    360 degrees, though the paper turns MPII alone (table 8) by 30 at most.
    """
    return _paper("lsp_lspet_mpii", NormalizedConfig(), _fcn(10) + _refinements(10, 5))


def all_resnet() -> Recipe:
    """A ResNet-152 as the detector, on the data of `lsp_lspet_mpii`, person-centric (table 6).

    Rates and decay of the detector are near those of Insafutdinov et al.'s code, which has 0.005 for the
    first 1 %, then 0.02, 0.002 from 42 % and 0.001 from 71 %, and a decay of 1e-4: here the rate rises
    from 0 to 0.02 in the first 1 %, and the last one is 0.0002. Scored with `eval --flip`: see the system.
    """
    return _paper("all_resnet", _RESNET, (_resnet(15), *_refinements(10, 5)))


def all_hourglass() -> Recipe:
    """Eight stacked hourglasses as the detector, 256x256, on the data of `lsp_lspet_mpii`, PC (table 6).

    RMSprop 2.5e-4, batch 6, as in Newell et al.'s code, and for the refinements too, whose squared errors
    of heights are so small that the paper's rate would not move them; all together at 5e-5, which is a
    fifth, as the paper's 2e-4 is of its 1e-3. Scored with `eval --flip`: see the system.
    """
    return _paper("all_hourglass", _HOURGLASS, _hourglass(20))


def flic() -> Recipe:
    """Upper bodies at 256x256: a ResNet-152, two limbs (table 7). For `--data flic=DIR --convention OC`.

    Scored with `eval --flip`: see the system.
    """
    config = replace(_RESNET, crop=(256, 256))
    recipe = _paper("flic", config, (_resnet(60), *_refinements(30, 20)))
    changes = {"skeleton": "flic", "augment": _UPRIGHT, "box": "data"}
    return recipe.model_copy(update=changes)


def mpii() -> Recipe:
    """Eight stacked hourglasses at 256x256 (table 8, person-centric). For `--data mpii=DIR`.

    Rates as of `all_hourglass`; scored with `eval --flip`: see the system.
    """
    recipe = _paper("mpii", _HOURGLASS, _hourglass(30))
    changes = {"skeleton": "mpii", "augment": _UPRIGHT, "box": "data"}
    return recipe.model_copy(update=changes)


def compact() -> Recipe:
    """The FCN on a thin ResNet-18 at 128x128, refinements of 32 channels on 32x32 cells, 3.6 M parameters.

    Kernels of 9, 11 and 11 see 29 of 32 cells, as the paper's see 37 of 43. Departures: a fourth scale;
    maps that begin with rare joints (bias -5); the FCN's scales at once; answers between cells; less
    canvas about turned maps; Muon on a cosine, averaged weights, bfloat16, wider augmentation with
    pasted occluders, without which the detector and the refinements would count the same joints on data
    without occluded ones. `--set config.crop=[96,96]` is cheaper.
    """
    fits = (
        compact_fit("detector", 30, 3e-3),
        compact_fit("body", 8, 3e-3),
        compact_fit("limbs", 6, 3e-3),
        compact_fit("all", 6, 1e-3),
    )
    return _compact("compact", _COMPACT, fits)


def compact_plain() -> Recipe:
    """`compact` without turning any maps: the same nets on the same detector."""
    config = replace(_COMPACT, body_norm=False, limb_norm=False)
    return _compact("compact_plain", config, compact().fits)


def _paper(name: str, config: NormalizedConfig, fits: tuple[Fit, ...]) -> Recipe:
    return Recipe(
        name=f"normalized/{name}",
        system="normalized",
        config=asdict(config),
        augment=_TURNED,
        box="image",
        fits=fits,
    )


def _sgd(stage: str, epochs: float, lr: float, weight_decay: float = 5e-4) -> Fit:
    optim = Optim(name="sgd", lr=lr, weight_decay=weight_decay, options={"momentum": 0.9})
    return Fit(stage=stage, epochs=epochs, batch=10, optim=optim, schedule=_PLATEAU)


def _rmsprop(stage: str, epochs: float, lr: float) -> Fit:
    optim = Optim(name="rmsprop", lr=lr, options={"alpha": 0.99, "eps": 1e-8})
    return Fit(stage=stage, epochs=epochs, batch=6, optim=optim, schedule=_PLATEAU)


def _fcn(epochs: float) -> tuple[Fit, ...]:
    """Its three losses, one after the other."""
    names = ("detector_32s", "detector_16s", "detector")
    return tuple(_sgd(name, epochs, 1e-3) for name in names)


def _resnet(epochs: float) -> Fit:
    schedule = Schedule(law="drops", warmup=0.01, drops=(0.42, 0.71), factor=0.1)
    return _sgd("detector", epochs, 0.02, weight_decay=1e-4).model_copy(
        update={"schedule": schedule}
    )


def _hourglass(epochs: float) -> tuple[Fit, ...]:
    return (
        _rmsprop("detector", 3 * epochs, 2.5e-4),
        _rmsprop("body", epochs, 2.5e-4),
        _rmsprop("limbs", epochs, 2.5e-4),
        _rmsprop("all", epochs / 2, 5e-5),
    )


def _refinements(epochs: float, last: float) -> tuple[Fit, ...]:
    return _sgd("body", epochs, 1e-3), _sgd("limbs", epochs, 1e-3), _sgd("all", last, 2e-4)


def _compact(name: str, config: NormalizedConfig, fits: tuple[Fit, ...]) -> Recipe:
    return compact_recipe(f"normalized/{name}", asdict(config), fits)

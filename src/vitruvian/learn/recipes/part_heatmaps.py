"""Recipes of `part_heatmaps`.

`res` and `vgg` are Bulat & Tzimiropoulos'; `compact` is what a laptop CPU can train, and
`compact_detection`, `compact_regression` and `compact_regression2` are the other rows of the paper's
table 5 at that size, whose fits take about as long together; `compact_vgg` is the other kind of net.

All losses are means over a map's cells. The paper's rates for the VGG (1e-8 for detection) belong to sums
over 144,400 pixels, and are rates of another kind here.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from vitruvian.data.augment import Augment
from vitruvian.learn.recipes.compact import compact_fit, compact_recipe
from vitruvian.recipe import Fit, Optim, Recipe, Schedule
from vitruvian.systems.part_heatmaps import PartHeatmapsConfig

_AUGMENT = Augment(scale=(0.7, 1.3), rotation=40, flip=0.5)
_COMPACT = PartHeatmapsConfig(
    crop=(128, 128),
    backbone="resnet18",
    channels=(32, 64, 128, 192),
    output_stride=8,
    width=64,
    radius=5.0,
    sigma=2.5,
    stride=2,
    bias=-5.0,
    foreground=10.0,
)


def res() -> Recipe:
    """ResNet-152 and an hourglass, 256x256, RMSprop, batch 8 (section 3.2).

    Detection from the ImageNet weights (`--set init=timm`, which needs a network or timm's cache) with a
    rate from 1e-3 to 2.5e-5, regression with 1e-4 and then 2.5e-5, both together with 2.5e-5. Not stated
    there and chosen here: a cosine between the two rates, the drop after half of the regression's
    epochs, the last rate; the scale, 0.7 to 1.3, multiplies the box, as in Newell et al.'s code, and so
    divides the person. For LSP go on with `--from` and 30 epochs of `joint`.
    """

    def fit(stage: str, epochs: float, lr: float, schedule: Schedule) -> Fit:
        optim = Optim(name="rmsprop", lr=lr, options={"alpha": 0.99, "eps": 1e-8})
        return Fit(stage=stage, epochs=epochs, batch=8, optim=optim, schedule=schedule)

    return Recipe(
        name="part_heatmaps/res",
        system="part_heatmaps",
        config=asdict(PartHeatmapsConfig()),
        skeleton="mpii",
        augment=_AUGMENT,
        fits=(
            fit("detect", 50, 1e-3, Schedule(law="cosine", floor=0.025)),
            fit("regress", 40, 1e-4, Schedule(law="drops", drops=(0.5,), factor=0.25)),
            fit("joint", 50, 2.5e-5, Schedule()),
        ),
    )


def vgg() -> Recipe:
    """The VGG-16 FCN and large kernels, 380x380, 304 px for a standing person (section 3.1: 300).

    Detection from the ImageNet weights (`--set init=timm`) for 20 epochs, regression for 20, both together
    for 10. Not stated there and chosen here: rates for mean losses, SGD with momentum 0.9, batch 8,
    the drop after half of the regression's epochs. For LSP go on with `--from` and 10 epochs of `joint`.
    Scale (of the box, as in `res`) and rotation vary in steps, of 0.1 and of 10 degrees, which the paper
    does not state either.
    """
    config = PartHeatmapsConfig(
        crop=(380, 380), backbone="vgg16", regressor="large_kernels", radius=15.0
    )

    def fit(stage: str, epochs: float, lr: float, schedule: Schedule) -> Fit:
        optim = Optim(name="sgd", lr=lr, options={"momentum": 0.9})
        return Fit(stage=stage, epochs=epochs, batch=8, optim=optim, schedule=schedule)

    return Recipe(
        name="part_heatmaps/vgg",
        system="part_heatmaps",
        config=asdict(config),
        skeleton="mpii",
        augment=_AUGMENT.model_copy(update={"scale_step": 0.1, "rotation_step": 10}),
        fits=(
            fit("detect", 20, 1e-3, Schedule(law="cosine", floor=0.1)),
            fit("regress", 20, 1e-2, Schedule(law="drops", drops=(0.5,), factor=0.1)),
            fit("joint", 10, 1e-3, Schedule()),
        ),
    )


def compact() -> Recipe:
    """The residual cascade at 128x128 with a thin ResNet-18 and a 64-channel hourglass, 2.5 M parameters.

    The detector's backbone ends at stride 8, so that its maps have as many cells as the paper's.
    Departures: maps of 2 px a cell, a detector that begins with rare parts (bias -5), squared errors that
    weigh up to 11 times near joints (from scratch they learn faster), Muon on a cosine, averaged weights,
    bfloat16, wider augmentation with pasted occluders, without which the detector and the regressor would
    count the same joints on data without occluded ones.
    """
    fits = (
        compact_fit("detect", 22, 3e-3),
        compact_fit("regress", 6, 3e-3),
        compact_fit("joint", 14, 2e-3),
    )
    return _compact("compact", _COMPACT, fits)


def compact_detection() -> Recipe:
    """The detector of `compact` alone."""
    config = replace(_COMPACT, variant="detection")
    return _compact("compact_detection", config, (compact_fit("detect", 56, 3e-3),))


def compact_regression() -> Recipe:
    """The net of `compact`'s detector, trained on Gaussians for all located joints."""
    config = replace(_COMPACT, variant="regression")
    return _compact("compact_regression", config, (compact_fit("regress", 56, 3e-3),))


def compact_regression2() -> Recipe:
    """`compact` with a first subnetwork that is trained on Gaussians, too."""
    config = replace(_COMPACT, variant="regression_regression")
    fits = (
        compact_fit("pre_regress", 22, 3e-3),
        compact_fit("regress", 6, 3e-3),
        compact_fit("joint", 14, 2e-3),
    )
    return _compact("compact_regression2", config, fits)


def compact_vgg() -> Recipe:
    """The other kind at `compact`'s size: a thin VGG-11 with BatchNorm and large kernels, 1.4 M parameters.

    The kernels together see half of the crop's width, as the published ones do at a quarter of the input.
    For table 5's other rows set config.variant, and fits.0.stage as in the recipes above.
    """
    config = replace(
        _COMPACT,
        backbone="vgg11_bn",
        channels=(24, 48, 96, 128, 160),
        hidden=256,
        hidden_kernel=3,
        dropout=0.1,
        regressor="large_kernels",
        widths=(32, 32, 48, 64, 128, 128),
        kernels=(3, 5, 5, 5),
        downsample="input_quarter",
        weights="he",
    )
    return _compact("compact_vgg", config, compact().fits)


def _compact(name: str, config: PartHeatmapsConfig, fits: tuple[Fit, ...]) -> Recipe:
    return compact_recipe(f"part_heatmaps/{name}", asdict(config), fits)

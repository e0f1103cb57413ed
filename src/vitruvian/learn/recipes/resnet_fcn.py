"""Recipes of `resnet_fcn`.

`paper` and `baseline` are Wang & Hao's comparison: one ResNet-50, their fully convolutional head or the
deconvolutions of Simple Baselines. `compact` and `compact_baseline` are what a laptop CPU can train, and
`compact_deep` is what grows out of a trained `compact`.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from vitruvian.data.augment import Augment
from vitruvian.learn.recipes.compact import compact_fit, compact_recipe
from vitruvian.recipe import Fit, Optim, Recipe, Schedule
from vitruvian.systems.resnet_fcn import ResNetFCNConfig

_PAPER = ResNetFCNConfig()


def paper() -> Recipe:
    """ResNet-50, 256x256, RMSprop 2.5e-4, divided by 5 once on a plateau (section 5.1).

    Not stated there and chosen here: 60 epochs, batch 32, patience 5, and the ImageNet weights
    (`--set init=timm`, which needs a network or timm's cache). The plateau is one of the score on `tune`,
    which are persons of the training set, without a flip test: PCKh@0.5 where files have their head
    boxes, else PCK at 0.375 of the head segment.
    """
    return Recipe(
        name="resnet_fcn/paper",
        system="resnet_fcn",
        config=asdict(_PAPER),
        skeleton="mpii",
        augment=Augment(scale=(0.75, 1.25), rotation=30, flip=0.5),
        fits=(
            Fit(
                stage="heatmaps",
                epochs=60,
                batch=32,
                optim=Optim(name="rmsprop", lr=2.5e-4, options={"alpha": 0.99, "eps": 1e-8}),
                schedule=Schedule(law="plateau", factor=0.2, patience=5, most_drops=1),
            ),
        ),
    )


def baseline() -> Recipe:
    """The deconvolution head on the same backbone and schedule; missing joints are masked, as there."""
    config = replace(_PAPER, head="deconv", missing="mask")
    return paper().model_copy(update={"name": "resnet_fcn/baseline", "config": asdict(config)})


def compact() -> Recipe:
    """A thin ResNet-18 at 128x128 for a laptop CPU: the structure of `fcn_up`, at most 3 M parameters.

    Departures: layers of 32 to 192 channels, lateral connections, cross-entropy of the spatial softmax
    (which never stands at empty maps), local-mean decoding, Muon on a cosine, averaged weights,
    bfloat16, wider augmentation with pasted occluders.
    """
    config = ResNetFCNConfig(
        crop=(128, 128),
        backbone="resnet18",
        channels=(32, 64, 128, 192),
        head="fcn_up",
        width=96,
        inner=64,
        lateral=True,
        loss="softmax",
        missing="mask",
        offset="local_mean",
    )
    fits = (compact_fit("heatmaps", 60, 3e-3, warmup=0.02),)
    return compact_recipe("resnet_fcn/compact", asdict(config), fits)


def compact_deep() -> Recipe:
    """`compact` with the blocks of a ResNet-34, on crops of 192x192: 4.2 M parameters.

    With `--from resnet_fcn/compact` it begins as the same function, whose blocks are the first of each
    stage: a new block's last norm is zero, so that it adds nothing before it has learnt.
    """
    recipe = compact()
    config = recipe.config | {"backbone": "resnet34", "crop": (192, 192)}
    augment = recipe.augment.model_copy(update={"fill": (0.4, 1.0)})
    fits = (compact_fit("heatmaps", 24, 2e-3, warmup=0.02),)
    changed = {"config": config, "augment": augment, "fits": fits}
    return recipe.model_copy(update={"name": "resnet_fcn/compact_deep", **changed})


def compact_baseline() -> Recipe:
    """Simple Baselines' deconvolutions, of 96 channels, on the same backbone, with the same loss."""
    recipe = compact()
    config = recipe.config | {"head": "deconv", "lateral": False}
    return recipe.model_copy(update={"name": "resnet_fcn/compact_baseline", "config": config})

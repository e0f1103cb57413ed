"""Recipes of `resnet_fcn`.

`paper` and `baseline` are Wang & Hao's comparison: one ResNet-50, their fully convolutional head or the
deconvolutions of Simple Baselines. `compact` is what a laptop CPU can train.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from vitruvian.data.augment import Augment
from vitruvian.recipe import Fit, Optim, Recipe, Schedule
from vitruvian.systems.resnet_fcn import ResNetFCNConfig

_PAPER = ResNetFCNConfig()


def paper() -> Recipe:
    """ResNet-50, 256x256, RMSprop 2.5e-4, divided by 5 once on a plateau (section 4.1).

    Not stated there and chosen here: 60 epochs, batch 32, patience 5, and the ImageNet weights
    (`--set init=timm`, which needs a network or timm's cache).
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
    (learns several times faster from scratch), local-mean decoding, AdamW on a cosine, averaged weights,
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
    return Recipe(
        name="resnet_fcn/compact",
        system="resnet_fcn",
        config=asdict(config),
        augment=Augment(
            fill=(0.45, 1.0),
            rotation=45,
            rotation_law="normal",
            translation=0.08,
            flip=0.5,
            colour=0.3,
            occluders=2,
        ),
        fits=(
            Fit(
                stage="heatmaps",
                epochs=60,
                batch=64,
                optim=Optim(name="adamw", lr=3e-3, weight_decay=0.02, decay_norms=False),
                schedule=Schedule(law="cosine", warmup=0.02, floor=0.01),
                clip=5.0,
                ema=0.998,
            ),
        ),
        precision="bf16",
        evaluate_every=4.0,
    )

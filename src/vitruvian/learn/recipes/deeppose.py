"""Recipes of `deeppose`.

`lsp` and `flic` are Toshev & Szegedy's; `compact` is what a laptop CPU can train. A later stage's example
is one joint's window, so its batch of persons is the paper's 128 divided by the joints. Its 40 epochs at
one draw a joint, mirrored or not by chance, are 40 draws a photograph and joint: with `--full` on LSP and
LSPET, 11,000 persons, 6.2 M, half of the paper's 12.3 M, which are 40 of the photograph and 40 of its
mirror image; 80 epochs have as many. Without it LSPET's last 1,500 are held out: 5.3 M of 9,500 persons.
"""

from __future__ import annotations

from dataclasses import asdict

from vitruvian.data.augment import Augment
from vitruvian.learn.recipes.compact import AUGMENT, compact_fit, compact_recipe
from vitruvian.recipe import Fit, Optim, Recipe
from vitruvian.systems.deeppose.net import DeepPoseConfig

_ADAGRAD = Optim(name="adagrad", lr=5e-4, options={"eps": 1e-10, "initial_accumulator_value": 0.0})


def lsp() -> Recipe:
    """Three seven-layer nets, Adagrad 5e-4, batch 128, dropout 0.6, flips, shifts of 10 % (section 3.1).

    The box is the whole photograph. Not stated there and chosen here: 200 epochs for stage 1, and
    Adagrad's start, on which results depend (PyTorch's: nothing accumulated, eps 1e-10).
    """
    config = DeepPoseConfig(translation=0.1)
    return Recipe(
        name="deeppose/lsp",
        system="deeppose",
        config=asdict(config),
        augment=Augment(flip=0.5),
        box="image",
        fits=(
            Fit(stage="stage1", epochs=200, batch=128, optim=_ADAGRAD),
            Fit(stage="stage2", epochs=40, batch=9, optim=_ADAGRAD),
            Fit(stage="stage3", epochs=40, batch=9, optim=_ADAGRAD),
        ),
    )


def flic() -> Recipe:
    """Upper bodies: windows of one diameter; boxes are squares about the face, so none is stretched.

    The photograph goes on around such a box: shifts are the crops' own, with what is there. The factor
    that holds every training joint is that of the person whose eyes are nearest, 29 on FLIC, so that the
    box of a usual face is 1,480 px wide: crops of 880 px keep 0.6 of the photograph's pixels a side for
    the later stages (chosen here; stage 1 sees the mean of 4 x 4).
    """
    config = DeepPoseConfig(crop=(880, 880), sigma=1.0, aspect="pad")
    return Recipe(
        name="deeppose/flic",
        system="deeppose",
        config=asdict(config),
        skeleton="flic",
        augment=Augment(flip=0.5, translation=0.1),
        box="face",
        fits=(
            Fit(stage="stage1", epochs=200, batch=128, optim=_ADAGRAD),
            Fit(stage="stage2", epochs=40, batch=13, optim=_ADAGRAD),
            Fit(stage="stage3", epochs=40, batch=13, optim=_ADAGRAD),
        ),
    )


def compact() -> Recipe:
    """Three nets of at most 5 M parameters together, for a laptop CPU; the cascade is the paper's.

    Departures: a thin ResNet-18 on 128 px, then nets with norms and residual pairs on 56 px, dropout of
    0.1 (the paper: 0.6); absolute differences; joints' cells as an auxiliary task; windows of 1.7
    diameters (2.0) that vary in size, half of which lie where the stage before points, the others by the
    full covariance of its errors; stage 3 from stage 2's weights; boxes of the true joints, which are not
    stretched (aspect pad), batches of 64 persons, clipped gradients, Muon on a cosine, averaged weights,
    bfloat16, wider augmentation with pasted occluders.
    """
    config = DeepPoseConfig(
        crop=(192, 192),
        net="compact",
        trunk="resnet18",
        input=128,
        window=56,
        sigma=1.7,
        aspect="pad",
        cov="full",
        vary_size=True,
        loss="l1",
        channels=(32, 64, 128, 192),
        hidden=256,
        window_channels=(16, 32, 64),
        window_hidden=128,
        dropout=0.1,
        auxiliary=0.5,
        displacements="mixed",
        inherit=True,
    )

    def fit(stage: str, epochs: float) -> Fit:
        return compact_fit(stage, epochs, 1.5e-3, weight_decay=0.05)

    return compact_recipe(
        "deeppose/compact",
        asdict(config),
        (fit("stage1", 80), fit("stage2", 20), fit("stage3", 10)),
        augment=AUGMENT.model_copy(update={"fill": (0.5, 1.0), "rotation": 30.0}),
        box="labelled",
    )

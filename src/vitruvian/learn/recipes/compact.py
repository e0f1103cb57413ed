"""What the compact recipes have in common: how crops vary, and the optimiser of a fit."""

from __future__ import annotations

from typing import Any

from vitruvian.data.augment import Augment
from vitruvian.recipe import Fit, Optim, Recipe, Schedule

AUGMENT = Augment(
    fill=(0.45, 1.0),
    rotation=45,
    rotation_law="normal",
    translation=0.08,
    flip=0.5,
    colour=0.3,
    occluders=2,
)


def compact_fit(
    stage: str, epochs: float, lr: float, *, warmup: float = 0.03, weight_decay: float = 0.02
) -> Fit:
    """Muon on a cosine, with averaged weights; `optim.name=adamw` takes the same rate."""
    return Fit(
        stage=stage,
        epochs=epochs,
        batch=64,
        optim=Optim(name="muon", lr=lr, weight_decay=weight_decay, decay_norms=False),
        schedule=Schedule(law="cosine", warmup=warmup, floor=0.01),
        clip=5.0,
        ema=0.998,
    )


def compact_recipe(
    name: str,
    config: dict[str, Any],
    fits: tuple[Fit, ...],
    *,
    augment: Augment = AUGMENT,
    **others: Any,
) -> Recipe:
    """A recipe SYSTEM/VARIANT in bfloat16, scored on `tune` after every fourth epoch."""
    return Recipe(
        name=name,
        system=name.partition("/")[0],
        config=config,
        augment=augment,
        fits=fits,
        precision="bf16",
        evaluate_every=4.0,
        **others,
    )

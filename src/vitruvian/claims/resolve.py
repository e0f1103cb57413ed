"""A training's recipe, resolved; needs PyTorch, as recipes do."""

from __future__ import annotations

from typing import Any

from vitruvian.claims.model import BATCH, Training
from vitruvian.learn.recipes import find_recipe
from vitruvian.recipe import Fit, Recipe, override, recipe_from_dict


def recipe_of(training: Training) -> Recipe:
    """The recipe of a training, resolved.

    Raises:
        UserError: there is no such recipe, or a setting names what it does not have.
    """
    arm = training.arm
    recipe = find_recipe(arm.recipe)
    optimiser = training.tier.optimiser
    fits = [_fit(recipe, optimiser, place, *fit) for place, fit in enumerate(training.fits)]
    values = recipe.model_dump(mode="json") | {
        "fits": [fit.model_dump(mode="json") for fit in fits],
        "seed": training.seed,
        "evaluate_every": 1e6,  # once, at the end of each fit
    }
    settings = [*training.tier.settings, *arm.settings]
    return override(recipe_from_dict(values, arm.recipe), settings)


def _fit(recipe: Recipe, optimiser: str, place: int, stage: str, steps: int) -> Fit:
    """The recipe's fit of a stage, else the one in its place, or the last."""
    named = [fit for fit in recipe.fits if fit.stage == stage]
    like = named[0] if named else recipe.fits[min(place, len(recipe.fits) - 1)]
    optim = like.optim.model_copy(update={"name": optimiser})
    return like.model_copy(update={"stage": stage, "steps": steps, "batch": BATCH, "optim": optim})


def changed(stored: Any, now: Any, place: str = "") -> str:
    """Where a raw file's recipe differs from what the training would be now; "": nowhere.

    What a recipe has gained since is not looked at: its default is what was done before.
    """
    if isinstance(stored, dict) and isinstance(now, dict):
        for key, value in stored.items():
            if said := changed(value, now.get(key), f"{place}.{key}".lstrip(".")):
                return said
        return ""
    if isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        found = (
            changed(a, b, f"{place}.{i}") for i, (a, b) in enumerate(zip(stored, now, strict=True))
        )
        return next(filter(None, found), "")
    return "" if stored == now else f"{place} was {stored!r}, is {now!r}"

"""Every recipe with its size, counted without allocating its net."""

from __future__ import annotations

from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.runner import system_and_config
from vitruvian.learn.size import size_of
from vitruvian.skeleton import find_skeleton
from vitruvian.use.listing import Row, bundled_scores


def recipe_rows() -> list[Row]:
    """All recipes, in the order of their table."""
    scores = bundled_scores()
    rows = []
    for name, make in RECIPES.items():
        recipe = make()
        system, config = system_and_config(recipe.system, recipe.config, name)
        size = size_of(system, config, find_skeleton(recipe.skeleton))
        rows.append(
            Row(name, size.parameters, size.gmacs, recipe.crop, name in scores, scores.get(name))
        )
    return rows

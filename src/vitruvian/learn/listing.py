"""Every recipe with its size, counted without allocating its net."""

from __future__ import annotations

from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.runner import system_and_config
from vitruvian.learn.size import size_of
from vitruvian.skeleton import find_skeleton
from vitruvian.use.listing import Row, bundled_rows


def recipe_rows() -> list[Row]:
    """All recipes, in the order of their table; those that come trained as they come."""
    trained = {row.recipe: row for row in bundled_rows()}
    rows = []
    for name, make in RECIPES.items():
        if name in trained:
            rows.append(trained[name])
            continue
        recipe = make()
        system, config = system_and_config(recipe.system, recipe.config, name)
        size = size_of(system, config, find_skeleton(recipe.skeleton))
        rows.append(Row(name, size.parameters, size.gmacs, recipe.crop, False, None))
    return rows

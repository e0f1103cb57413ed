"""The sizes of all recipes, counted without allocating their nets.

`python -m vitruvian.learn.listing` writes them anew, after a recipe or a system has changed.
"""

from __future__ import annotations

import json

from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.runner import system_and_config
from vitruvian.learn.size import size_of
from vitruvian.skeleton import find_skeleton
from vitruvian.use.files import write_text
from vitruvian.use.listing import SIZES, Row


def counted_rows() -> list[Row]:
    """All recipes, in the order of their table, untrained."""
    rows = []
    for name, make in RECIPES.items():
        recipe = make()
        system, config = system_and_config(recipe.system, recipe.config, name)
        size = size_of(system, config, find_skeleton(recipe.skeleton))
        rows.append(Row(name, size.parameters, size.gmacs, recipe.crop))
    return rows


if __name__ == "__main__":
    sizes = [[row.recipe, row.parameters, row.gmacs, row.input] for row in counted_rows()]
    lines = ",\n".join(json.dumps(size) for size in sizes)
    write_text(SIZES, f"[\n{lines}\n]\n")

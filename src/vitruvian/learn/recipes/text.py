"""A recipe as a text that says why its values are what they are, and is one that `train` takes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from vitruvian.learn.recipes import RECIPES, find_recipe
from vitruvian.learn.runner import name_stages, system_and_config
from vitruvian.learn.train import check_fits
from vitruvian.recipe import only, override


def recipe_text(name: str, settings: Sequence[str] = (), stages: Sequence[str] = ()) -> str:
    """A recipe's words as comments, then all its values as YAML.

    Args:
        name: of a recipe, or a YAML file, which has no words.
        settings, stages: as `vitruvian train` takes them.

    Raises:
        UserError: there is none, or it could not be trained.
    """
    recipe = only(name_stages(override(find_recipe(name), list(settings))), stages)
    system, config = system_and_config(recipe.system, recipe.config, recipe.name)
    check_fits(recipe.fits, system, config)
    words = inspect.getdoc(RECIPES[name]) if name in RECIPES else None
    said = [f"# {line}".rstrip() for line in (words or "").splitlines()]
    return "\n".join([*said, recipe.to_yaml()])

"""Recipes by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from vitruvian.learn.recipes import deeppose, multiscale, normalized, part_heatmaps, resnet_fcn
from vitruvian.recipe import Recipe, read_recipe
from vitruvian.types import UserError

RECIPES: dict[str, Callable[[], Recipe]] = {
    "resnet_fcn/paper": resnet_fcn.paper,
    "resnet_fcn/baseline": resnet_fcn.baseline,
    "resnet_fcn/compact": resnet_fcn.compact,
    "resnet_fcn/compact_deep": resnet_fcn.compact_deep,
    "resnet_fcn/compact_baseline": resnet_fcn.compact_baseline,
    "deeppose/lsp": deeppose.lsp,
    "deeppose/flic": deeppose.flic,
    "deeppose/compact": deeppose.compact,
    "part_heatmaps/res": part_heatmaps.res,
    "part_heatmaps/vgg": part_heatmaps.vgg,
    "part_heatmaps/compact": part_heatmaps.compact,
    "part_heatmaps/compact_detection": part_heatmaps.compact_detection,
    "part_heatmaps/compact_regression": part_heatmaps.compact_regression,
    "part_heatmaps/compact_regression2": part_heatmaps.compact_regression2,
    "part_heatmaps/compact_vgg": part_heatmaps.compact_vgg,
    "multiscale/mpii": multiscale.mpii,
    "multiscale/flic": multiscale.flic,
    "multiscale/hourglass8": multiscale.hourglass8,
    "multiscale/compact": multiscale.compact,
    "multiscale/compact_after": multiscale.compact_after,
    "multiscale/compact_hourglass": multiscale.compact_hourglass,
    "normalized/lsp": normalized.lsp,
    "normalized/lsp_lspet": normalized.lsp_lspet,
    "normalized/lsp_lspet_mpii": normalized.lsp_lspet_mpii,
    "normalized/all_resnet": normalized.all_resnet,
    "normalized/all_hourglass": normalized.all_hourglass,
    "normalized/flic": normalized.flic,
    "normalized/mpii": normalized.mpii,
    "normalized/compact": normalized.compact,
    "normalized/compact_plain": normalized.compact_plain,
}


def find_recipe(name: str) -> Recipe:
    """A recipe by name, or from a YAML file.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    if name.endswith((".yaml", ".yml")):
        return read_recipe(Path(name))
    if name not in RECIPES:
        if (inside := Path(name) / "recipe.yaml").is_file():
            labels = (
                f" --data coco={Path(name)}" if (Path(name) / "skeleton.yaml").is_file() else ""
            )
            raise UserError(f"{name} is a folder: give the recipe in it, {inside}{labels}")
        near = difflib.get_close_matches(name, RECIPES, 1, 0)
        raise UserError(f"no recipe {name!r}; nearest: {near[0]!r}; or give a .yaml file")
    return RECIPES[name]()

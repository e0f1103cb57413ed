"""The folder of a run: what it holds, how it is claimed, and whether a run may go on in it.

recipe.yaml         the recipe, resolved
run.json            data, origin of the weights, versions, seconds
log.csv             losses, speed, score on `tune`
.lock               held by the process that trains
state.safetensors   where the training stands
model/              the model so far: `predict` and `eval` take the run's folder
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from vitruvian.learn.lock import locked
from vitruvian.learn.runner import system_and_config
from vitruvian.recipe import Recipe, recipe_from_dict
from vitruvian.types import UserError

RECIPE, RUN, MODEL = "recipe.yaml", "run.json", "model"
LOCK = ".lock"
LABELS = "labels"  # in run.json: the checksum of what is learnt from
LONG = 60  # characters of a value in a message


@contextmanager
def claim(
    folder: Path, recipe: Recipe, about: dict[str, Any], how: dict[str, Any]
) -> Iterator[None]:
    """Makes the run's folder, or finds the same run in it, and keeps other processes out of it.

    Args:
        about: what must be the same when the run goes on.
        how: how it was begun.

    Raises:
        UserError: the folder holds something else, cannot be written, or another process trains in it.
    """
    _make(folder, recipe, about, how)
    with locked(folder / LOCK) as mine:
        if not mine:
            raise UserError(
                f"another process trains in {folder}; wait for it, or choose another --out"
            )
        yield


def _make(folder: Path, recipe: Recipe, about: dict[str, Any], how: dict[str, Any]) -> None:
    if (folder / RECIPE).exists():
        _check_same(folder, recipe, about)
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} holds something else than a run; choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RUN).write_text(json.dumps(about | how, indent=2) + "\n", encoding="utf-8")
        (folder / RECIPE).write_text(recipe.to_yaml(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None


def read_run(folder: Path) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a run's folder, and what `run.json` says.

    Raises:
        UserError: the folder is no run.
    """
    try:
        values = yaml.safe_load((folder / RECIPE).read_text(encoding="utf-8"))
        about = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        raise UserError(f"{folder} is not a run's folder; give the --out of a training") from None
    return recipe_from_dict(values, str(folder / RECIPE)), about


def _check_same(folder: Path, recipe: Recipe, about: dict[str, Any]) -> None:
    old_recipe, old = read_run(folder)
    cure = "give the same command to go on with it, or choose another --out"
    before, now = (_with_every_size(each) for each in (old_recipe, recipe))
    if before != now:
        field = _first_difference(before, now)
        raise UserError(f"{folder} holds a different run ({field}); {cure}")
    for key, value in json.loads(json.dumps(about)).items():
        if key in old and value != old[key]:
            if key == LABELS:
                raise UserError(
                    f"{folder}: labels were {old[key]}, are {value}: choose another --out, and add "
                    f"--from {folder} to go on from its weights"
                )
            field = _first_difference(old[key], value, key)
            raise UserError(f"{folder} holds a different run ({field}); {cure}")


def _with_every_size(recipe: Recipe) -> dict[str, Any]:
    """A recipe's values, with the defaults of sizes that an earlier version did not have."""
    config = system_and_config(recipe.system, recipe.config, recipe.name)[1]
    return recipe.to_dict() | {"config": json.loads(json.dumps(asdict(config)))}


def _first_difference(old: Any, new: Any, place: str = "") -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(key, old.get(key), new.get(key)) for key in {**old, **new}]
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
        pairs = [(str(i), a, b) for i, (a, b) in enumerate(zip(old, new, strict=True))]
    else:
        return f"{place} was {_short(old, new)}, is {_short(new, old)}"
    key, a, b = next((key, a, b) for key, a, b in pairs if a != b)
    return _first_difference(a, b, f"{place}.{key}".lstrip("."))


def _short(value: Any, other: Any) -> str:
    """A long text from the word on in which it differs from the other."""
    text = repr(value)
    if not isinstance(value, str) or not isinstance(other, str) or len(text) <= LONG:
        return text
    pairs = zip(value, other, strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(value), len(other)))
    start = value.rfind(" ", 0, same) + 1
    return f"'...{value[start:]}'" if start else text

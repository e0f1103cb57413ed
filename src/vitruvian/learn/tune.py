"""Settings chosen on held-out photographs: a training for each, scored by the mean over joints.

Toshev & Szegedy choose sigma and the number of stages so, on 50 images by PDJ@0.2 (section 4.1). What is
measured here is the data set's own protocol, whose name and threshold stand over the results.
"""

from __future__ import annotations

import gc
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from rich.table import Table

from vitruvian.data.boxes import start_from
from vitruvian.data.detections import Detections
from vitruvian.data.people import People, hold_out
from vitruvian.learn.folder import MODEL
from vitruvian.learn.recipes import find_recipe
from vitruvian.learn.run import Options, run
from vitruvian.learn.runner import name_stages, system_and_config
from vitruvian.learn.sources import open_training
from vitruvian.learn.train import check_fits
from vitruvian.measure.result import percent
from vitruvian.measure.scoring import score
from vitruvian.recipe import Recipe, override
from vitruvian.types import UserError
from vitruvian.use.evaluate import SEED, find, protocol_for, truth_of
from vitruvian.use.files import write_text
from vitruvian.use.predict import load

RESULTS = "tune.json"
SHARED = "shared"  # the run of the fits that all trials have in common


@dataclass(frozen=True)
class Plan:
    """What `vitruvian tune` is told."""

    options: (
        Options  # of every training; `out` holds all of them, `hold_out` says on how many to choose
    )
    grid: dict[str, tuple[str, ...]]  # setting -> its values
    share: int = 0  # how many first fits all trials share


@dataclass(frozen=True)
class Trial:
    """One setting, answering with the stages up to one of them."""

    settings: tuple[str, ...]
    stage: str
    value: float  # mean over joints, a share of one
    low: float
    high: float
    n: int  # held-out persons
    measure: str = "not stated"  # protocol and threshold, by which joints were right


def tune(plan: Plan) -> list[Trial]:
    """Trains every combination, or goes on; what `tune.json` holds already is not trained again.

    Raises:
        UserError: there is nothing to try, a training cannot be made, or the folder holds another plan.
    """
    if not plan.grid or not all(plan.grid.values()):
        raise UserError("nothing to try: give --try key=value,value")
    if plan.options.hold_out < 1:
        raise UserError("nothing to choose on: --hold-out is 1 photograph at least")
    recipe = _recipe(plan.options)
    if not 0 <= plan.share < len(recipe.fits):
        raise UserError(f"--share {plan.share}: recipe {recipe.name!r} has {len(recipe.fits)} fits")
    for settings in _combinations(plan.grid):  # before the first of them takes its time
        _resolved(recipe, settings)
    done = _read(plan)
    if plan.share and not done:
        shared = name_stages(recipe)
        _train(plan, replace(plan.options, recipe=shared), "", slice(plan.share), SHARED)
    for settings in _combinations(plan.grid):
        if any(trial.settings == settings for trial in done):
            continue
        name = ",".join(_short(setting) for setting in settings)
        options = replace(plan.options, recipe=_resolved(recipe, settings))
        if plan.share:
            options = replace(options, start_from=str(plan.options.out / SHARED))
        if not _train(plan, options, ", ".join(settings), slice(plan.share, None), name):
            raise UserError(f"{plan.options.out / name} was stopped; the same command goes on")
        done += _score(plan, settings, name, options)
        _write(plan, done)
    return done


def best(trials: list[Trial]) -> Trial:
    """The highest value; of equal ones that with the fewest stages, which come first."""
    return max(trials, key=lambda trial: trial.value)


def table(trials: list[Trial]) -> Table:
    """A row a trial; the best is marked."""
    shown = Table()
    for name in ("setting", "up to stage"):
        shown.add_column(name, no_wrap=True)
    first = best(trials)
    for name in (f"mean {first.measure}, %", "95 % interval", "n", ""):
        shown.add_column(name, justify="right")
    for trial in trials:
        mark = "best" if trial == first else ""
        words = f"{percent(trial.low)} to {percent(trial.high)}"
        row = (
            " ".join(_short(setting) for setting in trial.settings),
            trial.stage,
            percent(trial.value),
            words,
            str(trial.n),
            mark,
        )
        shown.add_row(*row)
    return shown


def _recipe(options: Options) -> Recipe:
    recipe = options.recipe
    found = recipe if isinstance(recipe, Recipe) else find_recipe(recipe)
    return override(found, list(options.settings))


def _resolved(recipe: Recipe, settings: tuple[str, ...]) -> Recipe:
    """The recipe of a trial; what cannot be trained is refused."""
    resolved = name_stages(override(recipe, list(settings)))
    check_fits(resolved.fits, *system_and_config(resolved.system, resolved.config, resolved.name))
    return resolved


def _combinations(grid: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    for values in itertools.product(*grid.values()):
        yield tuple(f"{key}={value}" for key, value in zip(grid, values, strict=True))


def _short(setting: str) -> str:
    """A folder's name: sigma=1.5 of config.sigma=1.5."""
    key, _, value = setting.partition("=")
    return f"{key.rpartition('.')[2]}={value}".replace("/", "_")


def _train(plan: Plan, options: Options, words: str, fits: slice, name: str) -> bool:
    """A run with some of the recipe's fits, in a folder of its own."""
    recipe = options.recipe
    assert isinstance(recipe, Recipe)
    part = recipe.model_copy(update={"fits": recipe.fits[fits]})
    finished = run(replace(options, recipe=part, settings=(), out=plan.options.out / name))
    gc.collect()  # its session refers to itself, and to all pictures that are kept
    return finished


def _score(plan: Plan, settings: tuple[str, ...], name: str, options: Options) -> list[Trial]:
    """The run's model on the held-out photographs, after each of the recipe's stages."""
    recipe = options.recipe
    assert isinstance(recipe, Recipe)
    people, _ = open_training(
        options.data, recipe.skeleton, options.convention, options.weights,
        detections=Detections(options.boxes, recipe.box), full=options.full,
    )  # fmt: skip
    held = hold_out(people, options.hold_out).subset("tune")
    folder = plan.options.out / name / MODEL
    first = load(folder)
    held = start_from(held, recipe.box, first.info.predict.face_factor)
    return [
        _trial(settings, stage, f"{folder}@{stage}", held, options.workers)
        for stage in dict.fromkeys(fit.stage for fit in recipe.fits)
    ]


def _trial(
    settings: tuple[str, ...], stage: str, model_name: str, held: People, workers: int
) -> Trial:
    model = load(model_name)
    found = find(model.runner, held, model.info.crop, skeleton=model.info.skeleton, workers=workers)
    protocol = replace(protocol_for(held), averaging="macro")
    result = score(protocol, truth_of(held), found.xy, np.random.default_rng(SEED), cuts=False)
    total = result.total
    measure = f"{protocol.name} at {protocol.threshold:g} {protocol.reference}"
    return Trial(settings, stage, total.value, total.low, total.high, result.n, measure)


def _header(plan: Plan) -> dict[str, Any]:
    recipe = _recipe(plan.options)
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": [argument.partition("=")[0] for argument in plan.options.data],
        "hold_out": plan.options.hold_out,
        **({"full": True} if plan.options.full else {}),
        "share": plan.share,
    }


def _read(plan: Plan) -> list[Trial]:
    path = plan.options.out / RESULTS
    if not path.exists():
        return []
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        header = {key: values[key] for key in _header(plan)}
        trials = [Trial(**row | {"settings": tuple(row["settings"])}) for row in values["trials"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged: choose another --out") from None
    if header != _header(plan):
        raise UserError(f"{plan.options.out} holds other trials: choose another --out")
    return trials


def _write(plan: Plan, trials: list[Trial]) -> None:
    values = _header(plan) | {"trials": [asdict(trial) for trial in trials]}
    write_text(plan.options.out / RESULTS, json.dumps(values, indent=2) + "\n")

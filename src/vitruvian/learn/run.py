"""A run: a recipe on a data set in a folder, from the first step to a model that predicts.

recipe.yaml         the recipe, resolved
run.json            data, origin of the weights, versions, seconds
log.csv             losses, speed, score on `tune`
state.safetensors   where the training stands
model/              the model so far: `predict` and `eval` take the run's folder
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import vitruvian
from vitruvian.data import open_data
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.learn.devices import Place, place
from vitruvian.learn.recipes import find_recipe
from vitruvian.learn.report import Report
from vitruvian.learn.runner import net_runner, new_net, system_and_config
from vitruvian.learn.size import size_of
from vitruvian.learn.start import init_backbone, take_from
from vitruvian.learn.train import STATE, Session, train
from vitruvian.models import DataUsed, ModelInfo, Predict, Preprocessing, write_model
from vitruvian.recipe import Recipe, override, recipe_from_dict
from vitruvian.skeleton import Skeleton, find_skeleton, skeleton_from_dict
from vitruvian.systems.contract import System
from vitruvian.types import UserError
from vitruvian.use.evaluate import quick_score, spread

RECIPE, RUN, MODEL = "recipe.yaml", "run.json", "model"


@dataclass(frozen=True)
class Options:
    """What `vitruvian train` is told."""

    recipe: str
    out: Path
    settings: tuple[str, ...] = ()
    data: str | None = None
    start_from: str | None = None
    device: str = "auto"
    seed: int | None = None
    workers: int = 2
    max_minutes: float | None = None
    quiet: bool = False


def run(options: Options) -> bool:
    """Trains, or goes on with what the folder holds; True when the recipe is finished.

    Raises:
        UserError: anything that the user can mend; see the message.
    """
    recipe = override(find_recipe(options.recipe), list(options.settings))
    if options.seed is not None:
        recipe = recipe.model_copy(update={"seed": options.seed})
    people = (
        open_data(options.data)
        if options.data
        else figures(skeleton=find_skeleton(recipe.skeleton))
    )
    recipe = recipe.model_copy(update={"skeleton": people.skeleton.name})
    system, config = system_and_config(recipe.system, recipe.config, recipe.name)
    with place(options.device) as where:
        net = new_net(system, config, people.skeleton, recipe.seed)
        report = Report(options.out, options.quiet, silent=not where.first)
        said = ""
        if not (options.out / STATE).exists():
            said = _first_weights(options, recipe, net, people.skeleton)
        if where.first:
            _claim_folder(options, recipe, people)
        if said:
            report.say(said)
        if where.processes > 1 and where.device.type == "cuda":
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
        session = _session(options, recipe, people, system, net.to(where.device), where, report)
        report.say(_opening(recipe, people, session))
        try:
            finished = train(session)
        finally:
            report.close()
        if where.first:
            upto = None if finished else _last_finished(recipe, session.progress.fit)
            write_run_model(options.out, recipe, people, system, net, upto)
            report.say(_closing(options, session, finished))
    return finished


def _first_weights(options: Options, recipe: Recipe, net: nn.Module, skeleton: Skeleton) -> str:
    """Weights to start from, before anything is written; what was taken, in words."""
    lines = [init_backbone(net, recipe.init)]
    if options.start_from:
        lines.append(take_from(net, skeleton, options.start_from))
    return "\n".join(filter(None, lines))


def _session(
    options: Options,
    recipe: Recipe,
    people: People,
    system: System,
    net: nn.Module,
    where: Place,
    report: Report,
) -> Session:
    has_train = "train" in people.subsets
    training = people.subset("train") if has_train else people
    training = training.rows(np.flatnonzero(np.isfinite(training.box).all(1)))
    tune = people.subset("tune") if "tune" in people.subsets else None
    session = Session(
        system=system,
        net=net,
        recipe=recipe,
        people=training,
        folder=options.out,
        where=where,
        report=report,
        workers=options.workers,
        max_minutes=options.max_minutes,
    )
    if tune is not None and len(tune) and people.skeleton.reference:

        def stage_now() -> str:
            return recipe.fits[session.progress.fit].stage

        def look(net: nn.Module) -> float:
            runner = net_runner(system, net, where.device, stage_now())
            return quick_score(runner, tune, recipe.crop, options.workers)

        def measure_spread(net: nn.Module) -> float:
            runner = net_runner(system, net, where.device, stage_now())
            return spread(runner, tune, recipe.crop, options.workers)

        session.evaluate, session.spread = look, measure_spread
    return session


def _claim_folder(options: Options, recipe: Recipe, people: People) -> None:
    """Makes the run's folder, or finds the same run in it."""
    folder = options.out
    about = {
        "data": people.name,
        "provenance": people.provenance,
        "rows": len(people),
        "skeleton": people.skeleton.to_dict(),
        "from": options.start_from,
    }
    if (folder / RECIPE).exists():
        _check_same(folder, recipe, about)
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} holds something else than a run; choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        versions = {
            "vitruvian": vitruvian.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        (folder / RUN).write_text(
            json.dumps(about | {"source": options.data, "versions": versions}, indent=2) + "\n"
        )
        (folder / RECIPE).write_text(recipe.to_yaml(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None


def read_run(folder: Path) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a run's folder, and what `run.json` says.

    Raises:
        UserError: the folder is no run.
    """
    import yaml

    try:
        values = yaml.safe_load((folder / RECIPE).read_text(encoding="utf-8"))
        about = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        raise UserError(f"{folder} is not a run's folder; give the --out of a training") from None
    return recipe_from_dict(values, str(folder / RECIPE)), about


def run_skeleton(about: dict[str, Any]) -> Skeleton:
    """The skeleton that a run was trained for."""
    return skeleton_from_dict(about["skeleton"])


def _check_same(folder: Path, recipe: Recipe, about: dict[str, Any]) -> None:
    old_recipe, old = read_run(folder)
    cure = "give the same command to go on with it, or choose another --out"
    if old_recipe != recipe:
        field = _first_difference(old_recipe.model_dump(), recipe.model_dump())
        raise UserError(f"{folder} holds a different run ({field}); {cure}")
    for key, value in about.items():
        if json.loads(json.dumps(value)) != old.get(key):
            raise UserError(
                f"{folder} holds a different run ({key} was {old.get(key)!r}, is {value!r}); {cure}"
            )


def _first_difference(old: Any, new: Any, place: str = "") -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(key, old.get(key), new.get(key)) for key in {**old, **new}]
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
        pairs = [(str(i), a, b) for i, (a, b) in enumerate(zip(old, new, strict=True))]
    else:
        return f"{place} was {old!r}, is {new!r}"
    key, a, b = next((key, a, b) for key, a, b in pairs if a != b)
    return _first_difference(a, b, f"{place}.{key}".lstrip("."))


def _last_finished(recipe: Recipe, fit: int) -> str:
    """The stage that a run stopped in `fit` answers with: the last one finished, else the one begun."""
    return recipe.fits[max(fit - 1, 0)].stage


def write_run_model(
    folder: Path,
    recipe: Recipe,
    people: People,
    system: System,
    net: nn.Module,
    upto: str | None,
) -> ModelInfo:
    """`model/` in the run's folder, in single precision, without a graph."""
    info = describe(recipe, system, net, people.skeleton, people)
    info = info.model_copy(update={"predict": Predict(upto=upto)})
    tensors = {name: value.detach().cpu().numpy() for name, value in net.state_dict().items()}
    card = f"# {recipe.name}\n\nThe model of a run; `vitruvian export` makes one to hand on.\n"
    return write_model(folder / MODEL, info, tensors, None, card)


def describe(
    recipe: Recipe, system: System, net: Any, skeleton: Skeleton, people: People
) -> ModelInfo:
    """What a model folder says of a net."""
    size = size_of(system, net.config, skeleton)
    rows = len(people.subsets.get("train", np.arange(len(people))))
    return ModelInfo(
        name=recipe.name,
        system=system.name,
        config=recipe.config,
        skeleton=skeleton,
        preprocessing=Preprocessing(crop=recipe.crop),
        recipe=recipe.model_dump(mode="json"),
        parameters=size.parameters,
        gmacs=size.gmacs,
        data=(DataUsed(name=people.name, rows=rows, licence=people.provenance),),
    )


def _opening(recipe: Recipe, people: People, session: Session) -> str:
    steps = sum(fit.planned_steps(len(session.people)) for fit in recipe.fits)
    threads = f", {torch.get_num_threads()} threads" if session.where.device.type == "cpu" else ""
    return (
        f"{recipe.name} on {len(session.people)} persons of {people.name}; {steps} steps in "
        f"{len(recipe.fits)} fits; {session.where.device}{threads}, seed {recipe.seed}"
    )


def _closing(options: Options, session: Session, finished: bool) -> str:
    progress = session.progress
    lines = [session.skipped.summary()]
    if finished:
        lines.append(f"finished; the model is in {options.out / MODEL}")
    else:
        lines.append(
            f"stopped in fit {progress.fit} after {progress.step} steps; the same command goes on; "
            f"the model so far is in {options.out / MODEL}"
        )
    return "\n".join(filter(None, lines))

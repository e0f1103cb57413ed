"""A run: a recipe on a data set in a folder, from the first step to a model that predicts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from vitruvian.data.balance import balanced_types
from vitruvian.data.boxes import face_factor, looks, start_from
from vitruvian.data.detections import Detections
from vitruvian.data.people import People, hold_out
from vitruvian.data.suspects import Suspicion
from vitruvian.learn.devices import Place, place
from vitruvian.learn.folder import LABELS, MODEL, claim
from vitruvian.learn.recipes import find_recipe
from vitruvian.learn.report import Report
from vitruvian.learn.runner import name_stages, net_runner, new_net, system_and_config
from vitruvian.learn.session import STATE, Session
from vitruvian.learn.size import size_of
from vitruvian.learn.sources import Source, Starts, open_training
from vitruvian.learn.start import Origin, begin
from vitruvian.learn.told import how, precision_of
from vitruvian.learn.train import check_fits, train
from vitruvian.models import DataUsed, ModelInfo, Predict, Preprocessing, write_model
from vitruvian.recipe import Recipe, only, override
from vitruvian.systems.contract import System
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import Predicted, predict_people
from vitruvian.use.quick import quick_score, spread


@dataclass(frozen=True)
class Options:
    """What `vitruvian train` is told."""

    recipe: str | Recipe  # a name, a YAML file, or the value itself
    out: Path
    settings: tuple[str, ...] = ()
    data: tuple[str, ...] = ()  # one "name=folder" each; none: rendered figures
    start_from: str | None = None
    device: str = "auto"
    seed: int | None = None
    workers: int = 2
    max_minutes: float | None = None
    quiet: bool = False
    weights: tuple[float, ...] = ()  # of the data sets, one each; none: in proportion to their rows
    convention: str | None = None  # what left and right mean: "PC" or "OC"; None: as in the data
    stages: tuple[str, ...] = ()  # the recipe's fits of these alone; none: all
    hold_out: int = 0  # photographs taken out of `train`, which then are `tune`
    leave_out: tuple[Path, ...] = ()  # files of suspect labels, which are not learnt from
    correct: tuple[Path, ...] = ()  # the same, where a model's answers are learnt in their place
    boxes: Path | None = None  # a file of boxes that stand for the data sets'
    box_of: tuple[
        str, ...
    ] = ()  # "name=start": where a data set is looked at, not where the recipe says
    full: bool = False  # all rows that the data sets' authors train on


def run(options: Options) -> bool:
    """Trains, or goes on with what the folder holds; True when the recipe is finished.

    Raises:
        UserError: anything that the user can mend; see the message.
    """
    given = options.recipe
    recipe = given if isinstance(given, Recipe) else find_recipe(given)
    recipe = only(name_stages(override(recipe, list(options.settings))), options.stages)
    if options.seed is not None:
        recipe = recipe.model_copy(update={"seed": options.seed})
    system, config = system_and_config(recipe.system, recipe.config, recipe.name)
    check_fits(recipe.fits, system, config)
    starts = Starts.read(recipe.box, options.box_of)
    people, sources = open_training(
        options.data,
        recipe.skeleton,
        options.convention,
        options.weights,
        Suspicion(options.leave_out, options.correct),
        Detections(options.boxes, recipe.box),
        starts,
        options.full,
        (said := list[str]()).append,
    )
    recipe = recipe.model_copy(update={"skeleton": people.skeleton.name})
    people = hold_out(people, options.hold_out)
    factor = face_factor(_training(people)) if recipe.box == "face" else None
    people = people if starts.own else start_from(people, recipe.box, factor)
    drawn, balance = _drawn(people, recipe, options.weights)
    with place(options.device) as where, ExitStack() as held:
        net = new_net(system, config, people.skeleton, recipe.seed)
        report = Report(options.out, options.quiet, silent=not where.first)
        precision = precision_of(recipe.precision, where, options.out)
        origin = begin(system, net, recipe.init, options.start_from)
        if where.first:
            told = how(options, where, precision) | {"hours_before": origin.hours}
            about = _about(options, people, sources, drawn)
            held.enter_context(claim(options.out, recipe, about, told))
        if origin.said and not (options.out / STATE).exists():
            report.say(origin.said)
        if where.processes > 1 and where.device.type == "cuda":
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
        model = _RunModel(options.out, recipe, system, people, _learnt(sources, origin), factor)
        session = _session(options, model, drawn, net.to(where.device), where, report)
        session.bf16 = precision == "bf16"
        looked = f"looks in {people.box_words}" if options.boxes else ""
        opening = _opening(session, people, sources)
        for line in filter(None, [*opening, *said, looked, balance]):
            report.say(line)
        try:
            finished = train(session)
        finally:
            report.close()
        if where.first:
            cut = session.stop and not finished
            names = [stage.name for stage in system.stages(config)]
            upto = _last_trained(recipe, names, origin.other)
            model.write(net, _last_finished(recipe, session.progress.fit) if cut else upto)
            report.say(_closing(options, session, finished))
    return finished


@dataclass(frozen=True)
class _RunModel:
    """The model in a run's folder, in single precision and without a graph."""

    folder: Path
    recipe: Recipe
    system: System
    people: People
    learnt: tuple[DataUsed, ...]
    face_factor: float | None

    def write(self, net: Any, upto: str | None) -> None:
        """Replaces `model/`; `upto` is the last stage that takes part, None: all."""
        size = size_of(self.system, net.config, net.skeleton)
        info = ModelInfo(
            name=self.recipe.name,
            system=self.system.name,
            config=self.recipe.config,
            skeleton=net.skeleton,
            preprocessing=Preprocessing(crop=self.recipe.crop),
            predict=Predict(upto=upto, face_factor=self.face_factor, passes=looks(self.recipe.box)),
            recipe=self.recipe.to_dict(),
            parameters=size.parameters,
            gmacs=size.gmacs,
            data=self.learnt,
            convention=self.people.convention,
        )
        tensors = {name: value.detach().cpu().numpy() for name, value in net.state_dict().items()}
        card = f"# {self.recipe.name}\n\nThe model of a run; `vitruvian export` makes one to hand on.\n"
        write_model(self.folder / MODEL, info, tensors, None, card)


def _learnt(sources: Sequence[Source], origin: Origin) -> tuple[DataUsed, ...]:
    """What the run learns from, then what the models that it starts from have learnt from."""
    own = [
        DataUsed(name=source.name, rows=source.train, licence=source.provenance)
        for source in sources
        if source.train and source.weight != 0
    ]
    return tuple(dict.fromkeys([*own, *origin.learnt]))


def _training(people: People) -> People:
    return people.subset("train") if "train" in people.subsets else people


def _drawn(people: People, recipe: Recipe, weights: Sequence[float]) -> tuple[People, str]:
    """The persons to train on, weighted as the recipe's `balance` says; and what it did."""
    training = _training(people)
    chance = np.ones(len(training)) if training.weight is None else training.weight
    training = training.rows(np.flatnonzero(np.isfinite(training.box).all(1) & (chance > 0)))
    if recipe.balance == "none":
        return training, ""
    if weights:
        raise UserError(
            f"balance={recipe.balance} and --weight both say how often persons are drawn: give one"
        )
    return balanced_types(training)


def _session(
    options: Options,
    model: _RunModel,
    drawn: People,
    net: nn.Module,
    where: Place,
    report: Report,
) -> Session:
    people, recipe, system = model.people, model.recipe, model.system
    session = Session(
        system=system,
        net=net,
        recipe=recipe,
        people=drawn,
        folder=options.out,
        where=where,
        report=report,
        workers=options.workers,
        max_minutes=options.max_minutes,
    )
    tune = people.subset("tune") if "tune" in people.subsets else None
    if tune is not None and len(tune) and people.skeleton.reference:
        found: list[Predicted] = []

        def look(net: nn.Module) -> float:
            upto = recipe.fits[session.progress.fit].stage
            runner = net_runner(system, net, where.device, upto)
            found[:] = [
                predict_people(runner, tune, tune.box, recipe.crop, workers=options.workers)
            ]
            return quick_score(found[0], tune)

        session.evaluate, session.spread = look, lambda net: spread(found[0], tune)
        session.publish = lambda net: model.write(net, recipe.fits[session.progress.fit].stage)
    return session


def _about(
    options: Options, people: People, sources: Sequence[Source], drawn: People
) -> dict[str, Any]:
    """What must be the same when a run goes on."""
    return {
        "data": people.name,
        "provenance": people.provenance,
        "rows": len(people),
        "skeleton": people.skeleton.to_dict(),
        "convention": people.convention,
        "sources": [asdict(source) for source in sources],
        "from": options.start_from and Path(options.start_from).name,
        "hold_out": options.hold_out,
        **({"box_of": list(options.box_of)} if options.box_of else {}),
        **({"full": True} if options.full else {}),
        **({LABELS: _checksum(drawn)} if options.data else {}),  # nobody corrects drawn figures
    }


def _checksum(people: People) -> str:
    """CRC-32 in hex of joints, states and boxes, the same on every machine; files may be corrected."""
    columns = (people.joints, "<f4"), (people.state, "u1"), (people.box, "<f4")
    return f"{zlib.crc32(b''.join(values.astype(kind).tobytes() for values, kind in columns)):08x}"


def _last_finished(recipe: Recipe, fit: int) -> str:
    """The stage that a run stopped in `fit` answers with: the last one finished, else the one begun."""
    return recipe.fits[max(fit - 1, 0)].stage


def _last_trained(recipe: Recipe, stages: list[str], other: ModelInfo | None) -> str | None:
    """The stage that a finished run answers with; None: all of the system's `stages`.

    What was trained is the recipe's stages and those of the model `other` that it started from.
    """
    trained = [fit.stage for fit in recipe.fits]
    if other is not None and other.system == recipe.system:
        trained.append(other.predict.upto or stages[-1])
    last = max(stages.index(name) for name in trained if name in stages)
    return None if last == len(stages) - 1 else stages[last]


def _opening(session: Session, people: People, sources: Sequence[Source]) -> list[str]:
    recipe, where = session.recipe, session.where
    steps = sum(fit.planned_steps(len(session.people)) for fit in recipe.fits)
    threads = f", {torch.get_num_threads()} threads" if where.device.type == "cpu" else ""
    lines = [
        f"{recipe.name} on {len(session.people)} persons of {people.name}; {steps} steps in "
        f"{len(recipe.fits)} fits; {where.device}{threads}, "
        f"{'bf16' if session.bf16 else 'fp32'}, seed {recipe.seed}"
    ]
    if len(sources) > 1:
        lines.append(_shares(people, sources, recipe))
    if lacking := _unlabelled(session.people):
        lines.append(f"nobody has a label of {', '.join(lacking)}: these joints will not be learnt")
    if recipe.precision == "bf16" and not session.bf16:
        lines.append(f"{where.device} is not faster in bfloat16, so it computes in fp32")
    if session.evaluate is None:
        plateau = any(fit.schedule.law == "plateau" for fit in recipe.fits)
        lost = " and the rate will not drop on a plateau" if plateau else ""
        lines.append(
            f"{people.name} has nobody to tune on, so nothing is scored on the way{lost}: --hold-out N "
            "takes N photographs"
        )
    return lines


def _unlabelled(people: People) -> list[str]:
    """The joints that nobody who is drawn has."""
    labelled = (people.state >= State.OCCLUDED).any(0)
    return [people.skeleton.joint_names[joint] for joint in np.flatnonzero(~labelled)]


def _shares(people: People, sources: Sequence[Source], recipe: Recipe) -> str:
    """What a union is made of, and the shares of its parts where these decide what is drawn."""
    weights = [s.train if s.weight is None else s.weight for s in sources]
    parts = [f"{source.name} {source.train} persons" for source in sources]
    if recipe.balance == "none":
        shares = [weight / max(sum(weights), 1e-9) for weight in weights]
        parts = [
            f"{part} ({share:.0%} of the draws)" for part, share in zip(parts, shares, strict=True)
        ]
    convention = people.convention or "no sides"
    return f"skeleton {people.skeleton.name}, {convention}: {', '.join(parts)}"


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

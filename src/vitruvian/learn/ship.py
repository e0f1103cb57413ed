"""From a run to a model folder to hand on: graphs, parity, how it looks, scores, card."""

from __future__ import annotations

import copy
import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from vitruvian.data.detections import Detections
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.export import check_parity, parity, point_to_weights, to_onnx
from vitruvian.learn.card import card
from vitruvian.learn.choose import choose
from vitruvian.learn.folder import MODEL, read_run
from vitruvian.learn.runner import load_net, net_runner
from vitruvian.learn.sources import open_training
from vitruvian.measure.result import Result
from vitruvian.models import (
    FLIP_GRAPH,
    GRAPH,
    ModelInfo,
    check_replaceable,
    read_model,
    write_model,
)
from vitruvian.types import Runner, UserError
from vitruvian.use.evaluate import evaluate
from vitruvian.use.predict import Model
from vitruvian.use.runners import onnx_runner
from vitruvian.use.scores import score_people
from vitruvian.use.where import where_learnt
from vitruvian.weights import Precision, restored, stored, weights_bytes

PARITY_CROPS = 128


@dataclass(frozen=True)
class Made:
    """What an export measured."""

    info: ModelInfo
    before: list[Result]  # the net in single precision
    after: list[Result]  # the graph of the folder


def ship(
    run: Path,
    out: Path,
    data: str | None,
    *,
    precision: Precision = "half",
    scored: bool = True,
    workers: int = 2,
) -> Made:
    """Writes a model folder from a run and says what was measured.

    Args:
        precision: in which the folder keeps weights.
        scored: False: of graphs that are taken out of the folder; how it looks is not chosen either.

    Raises:
        UserError: no run, no data, another skeleton, or the graph does not answer as the net does.
    """
    console = Console(stderr=True)
    about = read_run(run)[1]
    info = read_model(run / MODEL)
    system, net = load_net(run / MODEL, info)
    people = data_of(data, about, info)
    check_replaceable(out)
    subset = next((name for name in ("val", "test") if name in people.subsets), "all")
    console.print(f"tracing {info.name}", highlight=False, soft_wrap=True)
    weights: dict[str, np.ndarray] = {}
    for name, value in net.state_dict().items():
        weights |= stored(name, np.ascontiguousarray(value.cpu().numpy()), precision)
    file = weights_bytes(weights)
    graphs = {
        name: point_to_weights(
            to_onnx(system, net, flip=flip, upto=info.predict.upto, precision=precision), file
        )
        for name, flip in ((GRAPH, False), (FLIP_GRAPH, True))
    }
    runners = [
        net_runner(system, one, torch.device("cpu"), info.predict.upto)
        for one in (net, _with_weights(net, weights))
    ]
    with tempfile.TemporaryDirectory() as beside:
        trial = Path(beside) / "model"
        write_model(trial, info, weights, graphs, "")
        runner = onnx_runner(trial)
        distances = parity(runners[1], runner, crops_of(people.subset(subset), info.crop))
        check_parity(distances, out)
        words = (
            "graph against net: joints {median_px} px apart (median), {p99_px} (99 %), {largest_px} at "
            "most; scores {largest_score} at most; {joints} joints"
        )
        console.print(words.format(**distances), highlight=False, soft_wrap=True)
        info = info.model_copy(update={"parity": {**distances, "crops": f"{people.name} {subset}"}})
        before: list[Result] = []
        after: list[Result] = []
        if scored:
            chosen = choose(runner, info, people, workers)
            info = info.model_copy(update={"predict": chosen})
            before, after = _scores(runners[0], Model(info, runner, trial), people, subset, workers)
    of = {"data": people.name, "subset": subset, "provenance": people.provenance}
    history = _history(run)
    scores = tuple(of | result.to_dict() for result in after)
    info = info.model_copy(update={"scores": scores, "hours": _hours(info, history, about)})
    text = card(info, before, after, history, about, f"{people.name} {subset}")
    write_model(out, info, weights, graphs, text)
    for result in after:
        console.print(result.table())
    return Made(info, before, after)


def _with_weights(net: nn.Module, weights: dict[str, np.ndarray]) -> nn.Module:
    """A copy of a net with the weights as the folder stores them, which `before` and `after` tell apart."""
    tensors = {name: torch.from_numpy(value) for name, value in restored(weights).items()}
    copied = copy.deepcopy(net)
    copied.load_state_dict(tensors)
    return copied


def data_of(data: str | None, about: dict[str, Any], info: ModelInfo) -> People:
    """The data set that is named, or else that of the run which `run.json` tells about, with its boxes.

    Raises:
        UserError: it cannot be opened.
    """
    source = data or about.get("source") or []
    if arguments := [source] if isinstance(source, str) else list(source):
        convention = about.get("convention") or None
        boxes = None if data else about.get("boxes")
        looked = Detections(boxes and Path(boxes), info.start)
        if looked.file is not None and not looked.file.exists():
            raise UserError(
                f"{looked.file}, in whose boxes the run learnt, is not there: put it back, or give --data "
                "to score in the data set's own"
            )
        try:
            return open_training(
                arguments,
                info.skeleton.name,
                convention,
                detections=looked,
                full=about.get("full", False),
            )[0]
        except UserError as error:
            raise UserError(f"{error}; say where it is now with --data") from None
    return figures(skeleton=info.skeleton)


def crops_of(people: People, crop: tuple[int, int], most: int = PARITY_CROPS) -> np.ndarray:
    """The first persons that can be cut out: (N, H, W, 3).

    Raises:
        UserError: there is none.
    """
    chosen = people.rows(np.flatnonzero(np.isfinite(people.box).all(1))[:most])
    images = [batch.image for batch in plain_crops(chosen, chosen.box, *crop, 32, Skipped())]
    if not images:
        raise UserError(f"data set {people.name!r} has nobody to show the graph")
    return np.concatenate(images)


def _scores(
    reference: Runner, model: Model, people: People, subset: str, workers: int
) -> tuple[list[Result], list[Result]]:
    """The net in single precision where it first looks; the graph in every way."""
    if people.skeleton.reference is None:
        return [], []
    info = model.info
    own = where_learnt(people.subset(subset), info)
    before = evaluate(reference, own, info.crop, workers=workers)
    return [before], score_people(model, people, subset, workers=workers)


def _history(run: Path) -> list[dict[str, str]]:
    try:
        with (run / "log.csv").open(newline="") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


def _hours(info: ModelInfo, history: list[dict[str, str]], about: dict[str, Any]) -> float | None:
    """Of the run and of what it began with; None: that of one of them is not known."""
    alone = not about.get("from") and info.recipe.get("init", "none") == "none"
    before = about.get("hours_before", 0.0 if alone else None)
    if before is None or not history:
        return None
    return round(before + float(history[-1]["seconds"]) / 3600, 3)

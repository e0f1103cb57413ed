"""From a run to a model folder to hand on: graphs, parity, the choice of passes, scores, card."""

from __future__ import annotations

import csv
import platform
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from vitruvian.data import open_data
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.export import check_parity, halved, parity, point_to_weights, to_onnx
from vitruvian.learn.card import card
from vitruvian.learn.run import MODEL, read_run
from vitruvian.learn.runner import load_net, net_runner
from vitruvian.measure.protocols import Result
from vitruvian.models import (
    FLIP_GRAPH,
    GRAPH,
    MOST_PASSES,
    ModelInfo,
    read_model,
    weights_bytes,
    write_model,
)
from vitruvian.systems.contract import System
from vitruvian.types import UserError
from vitruvian.use.evaluate import evaluate
from vitruvian.use.predict import Model, load
from vitruvian.use.scores import score_people

PARITY_CROPS = 128


@dataclass(frozen=True)
class Made:
    """What an export measured."""

    info: ModelInfo
    before: list[Result]  # the net in single precision
    after: list[Result]  # the graph of the folder


def ship(run: Path, out: Path, data: str | None, *, half: bool = True, workers: int = 2) -> Made:
    """Writes a model folder from a run and says what was measured.

    Raises:
        UserError: no run, no data, or the graph does not answer as the net does.
    """
    console = Console(stderr=True)
    about = read_run(run)[1]
    info = read_model(run / MODEL)
    system, net = load_net(run / MODEL, info)
    people = _data(data, about, info)
    console.print(f"tracing {info.name}", highlight=False, soft_wrap=True)
    weights = {k: np.ascontiguousarray(v.cpu().numpy()) for k, v in net.state_dict().items()}
    if half:
        weights = {name: halved(value) for name, value in weights.items()}
    graphs = _graphs(system, net, weights, half, info.predict.upto)
    reference = net_runner(system, net, torch.device("cpu"), info.predict.upto)
    with tempfile.TemporaryDirectory() as beside:
        trial = write_model(Path(beside) / "model", info, weights, graphs, "")
        model = load(str(Path(beside) / "model"))
        figures_ = parity(reference, model.runner, _real_crops(people, info))
        check_parity(figures_, out)
        console.print(f"graph against net: {figures_}", highlight=False, soft_wrap=True)
        passes = _best_passes(model, people, workers)
        kind = "real" if people.name != "figures" else "rendered"
        info = trial.model_copy(
            update={
                "parity": {**figures_, "crops": f"{kind} crops of {people.name}"},
                "predict": info.predict.model_copy(update={"passes": passes}),
            }
        )
        model = Model(info, model.runner, model.folder)
        before, after = _scores(Model(info, reference, model.folder), model, people, workers)
    subset = _subset(people)
    info = info.model_copy(
        update={
            "scores": tuple(
                {"data": f"{people.name} {subset}", "provenance": people.provenance, **r.to_dict()}
                for r in after
            )
        }
    )
    made = Made(info, before, after)
    text = card(
        made.info, before, after, _history(run), about, f"{people.name} {subset}", _hardware()
    )
    write_model(out, info, weights, graphs, text)
    for result in after:
        console.print(result.table())
    console.print(f"written: {out} ({_megabytes(out):.1f} MB)", highlight=False, soft_wrap=True)
    return made


def _graphs(
    system: System,
    net: nn.Module,
    weights: dict[str, np.ndarray],
    half: bool,
    upto: str | None,
) -> dict[str, bytes]:
    flipped = to_onnx(system, net, flip=True, upto=upto, half=half)
    return {
        GRAPH: to_onnx(system, net, upto=upto, half=half),
        FLIP_GRAPH: point_to_weights(flipped, weights_bytes(weights)),
    }


def _data(data: str | None, about: dict[str, Any], info: ModelInfo) -> People:
    source = data or about.get("source")
    if source:
        try:
            return open_data(source)
        except UserError as error:
            raise UserError(f"{error}; say where it is now with --data") from None
    return figures(skeleton=info.skeleton)


def _subset(people: People) -> str:
    return next((name for name in ("val", "test") if name in people.subsets), "all")


def _real_crops(people: People, info: ModelInfo) -> np.ndarray:
    chosen = people.subset(_subset(people))
    chosen = chosen.rows(np.flatnonzero(np.isfinite(chosen.box).all(1))[:PARITY_CROPS])
    crops = plain_crops(chosen, chosen.box, *info.crop, 32, Skipped())
    return np.concatenate([batch.image for batch in islice(crops, PARITY_CROPS // 32)])


def _best_passes(model: Model, people: People, workers: int) -> int:
    """How often to look, the whole image first: what scores best on `tune`."""
    if "tune" not in people.subsets or people.skeleton.reference is None or not people.whole:
        return model.info.predict.passes
    tune = people.subset("tune")

    def total(passes: int) -> float:
        return evaluate(
            model.runner,
            tune,
            model.info.crop,
            look="found",
            passes=passes,
            threshold=model.info.predict.box_threshold,
            workers=workers,
        ).total.value

    return max(range(1, MOST_PASSES + 1), key=total)


def _scores(
    net: Model, graph: Model, people: People, workers: int
) -> tuple[list[Result], list[Result]]:
    if people.skeleton.reference is None:
        return [], []
    subset = _subset(people)
    return (
        score_people(net, people, subset, workers=workers)[:1],
        score_people(graph, people, subset, workers=workers),
    )


def _history(run: Path) -> list[dict[str, str]]:
    try:
        with (run / "log.csv").open(newline="") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


def _hardware() -> str:
    cores = torch.get_num_threads()
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{cores} CPU threads"
    return f"{name}, {platform.machine()}, torch {torch.__version__}"


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6

"""A model folder -> the same model with graphs in 8 bits, and what that costs."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import safetensors.numpy
from rich.console import Console

from vitruvian.data.people import People
from vitruvian.export import parity
from vitruvian.learn.int8 import to_int8
from vitruvian.learn.ship import crops_of
from vitruvian.measure.intervals import Difference, Estimate, differences, estimates
from vitruvian.measure.result import interval, percent
from vitruvian.measure.scoring import tally_of
from vitruvian.models import (
    CARD,
    FLIP_GRAPH,
    GRAPH,
    WEIGHTS,
    ModelInfo,
    check_replaceable,
    read_model,
    write_model,
)
from vitruvian.types import Runner, UserError
from vitruvian.use.evaluate import SEED, find, protocol_of_model, truth_of
from vitruvian.use.predict import Model
from vitruvian.use.runners import onnx_runner
from vitruvian.use.scores import score_people, subset_name

CALIBRATION_CROPS = 256
_TIMED_CROPS, _ROUNDS = 16, 7


@dataclass(frozen=True)
class Cost:
    """What 8 bits cost on persons that neither training nor calibration has seen."""

    calibrated: str  # data set, subset and number of crops that the ranges of values are from
    data: str
    subset: str
    protocol: str
    before: Estimate  # the total of the graph in single precision
    after: Estimate
    difference: Difference  # paired over photographs; negative is a loss
    median_px: float  # of the crop, between the two graphs
    p99_px: float
    speed: tuple[float, float, float]  # images/s over those of the other graph: median, least, most
    bytes: tuple[int, int]  # of the plain graph with its weights, before and after

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        own = {name: getattr(self, name).to_dict() for name in ("before", "after", "difference")}
        return asdict(self) | own | {"speed": list(self.speed), "bytes": list(self.bytes)}

    def lines(self) -> list[str]:
        """In words."""
        change = 100 * self.difference.value
        low, high = 100 * self.difference.low, 100 * self.difference.high
        ratio, least, most = self.speed
        return [
            f"total on {self.data} {self.subset} ({self.protocol}, n {self.before.n} joints): "
            f"{percent(self.before.value)} % ({interval(self.before)}) in single precision, "
            f"{percent(self.after.value)} % ({interval(self.after)}) in 8 bits",
            f"paired difference {change:+.2f} percentage points, 95 % interval {low:+.2f} to {high:+.2f}",
            f"joints move by {self.median_px:.2f} px of the crop (median), {self.p99_px:.1f} px (99th "
            "percentile)",
            f"speed {ratio:.2f} times ({least:.2f} to {most:.2f} in {_ROUNDS} rounds, batch "
            f"{_TIMED_CROPS}, one thread, this machine); "
            f"{self.bytes[0] / 1e6:.1f} MB became {self.bytes[1] / 1e6:.1f} MB",
            f"calibrated on {self.calibrated}",
        ]


def check_source(folder: Path) -> None:
    """Raises UserError where a model folder has nothing to put into 8 bits."""
    info = read_model(folder)
    if not {GRAPH, FLIP_GRAPH} <= set(info.files):
        raise UserError(f"{folder} has no graphs: give a run, or export its run again")
    if info.int8 is not None:
        raise UserError(f"{folder} is in 8 bits already: give the model that it was made of")


def ship_int8(source: Path, out: Path, people: People, workers: int = 2) -> Cost:
    """Writes a model folder whose graphs are in 8 bits; its weights stay as they were.

    Ranges of values are read from persons of `train`, the cost is measured on `tune`, or, where a data set
    has none, on the subset of its published figures.

    Args:
        source: see `check_source`.

    Raises:
        UserError: nobody is there to calibrate on, no length measures errors, or `out` is something else.
    """
    console = Console(stderr=True)
    info = read_model(source)
    check_replaceable(out)
    shown, crops = _calibration(people, info)
    console.print(f"calibrating on {shown}", highlight=False, soft_wrap=True)
    graphs = {name: to_int8(source / name, crops) for name in (GRAPH, FLIP_GRAPH)}
    weights = safetensors.numpy.load_file(source / WEIGHTS)  # in the precision that they have there
    card, scored = (source / CARD).read_text(encoding="utf-8"), _scored_subset(people)
    with tempfile.TemporaryDirectory() as beside:
        trial = Path(beside) / "model"
        write_model(trial, info, weights, graphs, card)
        cost, distances = _cost(source, trial, info, people, shown, workers)
        model = Model(info, onnx_runner(trial), trial)
        results = score_people(model, people, scored, workers=workers)
    for line in cost.lines():
        console.print(line, highlight=False, soft_wrap=True)
    of = {"data": people.name, "subset": scored, "provenance": people.provenance}
    made = {
        "parity": {**distances, "crops": f"{cost.data} {cost.subset}", "against": "float32"},
        "int8": cost.to_dict(),
        "scores": tuple(of | result.to_dict() for result in results),
    }
    totals = [
        f"{r.protocol.name} {percent(r.total.value)} % ({interval(r.total)})" for r in results
    ]
    text = _card(card, cost, f"{people.name} {scored}", totals)
    write_model(out, info.model_copy(update=made), weights, graphs, text)
    return cost


def _calibration(people: People, info: ModelInfo) -> tuple[str, np.ndarray]:
    """Crops (N, H, W, 3) from all over `train`, and in words where they are from."""
    name = "train" if "train" in people.subsets else "all"
    chosen = people.subset(name)
    rows = np.unique(
        np.linspace(0, len(chosen) - 1, min(CALIBRATION_CROPS, len(chosen))).astype(int)
    )
    crops = crops_of(chosen.rows(rows), info.crop, CALIBRATION_CROPS)
    return f"{len(crops)} crops of {people.name} {name}", crops


def _scored_subset(people: People) -> str:
    return next((name for name in ("val", "test") if name in people.subsets), "all")


def _cost(
    source: Path, out: Path, info: ModelInfo, people: People, shown: str, workers: int
) -> tuple[Cost, dict[str, float | int]]:
    subset = "tune" if len(people.subsets.get("tune", ())) else subset_name(people, None)
    held = people.subset(subset)
    runners = onnx_runner(source, 1), onnx_runner(out, 1)
    protocol = protocol_of_model(held, info.skeleton, "labelled", False, 1, None, info.convention)
    truth, tallies = truth_of(held), []
    for runner in runners:
        found = find(
            runner, held, info.crop, skeleton=info.skeleton, convention=info.convention,
            workers=workers,
        )  # fmt: skip
        tallies.append(tally_of(protocol, truth, found.xy)[0])
    before, after = (estimates(tally, np.random.default_rng(SEED))["total"] for tally in tallies)
    crops = crops_of(held, info.crop)
    distances = parity(*runners, crops)
    cost = Cost(
        calibrated=shown,
        data=people.name,
        subset=subset,
        protocol=protocol.name,
        before=before,
        after=after,
        difference=differences(tallies[0], tallies[1], np.random.default_rng(SEED))["total"],
        median_px=float(distances["median_px"]),
        p99_px=float(distances["p99_px"]),
        speed=_speed(*runners, crops[:_TIMED_CROPS]),
        bytes=(onnx.load(source / GRAPH).ByteSize(), onnx.load(out / GRAPH).ByteSize()),
    )
    return cost, distances


def _speed(before: Runner, after: Runner, crops: np.ndarray) -> tuple[float, float, float]:
    """How many times faster the second is, the two in turn: median, least and most of the rounds."""
    ratios = []
    for _ in range(_ROUNDS + 1):
        seconds = []
        for runner in (before, after):
            began = time.perf_counter()
            runner(crops, False)
            seconds.append(time.perf_counter() - began)
        ratios.append(seconds[0] / seconds[1])
    ratios = ratios[1:]  # the first one warms up
    return float(np.median(ratios)), min(ratios), max(ratios)


def _card(card: str, cost: Cost, scored_on: str, totals: list[str]) -> str:
    """The card of the model in single precision, and what is different here."""
    card = card.replace("| this folder's graph |", "| the graph in single precision |")
    card = card.replace(
        "; its weights are those of `model.safetensors` beside it", ", whole by itself too"
    )
    lines = "\n".join(f"- {line}" for line in cost.lines())
    here = "\n".join(f"- {total}" for total in totals)
    return (
        f"{card.rstrip()}\n\n## In 8 bits\n\nThe graphs of this folder are in 8 bits; "
        "`model.safetensors` is as it was, and is what every device but the CPU takes. What it costs, "
        f"measured by `vitruvian export MODEL --int8`:\n\n{lines}\n\nThis folder's graph on "
        f"{scored_on}:\n\n{here}\n"
    )

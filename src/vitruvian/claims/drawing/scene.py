"""What every drawn figure has in common: the same persons, the models, and what those answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vitruvian.data import open_data
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.measure import metrics
from vitruvian.measure.protocols import Protocol
from vitruvian.measure.result import Result, interval, percent
from vitruvian.measure.scoring import score
from vitruvian.models import ModelInfo, bundled, find_model, read_model
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import SEED, find, protocol_of_model, truth_of
from vitruvian.use.heatmap_people import see_people
from vitruvian.use.heatmaps import Seen, Truth, open_maps
from vitruvian.use.listing import score_of
from vitruvian.use.occluders import Occluders, occlude, occluded
from vitruvian.use.predict import load
from vitruvian.use.scores import subset_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COVERS = Occluders(4)  # where a paper's figure shows hidden parts


@dataclass(frozen=True)
class Ask:
    """What `vitruvian claims figures` is told."""

    out: Path
    data: str | None = None  # None: rendered figures
    subset: str | None = None
    models: tuple[str, ...] = ()
    bundled: bool = True  # the models of the package, after those that are given
    persons: int = 300
    examples: int = 5
    seed: int = 0
    only: tuple[str, ...] = ()  # names of figures; none: all
    raw: Path | None = None  # folder of raw files; None: the package's
    tune: Path | None = None
    device: str = "auto"
    workers: int = 1


@dataclass(frozen=True)
class Entry:
    """A model that figures are drawn of."""

    label: str
    name: str  # what `load` is told
    info: ModelInfo


@dataclass(frozen=True)
class Made:
    """A drawn figure."""

    picture: np.ndarray | Figure | Callable[[Path], object]  # RGB uint8 (H, W, 3), curves, a writer
    seen: str  # one line of what was measured
    table: tuple[tuple[str, ...], ...] = ()  # its figures where they are many, the head first
    without: str = ""  # what of the paper's figure is not in it, and why; "": it is whole


@dataclass(frozen=True)
class PaperFigure:
    """A figure of a paper that can be drawn of other models."""

    name: str  # of its file
    paper: str
    number: str
    shows: str  # what it shows in the paper
    draw: Callable[[Scene], Made]  # raises UserError where something is needed that is not there

    @property
    def title(self) -> str:
        return f"{self.paper}, Figure{'s' if ' ' in self.number else ''} {self.number}"


class Scene:
    """Persons and models; what a model answers and how it scores is computed once.

    Args:
        people: those that every figure is of.
        labels: all persons of the subset, for figures that need no answers.
        entries: in the order in which a figure looks for its model.
    """

    def __init__(
        self, ask: Ask, people: People, labels: People, subset: str, entries: Sequence[Entry]
    ) -> None:
        self.ask, self.people, self.labels, self.subset = ask, people, labels, subset
        self.entries = tuple(entries)
        located = (people.state >= State.OCCLUDED).sum(1)
        self.examples = np.argsort(-located, kind="stable")[: ask.examples]
        self._covered: People | None = None
        self._poses: dict[tuple[str, str | None, bool], np.ndarray] = {}
        self._results: dict[tuple[str, str | None, bool], Result] = {}

    @property
    def words(self) -> str:
        """On whom, for captions."""
        return (
            f"{len(self.people)} persons of {self.people.name} {self.subset}, seed {self.ask.seed}"
        )

    def first(
        self, system: str, fits: Callable[[ModelInfo], bool] = lambda info: True, which: str = ""
    ) -> Entry:
        """The first model of a system that fits.

        Args:
            which: what fits, in words.

        Raises:
            UserError: there is none.
        """
        of = self.of(system)
        if found := next((entry for entry in of if fits(entry.info)), None):
            return found
        there = f"only {of[0].label} is there" if of else "none is bundled"
        if not of and not self.ask.bundled:
            there = "none is given"
        raise UserError(
            f"needs a model of {system}{f' {which}' if which else ''}: {there}; give --models RUN"
        )

    def of(self, system: str) -> tuple[Entry, ...]:
        """All models of a system."""
        return tuple(entry for entry in self.entries if entry.info.system == system)

    def crowd(self, covered: bool = False) -> People:
        """The persons; covered: with shapes pasted on them."""
        if covered and self._covered is None:
            self._covered = occlude(self.people, COVERS)
        return self._covered if covered and self._covered is not None else self.people

    def poses(self, entry: Entry, stage: str | None = None, covered: bool = False) -> np.ndarray:
        """Answers (N, J, 2) xy_image in the joints of the data set, in boxes of the labelled joints.

        Raises:
            UserError: a stage, or a model without a graph, needs torch, and that is not installed.
        """
        key = entry.name, stage, covered
        if key not in self._poses:
            model = load(f"{entry.name}@{stage}" if stage else entry.name, self.ask.device)
            self._poses[key] = find(
                model.runner,
                self.crowd(covered),
                model.info.crop,
                skeleton=model.info.skeleton,
                convention=model.info.convention,
                workers=self.ask.workers,
            ).xy
        return self._poses[key]

    def protocol(self, entry: Entry, covered: bool = False) -> Protocol:
        """How answers are scored: as the data set's published figures."""
        info = entry.info
        asked = protocol_of_model(self.people, info.skeleton, convention=info.convention)
        return occluded(asked, COVERS if covered else None)

    def result(self, entry: Entry, stage: str | None = None, covered: bool = False) -> Result:
        """The score of a model's answers, with intervals."""
        key = entry.name, stage, covered
        if key not in self._results:
            truth, rng = truth_of(self.crowd(covered)), np.random.default_rng(SEED)
            xy = self.poses(entry, stage, covered)
            self._results[key] = score(self.protocol(entry, covered), truth, xy, rng)
        return self._results[key]

    def curve(
        self, entry: Entry, joint: str, thresholds: Sequence[float], stage: str | None = None
    ) -> np.ndarray:
        """Detected joints in percent at each threshold (T,), the mean of left and right."""
        truth = truth_of(self.people)
        reference = truth.reference(self.protocol(entry).reference)
        errors = metrics.normalized_errors(self.poses(entry, stage), truth.xy, reference)
        columns = self.people.skeleton.index(f"left_{joint}", f"right_{joint}")
        return 100 * metrics.pdj(errors, truth.located, thresholds)[:, columns].mean(1)

    def see(
        self, entry: Entry, rows: np.ndarray | None = None, covered: bool = False
    ) -> Iterator[tuple[int, Seen, Truth]]:
        """A model's heatmaps of some rows of the persons, with the labels in the model's joints.

        Raises:
            UserError: torch is not installed, the model has no heatmaps, or its left is not the labels'.
        """
        model = load(entry.name, self.ask.device)
        run = open_maps(model, self.ask.device)
        rows = np.arange(len(self.people)) if rows is None else rows
        for place, seen, truth in see_people(model, run, self.crowd(covered).rows(rows)):
            if truth is None:
                raise UserError(f"{entry.label} and {self.people.name} mean another left")
            yield int(rows[place]), seen, truth


def open_scene(ask: Ask) -> Scene:
    """Opens data and models and chooses the persons, of those with a box and a reference length.

    Raises:
        UserError: there is no such data set, subset or model, or nobody can be scored.
    """
    whole = figures() if ask.data is None else open_data(ask.data)
    subset = subset_name(whole, ask.subset)
    labels = whole.subset(subset)
    people = labels.rows(chosen_rows(labels, ask.persons, ask.seed))
    return Scene(ask, people, replace(labels, name=f"{whole.name} {subset}"), subset, entries(ask))


def chosen_rows(people: People, count: int, seed: int) -> np.ndarray:
    """Rows of at most `count` persons with a box and a reference length, drawn with a seed.

    More persons are the same ones and more.

    Raises:
        UserError: there is nobody.
    """
    protocol = protocol_of_model(people, people.skeleton)
    reference = truth_of(people).reference(protocol.reference)
    there = np.isfinite(people.box).all(1) & np.isfinite(reference) & (reference > 0)
    rows = np.flatnonzero(there)
    if not len(rows):
        raise UserError(f"data set {people.name!r}: nobody in this subset can be scored")
    return np.random.default_rng(seed).permutation(rows)[:count]


def entries(ask: Ask) -> list[Entry]:
    """The models that are given, then those of the package, the best one first; each folder once."""
    found: dict[Path, Entry] = {}
    for name in ask.models:
        folder = find_model(name)
        info = read_model(folder)
        run = folder.parent if folder.name == "model" else folder
        label = info.name if name == info.name else f"{info.name} ({run.name})"
        found[folder.resolve()] = Entry(label, str(folder), info)
    own = [(read_model(folder), folder) for folder in (bundled() if ask.bundled else {}).values()]
    own.sort(key=lambda one: (score_of(one[0]) or {}).get("value", 0), reverse=True)
    for info, folder in own:
        found.setdefault(folder.resolve(), Entry(info.name, str(folder), info))
    return list(found.values())


def protocol_words(protocol: Protocol) -> str:
    """A protocol in a caption's length; the index has it whole."""
    covered = "" if protocol.occluders == "none" else f"; shapes: {protocol.occluders}"
    return (
        f"Protocol: {protocol.name} version {protocol.version} (PCK@{protocol.threshold:g} of the "
        f"{protocol.reference}), box: {protocol.box}, no flip test{covered}"
    )


def total_words(result: Result) -> str:
    """A total with its interval."""
    return f"{percent(result.total.value)} % ({interval(result.total)})"

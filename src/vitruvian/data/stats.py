"""What the labels of a data set are like: which there are, how large and how upright its persons are, and
how compactly their joints lie around each other before and after normalization (Sun et al., ICCV 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.data.people import People
from vitruvian.measure.angles import TRUNK, lacking, torso_angle
from vitruvian.measure.metrics import reference_length
from vitruvian.measure.spread import (
    HEAD,
    LEAST_PX,
    LEAST_SHARE,
    LIMBS,
    Relative,
    Spread,
    diagonal_unit,
    spread,
    torso_unit,
)
from vitruvian.types import State

EDGES = tuple(range(-180, 181, 30))  # of the histogram of torso angles, degrees
QUANTILES = (("min", 0.0), ("5 %", 0.05), ("25 %", 0.25), ("median", 0.5),
             ("75 %", 0.75), ("95 %", 0.95), ("max", 1.0))  # fmt: skip
UNITS: dict[str, tuple[str, Callable[..., np.ndarray]]] = {
    "torso": (
        f"|left_shoulder - right_hip|, persons in whom it is above {LEAST_PX:g} px",
        torso_unit,
    ),
    "diagonals": (
        "mean of the torso's two diagonals, persons with |left_shoulder - right_hip| above "
        f"{LEAST_SHARE:g} of its median",
        diagonal_unit,
    ),
}  # of `measure.spread`: what lengths are measured in and who is counted, and the function
_STAGES = ("raw", "body", "limb")


@dataclass(frozen=True)
class Sizes:
    """A length over persons."""

    n: int  # persons in whom it is known
    quantiles: dict[str, float]  # px by the names of `QUANTILES`; NaN where nobody is known


@dataclass(frozen=True)
class Angles:
    """How upright torsos are; see `measure.angles`."""

    n: int  # persons whose shoulders, hips and neck are located
    counts: tuple[int, ...]  # persons between `EDGES`
    shares: dict[str, float]  # of the n; |angle| "below 30", "above 45", "above 90" degrees
    lacking: tuple[str, ...]  # joints that the skeleton needs for it and does not have
    neck: bool  # False: the skeleton has none, and the middle of the shoulders stands for it


@dataclass(frozen=True)
class Compactness:
    """How far a relative position spreads; see `measure.spread`."""

    position: str  # such as "left_wrist - left_shoulder"
    unit: str  # what lengths are measured in, and who is counted
    lacking: tuple[str, ...]  # joints that the skeleton needs for it and does not have
    spread: Spread | None  # None when it lacks one


@dataclass(frozen=True)
class Stats:
    """What `stats` found."""

    name: str
    provenance: str
    convention: str  # "PC", "OC" or "", as in `People`
    persons: int
    photographs: int
    states: dict[str, dict[str, int]]  # persons by joint and by the name of its state
    complete: float  # share of persons of whom every joint that the data set defines is located
    fewest: int  # located joints of the person who has fewest
    sizes: dict[str, Sizes]  # by what is measured
    angles: Angles
    compactness: tuple[Compactness, ...]

    def lines(self) -> list[str]:
        """The figures as text, a line each."""
        sides = {
            "PC": "left is the person's (PC)",
            "OC": "sides as of people who face the observer (OC)",
        }
        return [
            f"{self.name}: {self.persons} persons in {self.photographs} photographs; "
            f"{sides.get(self.convention, 'joints without sides')}; {self.provenance}",
            *self._label_lines(),
            *self._size_lines(),
            *self._angle_lines(),
            *self._compactness_lines(),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values for a JSON file; None where a figure is not known."""
        return {
            "name": self.name,
            "provenance": self.provenance,
            "convention": self.convention,
            "persons": self.persons,
            "photographs": self.photographs,
            "labels": self.states,
            "all_labelled": _plain(self.complete),
            "fewest_labelled": self.fewest,
            "sizes_px": {
                name: {"n": size.n, **_plain(size.quantiles)} for name, size in self.sizes.items()
            },
            "torso_angle": {
                "n": self.angles.n,
                "edges": list(EDGES),
                "counts": list(self.angles.counts),
                "shares": _plain(self.angles.shares),
                "lacking": list(self.angles.lacking),
                "neck": "labelled" if self.angles.neck else "middle of the shoulders",
            },
            "spread": [_compactness_dict(row) for row in self.compactness],
        }

    def _label_lines(self) -> list[str]:
        width = max(len(name) for name in self.states)
        heads = [f"{state.name.lower():>9}" for state in reversed(State)]
        lines = [" ".join([f"{'labels, %':{width}}", *heads])]
        for joint, counts in self.states.items():
            cells = (percent(counts[state.name.lower()], self.persons) for state in reversed(State))
            lines.append(" ".join([f"{joint:{width}}", *(f"{cell:>9}" for cell in cells)]))
        share = percent(self.complete)
        return [*lines, f"all joints labelled: {share} % of persons; fewest: {self.fewest} joints"]

    def _size_lines(self) -> list[str]:
        width = max(len(name) for name in [*self.sizes, "sizes, px"])
        names = [f"{name:>7}" for name in ("n", *(name for name, _ in QUANTILES))]
        lines = [" ".join([f"{'sizes, px':{width}}", *names])]
        for name, size in self.sizes.items():
            cells = [f"{value:7.1f}" for value in size.quantiles.values()] if size.n else []
            lines.append(" ".join([f"{name:{width}}", f"{size.n:7}", *cells]))
        return lines

    def _angle_lines(self) -> list[str]:
        if self.angles.lacking:
            return [f"torso angle: the skeleton has no {', '.join(self.angles.lacking)}"]
        n, neck = self.angles.n, "" if self.angles.neck else ", neck: middle of the shoulders"
        lines = [f"torso angle from upright, degrees: {n} persons{neck}"]
        for left, right, count in zip(EDGES[:-1], EDGES[1:], self.angles.counts, strict=True):
            lines.append(f"{left:>6} to {right:>4} {count:>8} {percent(count, n):>6} %")
        shares = (f"{name} {percent(share)} %" for name, share in self.angles.shares.items())
        return [*lines, f"|angle| {', '.join(shares)}"]

    def _compactness_lines(self) -> list[str]:
        lines = []
        width = max(len(row.position) for row in self.compactness)
        for unit in dict.fromkeys(row.unit for row in self.compactness):
            lines.append(f"spread, RMS distance from the mean; in {unit}")
            heads = ["     n", *(f"{stage:>6}" for stage in _STAGES), "circular variance"]
            lines.append(" ".join([" " * width, *heads]))
            rows = (row for row in self.compactness if row.unit == unit)
            lines += [f"{row.position:{width}} {_cells(row)}" for row in rows]
        return lines


def stats(people: People) -> Stats:
    """Looks at all labels of a data set, and at no photograph."""
    located = people.state >= State.OCCLUDED  # (N, J)
    defined = people.state != State.UNDEFINED
    states = {
        joint: {state.name.lower(): int((column == state).sum()) for state in State}
        for joint, column in zip(people.skeleton.joint_names, people.state.T, strict=True)
    }
    N = len(people)
    return Stats(
        name=people.name,
        provenance=people.provenance,
        convention=people.convention,
        persons=N,
        photographs=len(np.unique(people.images)),
        states=states,
        complete=float((located | ~defined).all(1).mean()) if N else math.nan,
        fewest=int(located.sum(1).min(initial=len(people.skeleton))) if N else 0,
        sizes=_sizes(people, located),
        angles=torso_angles(people),
        compactness=tuple(
            _compactness(people, relative, unit) for unit in UNITS for relative in (HEAD, *LIMBS)
        ),
    )


def _sizes(people: People, located: np.ndarray) -> dict[str, Sizes]:
    """The skeleton's reference lengths, those that the files give, and the extent of the joints."""
    lengths = {
        f"{name} ({a} to {b})": reference_length(
            people.joints, located, people.skeleton.length(name)
        )
        for name, (a, b) in people.skeleton.references.items()
    }
    lengths |= {f"{name} (from the files)": length for name, length in people.lengths.items()}
    where = located[..., None]
    low = np.where(where, people.joints, np.inf).min(1)
    high = np.where(where, people.joints, -np.inf).max(1)
    extent = (high - low).max(1)
    lengths["longer side of the located joints"] = np.where(located.sum(1) > 1, extent, np.nan)
    return {name: _quantiles(length) for name, length in lengths.items()}


def _quantiles(length: np.ndarray) -> Sizes:
    known = length[np.isfinite(length)].astype(np.float64)
    at = [share for _, share in QUANTILES]
    values = np.quantile(known, at) if len(known) else np.full(len(at), np.nan)
    names = (name for name, _ in QUANTILES)
    return Sizes(len(known), dict(zip(names, values.tolist(), strict=True)))


def torso_angles(people: People) -> Angles:
    """How upright the torsos of a data set are."""
    angle = torso_angle(people.joints, people.state >= State.OCCLUDED, people.skeleton)
    angle = angle[np.isfinite(angle)]
    lean = np.abs(angle)
    sets = {"below 30": lean < 30, "above 45": lean > 45, "above 90": lean > 90}
    return Angles(
        n=len(angle),
        counts=tuple(np.histogram(angle, EDGES)[0].tolist()),
        shares={name: float(rows.mean()) if len(rows) else math.nan for name, rows in sets.items()},
        lacking=lacking(people.skeleton, *TRUNK),
        neck="neck" in people.skeleton.joint_names,
    )


def _compactness(people: People, relative: Relative, unit: str) -> Compactness:
    words, length = UNITS[unit]
    if lacks := relative.lacks(people.skeleton):
        return Compactness(relative.name, words, lacks, None)
    labels = people.joints, people.state >= State.OCCLUDED, people.skeleton
    return Compactness(relative.name, words, (), spread(*labels, relative, length(*labels)))


def _cells(row: Compactness) -> str:
    if row.spread is None:
        return f"the skeleton has no {', '.join(row.lacking)}"
    rms = (
        f"{row.spread.rms[stage]:6.3f}" if stage in row.spread.rms else f"{'-':>6}"
        for stage in _STAGES
    )
    direction = (f"{value:.3f}" for value in row.spread.direction.values())
    return " ".join([f"{row.spread.n:6}", *rms, " -> ".join(direction)])


def _compactness_dict(row: Compactness) -> dict[str, Any]:
    found = row.spread
    return {
        "position": row.position,
        "unit": row.unit,
        "lacking": list(row.lacking),
        "n": found.n if found else 0,
        "rms": _plain(found.rms) if found else {},
        "circular_variance": _plain(found.direction) if found else {},
    }


def percent(part: float, whole: float = 1) -> str:
    """A share as text, in %; "-" where there is none."""
    return f"{100 * part / whole:.1f}" if whole and not math.isnan(part) else "-"


def _plain(value: Any) -> Any:
    """None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return None if math.isnan(value) else value

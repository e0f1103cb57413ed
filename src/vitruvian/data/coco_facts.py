"""What a `People` knows and COCO's format has no place for: under `KEY` in the file, both directions.

file        "vitruvian": {"format": 1, "name", "provenance", "convention": "PC" | "OC" | "", "scored",
            "subsets": [names], "id_shift": annotation id - key, "box": what boxes are, in words}
category    "vitruvian": the skeleton, see `coco_skeleton`
image       "split": the subset, where all its persons are in one and no other; a common extension
annotation  "vitruvian": {"undefined": [joints that the data set does not have], "subsets": [names, where
            `split` does not say it], "lengths": {name: px}, "boxes": {name: [x, y, width, height] with
            pixel centres at integers, x and y at the edge}, "weight", "margin": `bbox` so many times
            longer and wider is where the person is looked for, 1 if it is not there}; whatever of these
            there is
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from vitruvian.data.coco_skeleton import KEY
from vitruvian.data.people import People
from vitruvian.types import Convention, State, UserError

FORMAT = 1
MARGIN = 1.25  # of files that were written elsewhere
RENUMBERED = "image ids stand in several files: photographs are numbered from 1"
_DERIVED = ("object_scale", "labelled")  # a length and a box that COCO's own keys give


@dataclass(frozen=True)
class Facts:
    """Of a file; the defaults are those of a file that was written elsewhere."""

    name: str = "coco"
    provenance: str = ""
    convention: Convention | None = None
    scored: str = "all"
    subsets: tuple[str, ...] = ()
    id_shift: int = 0
    margin: float = MARGIN  # of persons that do not say theirs
    box: str = f"bbox x{MARGIN:g}"  # "": not said


def read_facts(values: dict[str, Any], path: Path) -> Facts:
    """The facts of a file.

    Raises:
        UserError: they are of a newer format or not as they were written.
    """
    if KEY not in values:
        return Facts(provenance=_licence(values))
    found = values[KEY]
    if isinstance(found, dict) and found.get("format", FORMAT) != FORMAT:
        raise UserError(f"{path} has {KEY} format {found['format']!r}, this version reads {FORMAT}")
    try:
        facts = Facts(
            name=_text(found["name"]),
            provenance=_text(found["provenance"]),
            convention=found["convention"],
            scored=_text(found["scored"]),
            subsets=tuple(_text(name) for name in found["subsets"]),
            id_shift=operator.index(found["id_shift"]),
            margin=1.0,
            box=_text(found.get("box", "")),
        )
    except (KeyError, TypeError):
        facts = Facts()
    if facts.convention not in get_args(Convention):
        raise UserError(f"{path}: the key {KEY!r} is not as it was written: remove it")
    return facts


@dataclass(frozen=True)
class RowFacts:
    """Of the persons of a data set."""

    undefined: np.ndarray  # (N, J) bool
    subsets: list[list[str] | None]  # N; None: not said here
    lengths: dict[str, np.ndarray]  # as in `People`
    boxes: dict[str, np.ndarray]
    weight: np.ndarray | None
    margin: np.ndarray  # (N,), NaN where it is not said here


def read_row_facts(
    persons: list[dict[str, Any]], joint_names: Sequence[str], path: Path
) -> RowFacts:
    """The facts of N annotations.

    Raises:
        UserError: they are not as they were written; the message names the annotation.
    """
    index = {name: joint for joint, name in enumerate(joint_names)}
    undefined = np.zeros((len(persons), len(index)), bool)
    subsets: list[list[str] | None] = [None] * len(persons)
    lengths: dict[str, np.ndarray] = {}
    boxes: dict[str, np.ndarray] = {}
    weight, margin = np.ones(len(persons)), np.full(len(persons), np.nan)
    weighed = False
    for row, person in enumerate(persons):
        if KEY not in person:
            continue
        try:
            facts = person[KEY]
            undefined[row, [index[name] for name in facts.get("undefined", ())]] = True
            if "subsets" in facts:
                subsets[row] = [_text(name) for name in facts["subsets"]]
            for name, px in facts.get("lengths", {}).items():
                lengths.setdefault(name, np.full(len(persons), np.nan))[row] = _number(px)
            for name, box in facts.get("boxes", {}).items():
                given = [_number(edge) for edge in box]
                boxes.setdefault(name, np.full((len(persons), 4), np.nan, np.float32))[row] = given
            weighed = weighed or "weight" in facts
            weight[row] = _number(facts.get("weight", 1.0))
            if "margin" in facts:
                margin[row] = _number(facts["margin"])
                if margin[row] <= 0:
                    raise ValueError(f"margin {margin[row]:g} is not above 0")
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}, annotation {person.get('id')}: key {KEY!r} is not as it was written "
                f"({type(error).__name__}: {error}): remove it"
            ) from None
    return RowFacts(undefined, subsets, lengths, boxes, weight if weighed else None, margin)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _licence(values: dict[str, Any]) -> str:
    listed = values.get("licenses")
    names = [
        licence["name"]
        for licence in (listed if isinstance(listed, list) else [])
        if isinstance(licence, dict) and isinstance(licence.get("name"), str) and licence["name"]
    ]
    if not names:
        return "licence not stated"
    return f"licences: {', '.join(names[:2])}{f' and {len(names) - 2} more' if names[2:] else ''}"


def file_facts(people: People, id_shift: int) -> dict[str, Any]:
    """The inverse of `read_facts`."""
    return {
        "format": FORMAT,
        "name": people.name,
        "provenance": people.provenance,
        "convention": people.convention,
        "scored": people.scored,
        "subsets": list(people.subsets),
        "id_shift": id_shift,
        "box": people.box_words,
    }


def row_facts(
    people: People, row: int, subsets: list[str] | None, bare: bool = False
) -> dict[str, Any]:
    """What stands under `KEY` in the annotation of a row; {} where there is nothing to say.

    Args:
        bare: the annotation's `bbox` is `boxes["bbox"]`, without the margin.
    """
    facts: dict[str, Any] = {}
    undefined = np.flatnonzero(people.state[row] == State.UNDEFINED)
    if len(undefined):
        facts["undefined"] = [people.skeleton.joint_names[joint] for joint in undefined]
    if subsets is not None:
        facts["subsets"] = subsets
    lengths = {
        name: float(length[row])
        for name, length in people.lengths.items()
        if name not in _DERIVED and np.isfinite(length[row])
    }
    boxes = {
        name: box[row].astype(float).tolist()
        for name, box in people.boxes.items()
        if name not in _DERIVED and np.isfinite(box[row]).all() and not (bare and name == "bbox")
    }
    facts |= {"lengths": lengths} if lengths else {}
    facts |= {"boxes": boxes} if boxes else {}
    facts |= {"margin": MARGIN} if bare else {}
    return facts if people.weight is None else {**facts, "weight": float(people.weight[row])}

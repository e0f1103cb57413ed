"""Boxes that somebody's detector or hand has put about people, in files.

JSON, a list of        {"file_name", "bbox"}, and "score" where there is one
    COCO's results     {"image_id", "category_id", "bbox", "score"}; of category 1, persons, alone
    COCO's labels      {"images", "annotations"}, of the category "person" where there is one
CSV                    file,x,y,w,h, and a score where there is one

`bbox` is x, y, width, height in px, x and y those of the first pixel. The score of a row with keypoints is
the pose's, not the box's.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np

from vitruvian import geometry
from vitruvian.data.coco_facts import MARGIN
from vitruvian.data.coco_skeleton import KEY
from vitruvian.data.names import name_finder, number_of
from vitruvian.data.photos import SUFFIXES
from vitruvian.types import UserError

PERSON = 1  # the category of persons in COCO's results
_SURE = math.inf  # the score of a box that has none
_FAR = 1e9  # px: no photograph ends there


@dataclass(frozen=True, eq=False)
class BoxFile(Mapping[str, np.ndarray]):
    """The boxes (N, 4) of photographs, as in COCO, by their names; those with a higher score first.

    Where a photograph's boxes have scores they are (N, 5): a score from 0 to 1 is the last, or NaN.
    A photograph is found by its path or the longest end of it that the file has, else where it is itself
    the end of a name in the file (UserError: of several), else by the number that its name is, see
    `names.number_of`.
    """

    path: Path
    named: dict[str, np.ndarray]
    numbered: dict[int, np.ndarray]

    @cached_property
    def _find(self) -> Callable[[str], set[int]]:
        return name_finder((name, place) for place, name in enumerate(self.named))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.named)

    def __getitem__(self, name: str) -> np.ndarray:
        fitting = [self._names[place] for place in sorted(self._find(name))]
        if len(fitting) > 1:
            raise UserError(
                f"{self.path}: {name} may be {fitting[0]!r} or {fitting[1]!r} in it: name folders too"
            )
        if fitting:
            return self.named[fitting[0]]
        still = PurePath(name).suffix.lower() in {"", *SUFFIXES}
        number = number_of(name) if still else None
        if number is None or number not in self.numbered:
            raise KeyError(name)
        return self.numbered[number]

    def __iter__(self) -> Iterator[str]:
        yield from self.named
        yield from map(str, self.numbered)

    def __len__(self) -> int:
        return len(self.named) + len(self.numbered)


def read_boxes(path: Path | str, least: float = 0.0) -> BoxFile:
    """The boxes of a file. A photograph all of whose boxes are left out has none, and is known.

    Args:
        least: boxes with a lower score are left out.

    Raises:
        UserError: the file cannot be read, a row is no box or its score is not from 0 to 1, the message
            names it, or nobody is a person.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({type(error).__name__}): check the file") from None
    rows = list(_csv_rows(text) if path.suffix.lower() == ".csv" else _json_rows(text, path))
    if (others := sum(row.other for row in rows)) and others == len(rows):
        raise UserError(
            f"{path} has no box of a person: none of its {others} rows has category_id {PERSON}"
        )
    boxes: dict[str | int, list[tuple[float, list[float]]]] = {}
    for row in rows:
        if row.other and row.photo == "":
            continue
        kept = boxes.setdefault(row.photo, [])
        if not row.other and row.box is not None:
            box = _checked(row, path)
            if row.score >= least:
                kept.append((row.score, box))
    sorted_boxes = {photo: _by_score(of) for photo, of in boxes.items()}
    named = {photo: of for photo, of in sorted_boxes.items() if isinstance(photo, str)}
    numbered = {photo: of for photo, of in sorted_boxes.items() if isinstance(photo, int)}
    return BoxFile(path, named, numbered)


class _Row(NamedTuple):
    where: str  # it stands
    photo: str | int  # a file's name, or COCO's number
    box: Any  # four numbers if all is well; None: a photograph without persons
    score: float = _SURE
    other: bool = False  # it is of something else than a person


def _checked(row: _Row, path: Path) -> list[float]:
    try:
        values = [float(value) for value in row.box]
    except (TypeError, ValueError):
        values = []
    if row.photo == "":
        raise UserError(f"{path}, {row.where}: it names no photograph: give file_name or image_id")
    known = len(values) == 4 and all(abs(value) < _FAR for value in values)
    if not known or min(values[2:]) <= 0:
        said = f"file {row.photo!r}, box {row.box!r}"
        raise UserError(f"{path}, {row.where}: {said} is no name with x, y, width, height > 0")
    if row.score != _SURE and not 0 <= row.score <= 1:
        raise UserError(f"{path}, {row.where}: score {row.score:g} is not from 0 to 1: mend it")
    return values


def _by_score(boxes: list[tuple[float, list[float]]]) -> np.ndarray:
    ordered = sorted(boxes, key=lambda box: -box[0])  # those without scores stay as they are
    rows = np.array([box for _, box in ordered], np.float64).reshape(-1, 4)
    score = np.array([score for score, _ in ordered], np.float64)
    if np.isinf(score).all():
        return rows
    return np.column_stack([rows, np.where(np.isinf(score), np.nan, score)])


def _csv_rows(text: str) -> Iterator[_Row]:
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells[0].lower() in ("file", "file_name")):
            continue
        box, score = cells[1:5] + cells[6:], cells[5] if len(cells) > 5 else ""
        yield _Row(f"line {number}", cells[0], box, _given_score(score) if score else _SURE)


def _json_rows(text: str, path: Path) -> Iterator[_Row]:
    try:
        values = json.loads(text)
        if isinstance(values, list):
            for number, row in enumerate(values, 1):
                other = "image_id" in row and _whole(row.get("category_id", PERSON)) != PERSON
                box = row.get("bbox", ())
                yield _Row(f"row {number}", _photo(row), box, _score(row), other)
        else:
            yield from _coco_rows(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        forms = 'a list of {"file_name" or "image_id", "bbox"}, or {"images", "annotations"}'
        raise UserError(f"{path} ({type(error).__name__}: {error}) is not {forms}") from None


def _photo(row: dict[str, Any]) -> str | int:
    """The name of a row's photograph, else its number; "" where it has neither."""
    if name := row.get("file_name"):
        return str(name)
    number = _whole(row.get("image_id"))
    return "" if number is None else number


def _whole(number: Any) -> int | None:
    """A whole number, also one that is written as text or as 785.0; None: it is none."""
    if isinstance(number, str) and number.isdecimal():
        return int(number)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return number if type(number) is int else None


def _score(row: dict[str, Any]) -> float:
    known = row.get("score") is not None and "keypoints" not in row
    return _given_score(row["score"]) if known else _SURE


def _given_score(score: Any) -> float:
    """NaN: it is no finite number."""
    try:
        value = float(score)
    except (TypeError, ValueError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def _coco_rows(values: dict[str, Any]) -> Iterator[_Row]:
    names = {image["id"]: str(image["file_name"]) for image in values["images"]}
    yield from (_Row("images", name, None) for name in names.values())
    categories = values.get("categories", ())
    persons = {c["id"] for c in categories if c.get("name") == "person"}
    for number, row in enumerate(values["annotations"], 1):
        if not persons or row.get("category_id") in persons:
            box = row["bbox"]
            if KEY in values and "margin" not in row.get(KEY, {}):  # ours, with its margin
                box = geometry.grow(np.array([box], np.float64), 1 / MARGIN)[0]
            photo = names.get(row["image_id"], "")
            yield _Row(f"annotation {number}", photo, box, _score(row))

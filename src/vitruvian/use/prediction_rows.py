"""Which result of a file is which person of a data set: by key, by photograph, by box, never by order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from vitruvian import geometry
from vitruvian.data.names import name_finder
from vitruvian.data.people import People
from vitruvian.types import UserError
from vitruvian.use.prediction_arrays import Found

_NAMED = 5  # things of a kind that a message lists


@dataclass(frozen=True)
class Rows:
    """For each row of the data set its result."""

    pick: np.ndarray  # (N,) index of the result, -1 where there is none
    notes: list[str]


def listed(things: Sequence[object], count: int | None = None) -> str:
    """The first five of `count` things."""
    count = len(things) if count is None else count
    more = f" and {count - _NAMED} more" if count > _NAMED else ""
    return ", ".join(str(thing) for thing in things[:_NAMED]) + more


def match_rows(path: Path, found: Found, people: People) -> Rows:
    """Finds each person's result; one that names neither photograph nor person has the row's place.

    Raises:
        UserError: a name fits several photographs, a person has two results or none can be told to
            be hers, or not one photograph is the data set's.
    """
    if found.image is None and found.person is None:
        return Rows(np.arange(len(people)), [])
    row_of_key = {int(key): row for row, key in enumerate(people.key)}
    images, notes = _numbers(path, found.image, people)
    if found.person is not None:
        rows = [row_of_key.get(key, -1) for key in found.person]
        return _by_key(path, found.person, rows, people, images, notes, "person")
    rows_of_image: dict[int | None, list[int]] = defaultdict(list)
    for row, image in enumerate(people.images):
        rows_of_image[int(image)].append(row)
    several = any(len(rows_of_image[image]) > 1 for image in images if image is not None)
    if several and found.number is not None:
        rows = [row_of_key.get(key, -1) for key in found.number]
        if _are_keys(found.number, rows, people, images):
            return _by_key(path, found.number, rows, people, images, notes, "id")
        notes = [*notes, "`id` is not the data set's key of persons: ignored"]
    return _by_image(path, found, people, rows_of_image, images, notes)


# ---- photographs ---------------------------------------------------------------------------------


def _numbers(
    path: Path, wanted: Sequence[int | str | None] | None, people: People
) -> tuple[list[int | None], list[str]]:
    """The data set's number of each result's photograph, None where it has none."""
    if wanted is None:
        return [], []
    known = {int(number) for number in people.images}
    find = _finder(path, people) if any(isinstance(one, str) for one in wanted) else None
    found: dict[int | str | None, int | None] = {None: None}
    for one in dict.fromkeys(wanted):
        number = find(one) if find is not None and isinstance(one, str) else one
        if isinstance(number, str):  # a number written as a string
            number = int(number) if number.isdecimal() else None
        found[one] = number if number in known else None
    unknown = [one for one, number in found.items() if number is None and one is not None]
    if unknown:
        _check_count(path, {one for one in found if isinstance(one, int)}, known)
    if unknown and len(unknown) == len(found) - 1:
        theirs = f"{people.label(0)} (image_id {int(people.images[0])})"
        raise UserError(
            f"{path} has no photograph of data set {people.name!r}: it has {listed(unknown)}; the "
            f"data set has {theirs} and others: give the subset, or name photographs as it does"
        )
    notes = [f"{len(unknown)} photographs are not in the data set, left out: {listed(unknown)}"]
    return [found[one] for one in wanted], notes if unknown else []


def _check_count(path: Path, numbers: set[int], known: set[int]) -> None:
    """Numbers that are the data set's but for a shift by one were counted from another start."""
    for shift in (-1, 1):
        if {number + shift for number in numbers} == known:
            raise UserError(
                f"{path}: image_id runs from {min(numbers)} to {max(numbers)}, in the data set from "
                f"{min(known)} to {max(known)}: count from {min(known)}, or give file names"
            )


def _finder(path: Path, people: People) -> Callable[[str], int | str]:
    """From a file's name to the number of its photograph; or the name back."""
    photographs = name_finder(
        (people.label(row), int(number)) for row, number in enumerate(people.images)
    )

    def find(name: str) -> int | str:
        numbers = photographs(name)
        if len(numbers) > 1:
            raise UserError(
                f"{path}: {name!r} fits {len(numbers)} photographs: name folders too, or give image_id"
            )
        return next(iter(numbers), name)

    return find


# ---- persons -------------------------------------------------------------------------------------


def _are_keys(
    keys: Sequence[int], rows: Sequence[int], people: People, images: Sequence[int | None]
) -> bool:
    """Whether numbers that may be a mere count name the persons of the very photographs."""
    if len(set(keys)) != len(keys):
        return False
    here = [(row, image) for row, image in zip(rows, images, strict=True) if image is not None]
    return all(row >= 0 and people.images[row] == image for row, image in here)


def _by_key(
    path: Path,
    keys: Sequence[int],
    rows: Sequence[int],
    people: People,
    images: Sequence[int | None],
    notes: list[str],
    name: str,
) -> Rows:
    pick = np.full(len(people), -1)
    for i, row in enumerate(rows):
        if row < 0:
            continue
        if pick[row] >= 0:
            raise UserError(
                f"{path}: {name} {keys[i]} stands twice, results {pick[row] + 1} and {i + 1}: keep one"
            )
        if images and images[i] is not None and images[i] != people.images[row]:
            raise UserError(
                f"{path}, result {i + 1}: {name} {keys[i]} is of photograph {people.label(row)}, the "
                f"result of image_id {images[i]}: `{name}` must be the data set's key"
            )
        pick[row] = i
    if (pick < 0).all():
        raise UserError(
            f"{path} has no person of data set {people.name!r}: its keys are {listed(keys)}, the data "
            f"set's {listed(people.key.tolist())}"
        )
    outside = sum(row < 0 for row in rows) if not notes else 0
    if outside:
        notes = [
            *notes,
            f"{outside} results are of persons that the data set does not have, left out",
        ]
    return Rows(pick, [f"persons matched by `{name}`", *notes])


def _by_image(
    path: Path,
    found: Found,
    people: People,
    rows_of_image: Mapping[int | None, list[int]],
    images: Sequence[int | None],
    notes: list[str],
) -> Rows:
    """By the number of the photograph; where it has several persons, by the overlap of boxes."""
    results: dict[int, list[int]] = defaultdict(list)
    for i, image in enumerate(images):
        if image is not None:
            results[image].append(i)
    pick = np.full(len(people), -1)
    crowded = by_box = left_out = 0
    for image, which in results.items():
        rows = rows_of_image[image]
        if len(rows) > 1:
            pairs = _by_boxes(path, found, people, rows, which)
            by_box += 1
            left_out += len(which) - len(pairs)
        else:
            pairs = [(rows[0], _best(path, found, people.label(rows[0]), which))]
            crowded += len(which) > 1
            left_out += len(which) - 1
        for row, i in pairs:
            pick[row] = i
    said = ["rows matched by photograph"]
    if by_box:
        said.append(f"in {by_box} photographs of several persons by the overlap of boxes")
    if crowded:
        said.append(f"in {crowded} with several results for one person by the highest score")
    if left_out:
        said.append(f"{left_out} results left out")
    return Rows(pick, [", ".join(said), *notes])


def _best(path: Path, found: Found, label: str, which: list[int]) -> int:
    """The result with the highest score."""
    if len(which) == 1:
        return which[0]
    if found.total is not None:
        score = found.total[which]
    elif found.score is not None:
        known = np.isfinite(found.score[which])
        score = np.where(known, found.score[which], 0).sum(1) / np.maximum(known.sum(1), 1)
    else:
        raise UserError(
            f"{path} has {len(which)} results for {label}, which has one person, and no score: "
            "keep one of them"
        )
    return which[int(np.argmax(score))]


def _by_boxes(
    path: Path, found: Found, people: People, rows: list[int], which: list[int]
) -> list[tuple[int, int]]:
    """Pairs (row, result) with the largest sum of overlaps, each more than nothing."""
    if found.box is None or np.isnan(found.box[which]).any():
        raise UserError(
            f"{path}: {people.label(rows[0])} has {len(rows)} persons, and nothing says whose its "
            f"{len(which)} results are: give each `person`, the key in the data set "
            f"({listed(people.key[rows].tolist())}), or `bbox`"
        )
    overlap = _overlap(people.box[rows], geometry.boxes_of_pixels(found.box[which]))
    pairs = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
    return [(rows[int(a)], which[int(b)]) for a, b in pairs if overlap[a, b] > 0]


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (R, 4) and (P, 4) -> (R, P)."""
    a, b = one[:, None].astype(np.float64), other[None].astype(np.float64)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - shared
    return np.nan_to_num(shared / np.maximum(union, 1e-12))

"""Ultralytics YOLO pose labels: a YAML file, folders of photographs, a text file for each photograph.

The quirks, all of which end here:

    data.yaml   `kpt_shape: [K, 2 or 3]`, `names` of the classes, `flip_idx` (for each keypoint the one that
                takes its place in a mirror), `kpt_names` (class -> names; newer files alone have it), and
                `train`, `val`, `test`: a folder, a .txt of photographs, or a list of these, below `path`
    labels      for .../images/train/a.jpg the file .../labels/train/a.txt; beside the photograph where no
                folder is called images; none, or an empty one: nobody is in the photograph
    row         class, box (centre x, centre y, width, height), then x, y or x, y, v of each keypoint; all
                in widths and heights of the photograph from its *edges*: the first pixel's centre is
                0.5 / width. The photograph is as it is shown, that is turned as its EXIF says
    v           0 = not labelled, 1 = hidden, 2 = visible; where no 2 stands anywhere, 1 = labelled,
                which is read as visible; without v, a point is not labelled where x and y are 0 or one is
                below 0
    left        is the person's
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian import geometry
from vitruvian.data.coco_layout import Photograph
from vitruvian.data.foreign import (
    below_one_folder,
    pairs_by_name,
    people_of,
    read_yaml,
    skeleton_by_names,
)
from vitruvian.data.people import People
from vitruvian.data.photos import photo_size
from vitruvian.data.yolo_layout import find_yaml, label_file, listed_photographs
from vitruvian.draw import side
from vitruvian.skeleton import COCO, Pair
from vitruvian.types import State, UserError

_FAR = 2.0  # photographs; a coordinate beyond is px


@dataclass(frozen=True)
class _Form:
    """What data.yaml says of a row."""

    names: tuple[str, ...]  # of K keypoints
    dims: int  # 2: x, y; 3: x, y, v
    pairs: tuple[Pair, ...]
    classes: dict[int, str]
    read: frozenset[int]  # the classes whose rows are persons
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Rows:
    """The persons of one photograph."""

    bbox: np.ndarray  # (n, 4) px, x and y at the edge; NaN without area
    xyv: np.ndarray  # (n, K, 3) xy_image, and v
    others: int  # rows of classes that are not read


def read_yolo(path: Path) -> People:
    """YOLO pose labels, from the folder of data.yaml or from that file.

    Photographs are named as below that folder. Subsets are `train`, `val` and `test` of the file.

    Raises:
        UserError: a file, a folder or photographs are absent, or not what they should be; the message
            names the file and the line.
    """
    file = find_yaml(path)
    values = read_yaml(file)
    form = _form(values, file)
    listed = listed_photographs(file, values)
    root, called = below_one_folder(file.parent, listed)
    photographs: list[Photograph] = []
    rows: list[_Rows] = []
    subsets: dict[str, list[int]] = {}
    left_out: Counter[str] = Counter()
    for (place, names), name in zip(listed.items(), called, strict=True):
        size = photo_size(place) if label_file(place).is_file() else (0, 0)
        found = _read_rows(label_file(place), form, size)
        labelled = (found.xyv[..., 2] > 0).any(1)
        left_out["of other classes"] += found.others
        left_out["without a labelled joint"] += int((~labelled).sum())
        for subset in names:
            listing = subsets.setdefault(subset, [])
            listing += range(len(photographs), len(photographs) + int(labelled.sum()))
        advice = f"put the photographs of {file.name}"
        photographs += [Photograph(name, (root,), size, advice)] * int(labelled.sum())
        rows.append(_Rows(found.bbox[labelled], found.xyv[labelled], 0))
    if not photographs:
        first = next(iter(listed))
        raise UserError(
            f"none of the {len(listed)} photographs of {file} has a labelled joint; labels are looked "
            f"for in {label_file(first)} and the like"
        )
    xyv = np.concatenate([found.xyv for found in rows])
    skeleton, columns = skeleton_by_names(_skeleton_name(form), form.names, form.pairs)
    state, words = _states(xyv[..., 2])
    counts = [f"{count} {reason}" for reason, count in left_out.items() if count]
    notes = [
        f"YOLO pose labels: {file.name}, {len(photographs)} persons, "
        f"{len({photograph.name for photograph in photographs})} of {len(listed)} photographs",
        *form.notes,
        words,
        f"left out: {', '.join(counts)}" if counts else "",
        _licence(values),
    ]
    return people_of(
        "yolo",
        skeleton,
        np.concatenate([xyv[..., :2], state[..., None]], -1)[:, columns],
        photographs,
        np.concatenate([found.bbox for found in rows]),
        {name: np.array(listing, int) for name, listing in subsets.items()},
        notes,
    )


def _states(v: np.ndarray) -> tuple[np.ndarray, str]:
    """States of v (N, K), and in words what 1 is."""
    state = np.array([State.MISSING, State.OCCLUDED, State.VISIBLE])[v.astype(int)]
    if (v == 2).any() or not (v == 1).any():
        return state, ""
    state[v == 1] = State.VISIBLE
    return state, "v is 0 or 1 everywhere: 1 is read as visible"


def _skeleton_name(form: _Form) -> str:
    return form.classes[min(form.read)] if len(form.read) == 1 else "yolo"


def _licence(values: dict[str, Any]) -> str:
    export = values.get("roboflow")
    said = values.get("license") or (export.get("license") if isinstance(export, dict) else None)
    return f"licence: {said}" if said else "licence not stated"


# ---- data.yaml -----------------------------------------------------------------------------------


def _form(values: dict[str, Any], file: Path) -> _Form:
    shape = values.get("kpt_shape")
    if not (
        isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)
        and shape[0] > 0 and shape[1] in (2, 3)
    ):  # fmt: skip
        said = f"kpt_shape {shape!r}" if "kpt_shape" in values else "no kpt_shape"
        raise UserError(
            f"{file} has {said}, not [number of keypoints, 2 or 3]: give the YAML of a pose data set"
        )
    K, dims = shape
    classes = _by_class(values.get("names"))
    if not classes or not all(isinstance(name, str) for name in classes.values()):
        raise UserError(f"{file} has no names of classes: write names: {{0: person}}")
    flip = values.get("flip_idx")
    flip = None if flip in (None, []) else _flip(flip, K, file)
    listed = _by_class(values.get("kpt_names"))
    if isinstance(values.get("kpt_names"), list) and all(
        isinstance(n, str) for n in listed.values()
    ):
        listed = {number: list(listed.values()) for number in classes}
    read = frozenset(listed or classes)
    if listed:
        names, notes = _names(listed, K, file), []
        if unknown := sorted(set(listed) - set(classes)):
            raise UserError(
                f"{file}: kpt_names has class {unknown[0]}, names has only {', '.join(map(str, classes))}: "
                "correct kpt_names"
            )
    elif flip == COCO.swap:
        names, notes = COCO.joint_names, ["no kpt_names: flip_idx is COCO's, and so are the names"]
    else:
        names = tuple(f"keypoint_{number}" for number in range(K))
        notes = ["no kpt_names: keypoints are called by their numbers from 0"]
    pairs = pairs_by_name(names) if flip is None else _pairs(names, flip)
    if flip is None:
        said = ", ".join(f"{a}/{b}" for a, b in pairs) or "none found"
        notes.append(f"no flip_idx: pairs by name: {said}")
    if len(read) > 1:
        notes.append(f"classes {', '.join(classes.get(n, str(n)) for n in sorted(read))} as one")
    return _Form(names, dims, pairs, classes, read, tuple(notes))


def _by_class(values: Any) -> dict[int, Any]:
    """A list or a dictionary with whole numbers as keys; {} for anything else."""
    if isinstance(values, list):
        return dict(enumerate(values))
    if isinstance(values, dict) and all(type(key) is int for key in values):
        return values
    return {}


def _flip(flip: Any, K: int, file: Path) -> list[int]:
    """`flip_idx`, of which flipping twice moves nothing."""
    if not isinstance(flip, list) or sorted(map(repr, flip)) != sorted(map(repr, range(K))):
        raise UserError(f"{file}: flip_idx is not each of 0 to {K - 1} once: correct it")
    if wrong := [i for i in range(K) if flip[flip[i]] != i]:
        i = wrong[0]
        raise UserError(
            f"{file}: flip_idx sends {i} to {flip[i]} and {flip[i]} to {flip[flip[i]]}: two keypoints "
            "have to change places"
        )
    return flip


def _pairs(names: Sequence[str], flip: Sequence[int]) -> tuple[Pair, ...]:
    """Those that change places, the right one first where names say which."""
    pairs = [(names[i], names[j]) for i, j in enumerate(flip) if i < j]
    return tuple((b, a) if side(a) == "left" else (a, b) for a, b in pairs)


def _names(listed: dict[int, Any], K: int, file: Path) -> tuple[str, ...]:
    """The names of K keypoints, the same for all classes."""
    first, names = next(iter(listed.items()))
    for number, others in listed.items():
        if not isinstance(others, list) or len(others) != K:
            raise UserError(f"{file}: kpt_names of class {number} are not {K}, as kpt_shape says")
        if others != names:
            raise UserError(
                f"{file}: classes {first} and {number} have different kpt_names: keep those of the "
                "class to read, rows of the others are then left out"
            )
    texts = [name if isinstance(name, str) else "" for name in names]
    if wrong := [name for name in texts if not name or texts.count(name) > 1]:
        raise UserError(f"{file}: kpt_names has {wrong[0]!r} twice, or one is no text: correct it")
    return tuple(texts)


# ---- rows ----------------------------------------------------------------------------------------


def _read_rows(label: Path, form: _Form, size: tuple[int, int]) -> _Rows:
    """The rows of a label file; none where it does not exist.

    Args:
        size: height and width of the photograph in px.
    """
    K, rows, others = len(form.names), list[list[float]](), 0
    if label.is_file():
        try:
            lines = label.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError):
            raise UserError(f"{label} cannot be read: copy it again") from None
        for number, line in enumerate(lines, 1):
            if cells := line.split():
                row = _row(cells, form, f"{label}, line {number}")
                if row[0] in form.read:
                    rows.append(row)
                else:
                    others += 1
    values = np.array(rows, np.float64).reshape(len(rows), 5 + K * form.dims)
    size_wh = np.array(size[::-1], np.float64)
    points = values[:, 5:].reshape(len(rows), K, form.dims)
    v = points[..., 2] if form.dims == 3 else _located(points)
    xy = geometry.norm_to_px(points[..., :2] - 0.5, size_wh)
    centre, extent = values[:, 1:3], values[:, 3:5]
    box = np.concatenate([(centre - extent / 2) * size_wh, extent * size_wh], 1)
    bbox = np.where((extent > 0).all(1, keepdims=True), geometry.boxes_of_pixels(box), np.nan)
    return _Rows(bbox, np.concatenate([xy, v[..., None]], -1), others)


def _located(xy: np.ndarray) -> np.ndarray:
    """v of points (n, K, 2) that have none: 2, or 0 for what is left empty."""
    return np.where((xy < 0).any(-1) | (xy == 0).all(-1), 0, 2)


def _row(cells: list[str], form: _Form, where: str) -> list[float]:
    """The numbers of a row, checked."""
    K, dims = len(form.names), form.dims
    if len(cells) != 5 + K * dims:
        raise UserError(
            f"{where}: {len(cells)} values, not {5 + K * dims} = class, box and {K} keypoints of "
            f"{dims}: correct the row, or kpt_shape in the YAML file"
        )
    try:
        row = [float(cell) for cell in cells]
    except ValueError:
        row = [np.nan]
    if not np.isfinite(row).all():
        raise UserError(f"{where}: not all values are numbers: correct the row")
    if row[0] not in form.classes:
        raise UserError(f"{where}: class {cells[0]} is none of names in the YAML file: correct it")
    v = row[7::3] if dims == 3 else []
    if wrong := next((value for value in v if value not in (0, 1, 2)), None):
        raise UserError(f"{where}: v {wrong:g} is not 0, 1 or 2: correct it")
    located = [value for i, value in enumerate(row[5:]) if dims == 2 or (i % 3 < 2 and v[i // 3])]
    if any(abs(value) > _FAR for value in [*row[1:5], *located]):
        raise UserError(
            f"{where}: coordinates are not from 0 to 1: divide px by the photograph's size"
        )
    return row

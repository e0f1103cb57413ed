"""Files of predicted poses as anybody writes them -> arrays in the file's own order, joints and base.

.json   COCO results: a list of {"image_id" or "file_name", "keypoints": [x, y, score, ...]} with
        optional "score", "bbox", "person" (the key of the labelled person) and "id"; or an object
        with that list under "annotations" or "predictions" and, beside it, "images", "categories"
        (names of the joints), "base" and "convention"
others  see `prediction_arrays`
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.types import UserError
from vitruvian.use.prediction_arrays import (
    Found,
    Sizes,
    check_there,
    read_h5,
    read_mat,
    read_npz,
    statements,
)

_FORMS = (
    'a list of {"image_id" or "file_name", "keypoints"}, or an object with it under "annotations"'
)
Row = tuple[str, dict[str, Any]]  # what a message calls it, and what it holds


def read_file(path: Path, sizes: Sizes) -> Found:
    """The predictions in a file, by its suffix.

    Raises:
        UserError: it cannot be read, or is none of the forms above; the message names the place.
    """
    suffix = path.suffix.lower().replace(".hdf5", ".h5")
    if suffix not in (".json", ".npz", ".mat", ".h5"):
        raise UserError(f"{path}: predictions are .json, .npz, .mat or .h5 files: convert it")
    check_there(path)
    if suffix == ".json":
        return _read_json(path)
    return {".npz": read_npz, ".mat": read_mat, ".h5": read_h5}[suffix](path, sizes)


def _read_json(path: Path) -> Found:
    values = _loaded(path)
    beside = values if isinstance(values, dict) else {}
    rows, said = _rows(path, values)
    poses = [_pose(path, *row) for row in rows]
    size = poses[0].shape
    for (where, _), pose in zip(rows, poses, strict=True):
        if pose.shape != size:
            what = f"{len(pose)} joints of {pose.shape[1]} numbers"
            raise UserError(
                f"{path}, {where} has {what}, the first has {size[0]} of {size[1]}: make them alike"
            )
    xyc = np.stack(poses)
    names = {
        image["id"]: image["file_name"]
        for image in _objects(path, beside.get("images"), "images")
        if _is_id(image.get("id")) and _is_id(image.get("file_name"))
    }
    return Found(
        xy=xyc[..., :2],
        said=said,
        score=xyc[..., 2] if size[1] == 3 else None,
        total=_totals(path, rows),
        joints=_joint_names(path, beside),
        image=_images(path, rows, names),
        person=_keys(path, rows, "person"),
        number=_ids(rows),
        box=_boxes(path, rows),
        **statements(path, beside),
    )


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UserError(f"{path}, {where}: {error.msg}: write the JSON again") from None
    except (OSError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UserError(
            f"{path} is not readable JSON ({type(error).__name__}): write it again"
        ) from None


def _rows(path: Path, values: Any) -> tuple[list[Row], str]:
    """The results of persons, and in words how many."""
    under = "results"
    if isinstance(values, dict):
        under = next((key for key in ("annotations", "predictions") if key in values), under)
        values, beside = values.get(under), values
    else:
        beside = {}
    if not isinstance(values, list):
        raise UserError(f"{path} holds no poses: write {_FORMS}")
    rows = [(f"{under}[{i}]", row) for i, row in enumerate(_objects(path, values, under))]
    persons = [
        category.get("id")
        for category in _objects(path, beside.get("categories"), "categories")
        if category.get("name") == "person"
    ]
    kept = [row for row in rows if not persons or row[1].get("category_id", 1) in persons]
    if not kept:
        raise UserError(f"{path} holds no poses: write {_FORMS}")
    other = (
        f", {len(rows) - len(kept)} of other categories left out" if len(kept) < len(rows) else ""
    )
    return kept, f"{len(kept)} results{other}"


def _objects(path: Path, values: Any, what: str) -> list[dict[str, Any]]:
    values = [] if values is None else values
    if not isinstance(values, list):
        raise UserError(f"{path}: {what!r} is not a list: write {_FORMS}")
    for i, value in enumerate(values):
        if not isinstance(value, dict):
            raise UserError(f"{path}, {what}[{i}] is {_short(value)}: write {_FORMS}")
    return values


def _pose(path: Path, where: str, row: dict[str, Any]) -> np.ndarray:
    """(K, 3) x, y, score, or (K, 2); null is NaN."""
    values = row.get("keypoints")
    if not isinstance(values, list) or not values:
        raise UserError(f"{path}, {where} has no list `keypoints`: write [x, y, score, x, y, ...]")
    nested = all(isinstance(value, list) for value in values)
    flat: list[Any] = [number for joint in values for number in joint] if nested else values
    if not {type(value) for value in flat} <= {float, int, type(None)}:
        at = next(i for i, value in enumerate(flat) if type(value) not in (float, int, type(None)))
        raise UserError(
            f"{path}, {where}: number {at + 1} of keypoints is {_short(flat[at])}: write a number"
        )
    try:
        pose = np.array(flat, np.float64)
    except OverflowError:
        pose = np.array([np.inf if abs(value or 0) > 1e300 else 0.0 for value in flat])
    if np.isinf(pose).any():
        raise UserError(
            f"{path}, {where}: number {int(np.isinf(pose).argmax()) + 1} of keypoints is infinite: "
            "write null where nothing was found"
        )
    widths = {len(joint) for joint in values} if nested else {3}
    width = widths.pop()
    if widths or width not in (2, 3) or len(flat) % width:
        raise UserError(
            f"{path}, {where}: keypoints has {len(flat)} numbers: write x, y, score for each joint"
        )
    return pose.reshape(-1, width)


def _joint_names(path: Path, beside: dict[str, Any]) -> tuple[str, ...] | None:
    """From the person's category, or beside the list."""
    categories = _objects(path, beside.get("categories"), "categories")
    persons = [c for c in categories if c.get("name") == "person"] or categories
    listed = [c["keypoints"] for c in persons if c.get("keypoints")]
    listed += [beside[key] for key in ("names", "joints") if beside.get(key)]
    if not listed:
        return None
    names = listed[0]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: the names of the joints are {_short(names)}: write strings")
    return tuple(names)


def _images(path: Path, rows: Sequence[Row], names: dict[int | str, str]) -> list[int | str | None]:
    """Number or file name of each row's photograph; the name where both are known."""
    images: list[int | str | None] = []
    for where, row in rows:
        image = row.get("image_id")
        if isinstance(image, float) and image.is_integer():
            image = int(image)
        known = names.get(image) if image is not None and _is_id(image) else None
        image = row.get("file_name") or known or image
        if not _is_id(image) and (image is not None or row.get("person") is None):
            raise UserError(
                f"{path}, {where} names no photograph ({_short(image)}): write `image_id` or "
                "`file_name`"
            )
        images.append(image)
    return images


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool) and value != ""


def _keys(path: Path, rows: Sequence[Row], name: str) -> list[int] | None:
    """Whole numbers that every row gives, or none does."""
    values: list[Any] = [row.get(name) for _, row in rows]
    if all(value is None for value in values):
        return None
    for (where, _), value in zip(rows, values, strict=True):
        if type(value) is not int:
            raise UserError(
                f"{path}, {where}: {name!r} is {_short(value)}: give every result a whole number, "
                "or none"
            )
    return values


def _ids(rows: Sequence[Row]) -> list[int] | None:
    ids: list[Any] = [row.get("id") for _, row in rows]
    return ids if all(type(value) is int for value in ids) else None


def _numbers(path: Path, where: str, name: str, values: Any, count: int) -> list[float]:
    """`count` finite numbers."""
    good = isinstance(values, list) and len(values) == count
    if not good or not all(type(v) in (float, int) and abs(v) < 1e300 for v in values):
        words = "a number" if count == 1 else f"{count} numbers"
        shown = values[0] if good and count == 1 else values
        raise UserError(f"{path}, {where}: {name!r} is {_short(shown)}: write {words}")
    return [float(value) for value in values]


def _totals(path: Path, rows: Sequence[Row]) -> np.ndarray | None:
    """(M,) the scores of persons, where every row has one."""
    if any(row.get("score") is None for _, row in rows):
        return None
    return np.array([_numbers(path, w, "score", [row["score"]], 1)[0] for w, row in rows])


def _boxes(path: Path, rows: Sequence[Row]) -> np.ndarray | None:
    """(M, 4) x, y, width, height as in COCO, NaN where a row has none."""
    if all(row.get("bbox") is None for _, row in rows):
        return None
    boxes = np.full((len(rows), 4), np.nan)
    for i, (where, row) in enumerate(rows):
        if row.get("bbox") is not None:
            boxes[i] = _numbers(path, where, "bbox", row["bbox"], 4)
            if boxes[i, 2:].min() <= 0:
                raise UserError(
                    f"{path}, {where}: 'bbox' {row['bbox']} has no area: write x, y, width, height"
                )
    return boxes


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else text[:37] + "..."

"""Any `People` -> COCO keypoint JSON, which other tools read and `read_coco` reads back as it was.

Keypoints are 0-based with pixel centres at integers, v as COCO has it, floats without loss. A joint that
the data set does not have is v 0 like one that is missing, and named under the key of `coco_facts`. `bbox`
is where the person is looked for, counted from the corner of the first pixel; of data that came with a
`bbox` it is that one, without the margin. `area` is
`lengths["object_scale"]` squared; where that is not known it is the area of `bbox`, larger than the
person's: OKS is then lenient and not to be compared with COCO's. Ids are keys, shifted where the lowest is
not above 0, which evaluators take for "no match".

What does not come back: the order of rows in a subset; a person without any labelled joint; that
`object_scale` was not known; no subsets at all, which come back as a cut.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian import geometry
from vitruvian.data.coco_facts import MARGIN, file_facts, row_facts
from vitruvian.data.coco_skeleton import KEY, category_of
from vitruvian.data.people import People
from vitruvian.types import State, UserError


def to_coco(people: People) -> dict[str, Any]:
    """A data set as the values of a COCO keypoint file.

    Raises:
        UserError: it is a pack, whose coordinates are those of its crops; or two photographs have one
            number.
    """
    if not people.whole:
        raise UserError(
            f"data set {people.name!r} is a pack of crops: convert the data set it was made of"
        )
    subsets = _subsets_of_rows(people)
    images, split = _images(people, subsets)
    keys = people.key if len(np.unique(people.key)) == len(people) else np.arange(len(people))
    shift = 1 - int(keys.min(initial=1)) if keys.min(initial=1) < 1 else 0
    bare = _came_with_bbox(people)
    annotations = _annotations(people, bare)
    for row, annotation in enumerate(annotations):
        said = [split[annotation["image_id"]]] if annotation["image_id"] in split else []
        annotation["id"] = int(keys[row]) + shift
        unsaid = None if subsets[row] == said else subsets[row]
        if facts := row_facts(people, row, unsaid, bool(bare[row])):
            annotation[KEY] = facts
    return {
        "info": {"description": people.provenance},
        "licenses": [],
        "categories": [category_of(people.skeleton)],
        "images": images,
        "annotations": annotations,
        KEY: file_facts(people, shift),
    }


def write_coco(people: People, path: Path) -> None:
    """Writes `to_coco` as a file that is whole or absent at any time.

    Raises:
        UserError: as `to_coco`, or it cannot be written.
    """
    text = json.dumps(to_coco(people), ensure_ascii=False, allow_nan=False)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with open(beside, "w", encoding="utf-8", newline="\n") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): check the folder") from None


def _subsets_of_rows(people: People) -> list[list[str]]:
    """The names of the subsets that each row is in."""
    names: list[list[str]] = [[] for _ in range(len(people))]
    for name, rows in people.subsets.items():
        for row in np.asarray(rows, int).tolist():
            names[row].append(name)
    return names


def _images(
    people: People, subsets: list[list[str]]
) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """The photographs; and by number the subset of those that are in one and no other."""
    images: dict[int, dict[str, Any]] = {}
    names: dict[int, set[tuple[str, ...]]] = {}
    for row, number in enumerate(people.images.tolist()):
        label = people.label(row)
        if number not in images:
            images[number] = {"id": number, "file_name": label, **_size(people, row)}
        elif images[number]["file_name"] != label:
            raise UserError(
                f"data set {people.name!r} has number {number} for {images[number]['file_name']} "
                f"and {label}: convert its parts one at a time"
            )
        names.setdefault(number, set()).add(tuple(subsets[row]))
    split = {
        number: next(iter(found))[0]
        for number, found in names.items()
        if len(found) == 1 and len(next(iter(found))) == 1
    }
    for number, name in split.items():
        images[number]["split"] = name
    return list(images.values()), split


def _size(people: People, row: int) -> dict[str, int]:
    """{} where neither a photograph nor its labels say."""
    try:
        height, width = people.size(row)
    except UserError:
        return {}
    return {"width": int(width), "height": int(height)}


def _came_with_bbox(people: People) -> np.ndarray:
    """(N,) bool: `box` is the `bbox` of a COCO file, grown as `read_coco` does."""
    if "bbox" not in people.boxes:
        return np.zeros(len(people), bool)
    grown = geometry.grow(people.boxes["bbox"], MARGIN)
    return np.all(grown == people.box, axis=1)


def _annotations(people: People, bare: np.ndarray) -> list[dict[str, Any]]:
    """What COCO has a place for, without ids."""
    located = people.state >= State.OCCLUDED
    v = np.where(located, people.state - State.MISSING, 0)  # occluded 1, visible 2
    box = _pixel_boxes(people, located, bare)
    scale = people.lengths.get("object_scale", np.full(len(people), np.nan)).astype(np.float64)
    area = np.where(np.isfinite(scale), scale**2, box[:, 2] * box[:, 3])
    xy = _shortest(np.where(located[..., None], people.joints, 0))
    return [
        {
            "image_id": number,
            "category_id": 1,
            "keypoints": [
                n for (x, y), flag in zip(points, flags, strict=True) for n in (x, y, flag)
            ],
            "num_keypoints": sum(flag > 0 for flag in flags),
            "bbox": [_plain(edge) for edge in bbox],
            "area": _plain(px),
            "iscrowd": 0,
        }
        for number, points, flags, bbox, px in zip(
            people.images.tolist(), xy, v.tolist(), box.tolist(), area.tolist(), strict=True
        )
    ]


def _pixel_boxes(people: People, located: np.ndarray, bare: np.ndarray) -> np.ndarray:
    """(N, 4) float64 from the corner of the first pixel; around the joints, or 0, where there is none."""
    labelled = geometry.box_of_joints(people.joints, located)
    given = np.where(bare[:, None], people.boxes.get("bbox", people.box), people.box)
    known = np.isfinite(given).all(1, keepdims=True)
    box = np.where(known, given, labelled).astype(np.float64) + np.array([0.5, 0.5, 0, 0])
    return np.where(np.isfinite(box), box, 0.0)


def _shortest(values: np.ndarray) -> list[Any]:
    """float32 as the shortest decimals that are read back as the same float32."""
    return values.astype(np.float32).astype(str).astype(np.float64).tolist()


def _plain(value: float) -> float:
    """Without the last digits, which arithmetic has filled."""
    return float(f"{value:.12g}")

"""One COCO keypoint JSON, checked: every message names the file, the annotation and the cure."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import filterfalse
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from vitruvian.data.coco_facts import Facts, read_facts
from vitruvian.data.coco_layout import (
    SUBSETS,
    Photograph,
    photograph_folders,
    safe_name,
    subset_meant,
)
from vitruvian.data.coco_skeleton import find_category, skeleton_of
from vitruvian.skeleton import Skeleton
from vitruvian.types import UserError

_WRITTEN = tuple(dict.fromkeys(SUBSETS.values()))  # what a split is advised to be
_FULL = "train_full"  # a data set's authors' `train` and `tune`, see `people.whole_training`
_EXPORT = (
    'export the labels as COCO keypoints (CVAT: "COCO Keypoints 1.0", Label Studio: "COCO with '
    'keypoints")'
)
_FAR = 1e30  # px; nothing is, and float32 ends soon after


@dataclass(frozen=True)
class Labels:
    """What is read of one file."""

    path: Path
    skeleton: Skeleton
    keypoints: np.ndarray  # (N, J, 3) float64: x, y, v of the skeleton's joints
    persons: list[dict[str, Any]]  # N annotations
    photos: dict[int, Photograph]  # by the images' ids
    splits: dict[int, str]  # of the photographs that have one
    facts: Facts
    note: str  # file, skeleton, what was left out


def read_labels(path: Path) -> Labels:
    """Persons with at least one labelled joint, and their photographs.

    Raises:
        UserError: see the module.
    """
    values = _load(path)
    facts = read_facts(values, path)
    category = find_category(values["categories"], path)
    skeleton, columns, words = skeleton_of(category, path)
    images = _images(values["images"], path)
    splits = _splits(images, facts.subsets, path)
    persons, left_out = _persons(values, category["id"], 3 * len(columns), set(images), path)
    flat = np.array([person["keypoints"] for person in persons], np.float64)
    keypoints = flat.reshape(-1, len(columns), 3)[:, columns]
    _check_v(keypoints[:, :, 2], persons, skeleton, path)
    labelled = np.flatnonzero((keypoints[:, :, 2] > 0).any(1))
    left_out["without a labelled joint"] += len(persons) - len(labelled)
    persons = [persons[row] for row in labelled]
    used = {person["image_id"]: images[person["image_id"]] for person in persons}
    photos, shortened = _photographs(used, path)
    if shortened:
        words += f", {shortened} file names read as their last part"
    counts = [f"{count} {reason}" for reason, count in left_out.items() if count]
    note = f"{path.name}, {words}, left out: {', '.join(counts) or 'none'}"
    splits = {number: split for number, split in splits.items() if number in used}
    return Labels(path, skeleton, keypoints[labelled], persons, photos, splits, facts, note)


def _load(path: Path) -> dict[str, Any]:
    """The file, without what nothing here reads and takes most of its memory."""

    def without_outlines(values: dict[str, Any]) -> dict[str, Any]:
        values.pop("segmentation", None)
        return values

    try:
        text = path.read_text(encoding="utf-8-sig")
        if not text.strip():
            raise UserError(f"{path} is empty: export or copy it again")
        values = json.loads(text, object_hook=without_outlines)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the file") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}): {_EXPORT}, or copy it again") from None
    if isinstance(values, list):
        if values and isinstance(values[0], dict) and "annotations" in values[0]:
            raise UserError(f"{path} is Label Studio's own JSON: {_EXPORT}")
        raise UserError(f"{path} is a list, as predictions are: give the file of the labels")
    for key in ("images", "annotations", "categories"):
        if not isinstance(values, dict) or not isinstance(values.get(key), list):
            raise UserError(f"{path} has no list {key!r}: is it a COCO keypoint JSON?")
    return values


def _images(listed: list[Any], path: Path) -> dict[int, dict[str, Any]]:
    images: dict[int, dict[str, Any]] = {}
    for number, image in enumerate(listed, 1):
        if not isinstance(image, dict) or not _whole(image.get("id")):
            raise UserError(
                f"{path}: image number {number} has no whole number as its id: write one"
            )
        if image["id"] in images:
            raise UserError(f"{path}: image id {image['id']} stands twice: give each its own")
        images[image["id"]] = image
    return images


def _splits(images: dict[int, dict[str, Any]], own: Sequence[str], path: Path) -> dict[int, str]:
    """The subsets of the images that have a split: one of the file's `own`, or what the word means."""
    known = list(dict.fromkeys([*_WRITTEN, *own]))
    splits: dict[int, str] = {}
    for number, image in images.items():
        split = image.get("split")
        if split is None:
            continue
        words = split if isinstance(split, str) else str(split)
        name = split if split in (_FULL, *own) else subset_meant(words)
        if name is None:
            near = difflib.get_close_matches(words, known, 1, 0)[0]
            raise UserError(
                f"{path}, image {number} ({image.get('file_name')}): split {split!r} is no name of a "
                f"subset; nearest: {near!r}; write {', '.join(known[:-1])} or {known[-1]}"
            )
        splits[number] = name
    return splits


def _persons(
    values: dict[str, Any], category: int, length: int, images: set[int], path: Path
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The annotations with `length` numbers as keypoints, and how many were left out and why."""
    categories = {known["id"] for known in values["categories"]}
    ids: set[int] = set()
    persons: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    for number, person in enumerate(values["annotations"], 1):
        if not isinstance(person, dict):
            raise UserError(f"{path}: annotation number {number} is no object: remove it")
        where = f"{path}, annotation {person.get('id', f'number {number}')}"
        if "id" in person:
            if not _whole(person["id"]):
                raise UserError(f"{where}: its id is no whole number: write one")
            if person["id"] in ids:
                raise UserError(f"{where}: the id stands twice: give each annotation its own")
            ids.add(person["id"])
        belongs = person.get("category_id", category)
        if not _whole(belongs) or belongs not in categories:
            raise UserError(f"{where}: category_id {belongs!r} is no category: write {category}")
        reason = "of other categories" if belongs != category else _left_out(person, where)
        if reason:
            left_out[reason] += 1
            continue
        _check_person(person, length, where)
        if not _whole(person.get("image_id")) or person["image_id"] not in images:
            raise UserError(
                f"{where}: image_id {person.get('image_id')!r} is in no image: add the image to "
                "images[] or remove the annotation"
            )
        persons.append(person)
    return persons, left_out


def _left_out(person: dict[str, Any], where: str) -> str:
    """Why an annotation is not a person to read; "" where it is."""
    crowd, count = person.get("iscrowd"), person.get("num_keypoints")
    if crowd not in (None, 0, 1):
        raise UserError(f"{where}: iscrowd {crowd!r} is neither 0 nor 1: write one of them")
    if count is not None and not _whole(count):
        raise UserError(f"{where}: num_keypoints {count!r} is no whole number: write one or none")
    if crowd:
        return "crowds"
    return (
        "without a labelled joint" if count == 0 or not (count or person.get("keypoints")) else ""
    )


def _check_person(person: dict[str, Any], length: int, where: str) -> None:
    flat, box, area = person.get("keypoints"), person.get("bbox"), person.get("area")
    if not isinstance(flat, list) or len(flat) != length:
        count = len(flat) if isinstance(flat, list) else "no"
        raise UserError(
            f"{where}: {count} numbers as keypoints, not {length} = 3 x {length // 3} joints of its "
            "category: write x, y, v for each"
        )
    for key, numbers in (("keypoints", flat), ("bbox", box or []), ("area", [area or 0])):
        odd = list(filterfalse(_number, numbers)) if isinstance(numbers, list) else [numbers]
        if odd:
            raise UserError(f"{where}: {key} has {odd[0]!r}, which is no number of px: correct it")
    if (box and (len(box) != 4 or min(box[2:]) < 0)) or (area or 0) < 0:
        raise UserError(
            f"{where}: bbox {box} is not x, y, width, height, or area {area} is below 0: correct "
            "or remove them"
        )


def _check_v(v: np.ndarray, persons: list[dict[str, Any]], skeleton: Skeleton, path: Path) -> None:
    wrong = np.argwhere(~np.isin(v, (0, 1, 2)))
    if len(wrong):
        row, joint = wrong[0]
        raise UserError(
            f"{path}, annotation {persons[row].get('id', 'without id')}: v of "
            f"{skeleton.joint_names[joint]} is {v[row, joint]:g}, not 0, 1 or 2: correct it, or give the "
            "labels if these are predictions"
        )


def _number(value: Any) -> bool:
    """Whether a value is a number of px; NaN and infinity are none, nor are true and "1"."""
    return type(value) in (int, float) and -_FAR < value < _FAR


def _whole(value: Any) -> TypeGuard[int]:
    return type(value) is int and -(2**63) <= value < 2**63


def _photographs(
    images: dict[int, dict[str, Any]], path: Path
) -> tuple[dict[int, Photograph], int]:
    """By their ids; and how many file names are read as their last part."""
    folders = photograph_folders(path)
    advice = f"put the {len(images)} photographs of {path.name}"
    photos: dict[int, Photograph] = {}
    shortened: dict[str, int] = {}
    for number, image in images.items():
        name, whole = safe_name(image, path)
        if not whole and shortened.setdefault(name, number) != number:
            raise UserError(
                f"{path}: images {shortened[name]} and {number} would both be {name!r}: write "
                "file names relative to the folder of the photographs"
            )
        source = image.get("coco_url")
        where = f", from {source.rpartition('/')[0]}," if isinstance(source, str) and source else ""
        photos[number] = Photograph(name, folders, _size(image), f"{advice}{where}")
    return photos, len(shortened)


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    """Height and width in px; CVAT writes 0 where it does not know them, Label Studio null."""
    height, width = image.get("height"), image.get("width")
    if _whole(height) and _whole(width) and height > 0 and width > 0:
        return height, width
    return None

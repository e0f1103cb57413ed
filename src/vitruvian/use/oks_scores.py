"""COCO's AP and AR of a file of results, or of one pose for each labelled person."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from vitruvian.data.coco_files import to_coco
from vitruvian.data.coco_layout import annotation_files, subset_name
from vitruvian.data.coco_skeleton import KEY, find_category
from vitruvian.data.names import name_finder
from vitruvian.data.people import People
from vitruvian.measure.oks import match
from vitruvian.measure.oks_resamples import estimates
from vitruvian.measure.protocols import Protocol
from vitruvian.measure.result import Result
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import SEED, truth_of
from vitruvian.use.predictions import Predictions


def truth_values(data: str, people: People, whole: bool) -> dict[str, Any]:
    """What COCO's files say where the data set is one, crowds and all; else the labels written as one.

    Of a subset these are the photographs of its file or `split`, with and without persons, and all that
    is annotated in them. Where COCO's files name no subsets, so that they are cut by their photographs'
    ids, a part has the photographs with persons alone.

    Args:
        data: "name=path", what was opened, or "name".
        people: the rows of it that are scored.
        whole: they are all of them.

    Returns:
        a COCO keypoint file's values with one category, whose `keypoints` are named.

    Raises:
        UserError: two files of a folder use one number for photographs, or order joints in two ways.
    """
    name, _, where = data.partition("=")
    if name != "coco":
        return to_coco(people)
    path = Path(where or Path(os.environ.get("VITRUVIAN_DATA", "")) / name).expanduser()
    files = annotation_files(path)
    values = [json.loads(file.read_bytes(), object_hook=_without_outline) for file in files]
    if not whole and any(_has_subsets(row) for each in values for row in each["annotations"]):
        return to_coco(people)  # written here: such a file has no crowds
    found = _joined(files, values, people.skeleton.joint_names)
    if whole:
        return found
    kept = _photographs(files, values, set(people.images.tolist()))
    images = [image for image in found["images"] if image["id"] in kept]
    rows = [row for row in found["annotations"] if row.get("image_id") in kept]
    return found | {"images": images, "annotations": rows}


def _without_outline(values: dict[str, Any]) -> dict[str, Any]:
    """An object of a file without what takes most of its memory, and is not scored."""
    values.pop("segmentation", None)
    return values


def _has_subsets(annotation: dict[str, Any]) -> bool:
    """Whether a person's subsets stand beside it, see `coco_facts`."""
    facts = annotation.get(KEY)
    return isinstance(facts, dict) and "subsets" in facts


def _joined(
    files: Sequence[Path], values: Sequence[dict[str, Any]], joint_names: tuple[str, ...]
) -> dict[str, Any]:
    """Several files as one, of persons alone."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    first: dict[str, Any] = {}
    file_of: dict[int, Path] = {}
    for file, each in zip(files, values, strict=True):
        found = find_category(each["categories"], file)
        category = found | {"keypoints": found.get("keypoints") or list(joint_names)}
        first = first or category
        for image in each["images"]:
            if (other := file_of.setdefault(image["id"], file)) != file:
                raise UserError(
                    f"photographs of {other} and {file} have one id, {image['id']}: give "
                    f"the one that the predictions are of, coco={file}"
                )
        if category["keypoints"] != first["keypoints"] or category["id"] != first["id"]:
            raise UserError(
                f"{files[0]} and {file} differ in the order of keypoints or in the id of "
                f"their category: give one of them, coco={file}"
            )
        images += each["images"]
        annotations += each["annotations"]
    return {"images": images, "categories": [first], "annotations": annotations}


def _photographs(
    files: Sequence[Path], values: Sequence[dict[str, Any]], with_rows: set[int]
) -> set[int]:
    """The numbers of a subset's photographs, by those of its rows; subsets as in `data.coco`."""
    name_of: dict[int, str | None] = {}
    for file, each in zip(files, values, strict=True):
        split = {image["id"]: image.get("split") for image in each["images"]}
        said = any(split.values()) or (each.get(KEY) or {}).get("subsets")
        name_of |= split if said else dict.fromkeys(split, subset_name(file))
    names = {name_of[number] for number in with_rows} - {None}
    return with_rows | {number for number, name in name_of.items() if name in names}


def result_list(
    path: Path, truth: dict[str, Any], base: int | None = None
) -> list[dict[str, Any]] | None:
    """The rows of a COCO results file by numbers of photographs; None: the file is something else.

    A row that names a file of `truth` is of that photograph, whatever its number is. A name without its
    folders, or with others, counts where it fits one photograph; where it fits several the number decides.

    Args:
        base: 1 subtracts a pixel.

    Raises:
        UserError: a name fits several photographs, and the number is none of theirs.
    """
    if path.suffix.lower() != ".json":
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    if not isinstance(values, list) or not values:
        return None
    plain = all(isinstance(row, dict) and isinstance(row.get("image_id"), int) for row in values)
    if not plain:
        return None
    named = [(name, image["id"]) for image in truth["images"] if (name := _name(image))]
    numbers = _numbers({name for row in values if (name := _name(row))}, name_finder(named))
    return [
        _moved(row, base or 0) | {"image_id": _number(path, row, numbers.get(_name(row), set()))}
        for row in values
    ]


def _name(row: dict[str, Any]) -> str:
    """The photograph of a result or of the truth; "" where it is not named."""
    name = row.get("file_name")
    return name.replace("\\", "/") if isinstance(name, str) else ""


def _numbers(names: set[str], find: Callable[[str], set[int]]) -> dict[str, set[int]]:
    """The photographs that each name fits; one that fits none by its last part, if no other has that."""
    last = {name: PurePosixPath(name).name for name in names}
    count = Counter(last.values())
    return {
        name: find(name) or (find(end) if count[end] == 1 else set()) for name, end in last.items()
    }


def _number(path: Path, row: dict[str, Any], fitting: set[int]) -> int:
    given: int = row["image_id"]
    if not fitting or given in fitting:
        return given
    if len(fitting) > 1:
        raise UserError(
            f"{path}: {row['file_name']!r} fits {len(fitting)} photographs, and image_id {given} is none "
            "of theirs: name folders too, or correct image_id"
        )
    return next(iter(fitting))


def _moved(row: dict[str, Any], base: int) -> dict[str, Any]:
    """A result whose first pixel is (0, 0); what are no numbers stay, and are refused when matched."""
    flat = row.get("keypoints")
    if not base or not isinstance(flat, list):
        return row
    moved = [
        value - base if place % 3 < 2 and type(value) in (int, float) else value
        for place, value in enumerate(flat)
    ]
    return row | {"keypoints": moved}


def poses_as_results(
    predictions: Predictions, people: People, truth: dict[str, Any]
) -> list[dict[str, Any]]:
    """One result for each row that has an answer, its joints in the order of `truth`.

    The score is the person's own, else the mean of the joints' scores; 0 where the file has scores but
    none for this person, 1 where it has none at all.
    """
    order = people.skeleton.index(*truth["categories"][0]["keypoints"])
    results = []
    for row, xy in enumerate(predictions.xy):
        known = np.isfinite(xy).all(-1)
        if not known.any():
            continue
        score = _person_score(predictions, row, known)
        flat = np.concatenate([xy, np.ones((len(xy), 1))], 1)[list(order)].ravel().tolist()
        image = int(people.images[row])
        results.append({"image_id": image, "keypoints": flat, "score": score})
    return results


def _person_score(predictions: Predictions, row: int, known: np.ndarray) -> float:
    if predictions.total is None and predictions.score is None:
        return 1.0
    if predictions.total is not None and np.isfinite(predictions.total[row]):
        return float(predictions.total[row])
    scores = predictions.score[row][known] if predictions.score is not None else np.empty(0)
    scores = scores[np.isfinite(scores)]
    return float(scores.mean()) if len(scores) else 0.0


def oks_result(
    protocol: Protocol, people: People, truth: dict[str, Any], results: list[dict[str, Any]]
) -> Result:
    """AP as the total and the other figures as groups, with intervals over photographs."""
    matched = match(truth, results)
    n = int((people.state >= State.OCCLUDED).any(1).sum())
    found = estimates(matched, n, SEED)
    total = found.pop("AP")
    protocol = replace(protocol, data=truth_of(people).data)
    return Result(protocol, n, len(people) - n, total, None, {}, groups=found, matched=matched)

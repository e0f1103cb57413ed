"""Object keypoint similarity, and COCO's average precision and recall over it.

https://cocodataset.org/#keypoints-eval. AP and AR are computed by pycocotools, the implementation that
published figures are of; on 5,000 images it takes 2 s, and a faster one hardly less.

The constants sigma were measured by COCO for its 17 joints only. For any other joint `default_sigmas` takes
their mean, 0.067: of one order with them, and the same whatever the number of joints is. Other tools take
1/J for all J joints (Ultralytics), 0.1 (DeepLabCut) or 0.025 (SLEAP), so that figures of other joints than
COCO's cannot be compared between tools unless the sigmas are given, and stated.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vitruvian.measure.oks_resamples import FIGURES, Matched, matched
from vitruvian.types import UserError

COCO_SIGMAS: Mapping[str, float] = {
    "nose": 0.026,
    **{f"{side}_eye": 0.025 for side in ("left", "right")},
    **{f"{side}_ear": 0.035 for side in ("left", "right")},
    **{f"{side}_shoulder": 0.079 for side in ("left", "right")},
    **{f"{side}_elbow": 0.072 for side in ("left", "right")},
    **{f"{side}_wrist": 0.062 for side in ("left", "right")},
    **{f"{side}_hip": 0.107 for side in ("left", "right")},
    **{f"{side}_knee": 0.087 for side in ("left", "right")},
    **{f"{side}_ankle": 0.089 for side in ("left", "right")},
}
MEAN_SIGMA = 0.067  # of the 17, rounded

_NOWHERE = 1e12  # px; a joint there adds nothing to any similarity


def default_sigmas(joint_names: Sequence[str]) -> np.ndarray:
    """(J,) COCO's sigma of each joint by its name, `MEAN_SIGMA` of joints that COCO does not have."""
    return np.array([COCO_SIGMAS.get(name, MEAN_SIGMA) for name in joint_names])


def oks(
    pred: np.ndarray,
    truth: np.ndarray,
    scored: np.ndarray,
    area: np.ndarray,
    sigmas: np.ndarray | Sequence[float],
) -> np.ndarray:
    """How similar each pose is to the true one: the mean of exp(-d^2 / (2 area (2 sigma)^2)) over joints.

    Args:
        pred: (N, J, 2) px of the photograph; NaN: nothing was predicted, which adds 0.
        truth: (N, J, 2) px; any value at joints that are not scored, NaN is never scored.
        scored: (N, J) bool: COCO scores the labelled joints, hidden or not.
        area: (N,) px, the person's segment: `object_scale` squared.
        sigmas: (J,) in square roots of the area.

    Returns:
        (N,), 0 to 1; NaN where nothing is scored or the area is not known or not above 0.

    Raises:
        ValueError: the shapes do not fit each other.

    Source: COCO keypoint evaluation, `computeOks` of pycocotools, where d is in px and sigma is doubled.
    """
    sigmas = np.asarray(sigmas, np.float64)
    expected = {"pred": truth.shape, "scored": truth.shape[:2]}
    expected |= {"area": truth.shape[:1], "sigmas": truth.shape[1:2]}
    given = {"pred": pred, "scored": scored, "area": area, "sigmas": sigmas}
    for name, shape in expected.items():
        if given[name].shape != shape:
            raise ValueError(f"{name} has shape {given[name].shape}, expected {shape}")
    counts = scored.astype(bool) & np.isfinite(truth).all(-1)
    known = np.isfinite(area) & (area > 0) & counts.any(1)
    squared = ((pred.astype(np.float64) - truth) ** 2).sum(-1)
    spread = 2 * np.where(known, area, 1.0)[:, None] * (2 * sigmas) ** 2
    near = np.exp(-np.where(np.isnan(squared), np.inf, squared) / spread)
    return np.where(known, (near * counts).sum(1) / np.maximum(counts.sum(1), 1), np.nan)


def average_precision(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    sigmas: Sequence[float] | None = None,
) -> dict[str, float]:
    """COCO's ten figures for keypoints, `FIGURES`, 0 to 1; arguments and errors as of `match`.

    NaN where there is no person of that size, and in all figures where there is none at all.
    """
    values = match(truth, results, sigmas).values
    return dict(zip(FIGURES, values.tolist(), strict=True))


def match(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    sigmas: Sequence[float] | None = None,
) -> Matched:
    """Which results are whose, by COCO's own library: figures, and what their intervals are made of.

    Crowds and persons without labelled joints are matched and not counted, as COCO does; every
    photograph of `truth` counts, with results or without. Where an annotation has no `area` it is that of
    its `bbox`. A joint that is NaN is wrong. The `bbox` of a result is not looked at.

    Args:
        truth: the values of a COCO keypoint file with one category that has keypoints, or one "person".
        results: {"image_id", "category_id", "keypoints": [x, y, score] * J, "score"} each, in px of the
            photograph; at most the 20 of the highest score count in a photograph.
        sigmas: J, in the order of the category's joints; None: `default_sigmas`.

    Raises:
        UserError: pycocotools is not installed; truth or a result is not what it should be.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise UserError(
            "COCO's AP needs pycocotools: install vitruvian with its extra [coco]"
        ) from None
    category = _category(truth)
    names = category["keypoints"]
    constants = default_sigmas(names) if sigmas is None else np.array(sigmas, np.float64)
    if constants.shape != (len(names),) or not (constants > 0).all():
        raise UserError(f"sigmas {sigmas} are not {len(names)} numbers above 0: give one a joint")
    persons = _persons(truth, category, 3 * len(names))
    poses = _poses(truth, results, category, 3 * len(names))
    tables = []
    with contextlib.redirect_stdout(io.StringIO()):  # the library prints
        for rows in (persons, poses):
            table = COCO()
            table.dataset = {
                "images": truth["images"],
                "categories": [category],
                "annotations": rows,
            }
            table.createIndex()
            tables.append(table)
        evaluation = COCOeval(*tables, "keypoints")
        evaluation.params.kpt_oks_sigmas = constants
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return matched(evaluation)


def _category(truth: Mapping[str, Any]) -> dict[str, Any]:
    try:
        _ = truth["images"], truth["annotations"]
        named = [category for category in truth["categories"] if category.get("keypoints")]
        persons = [category for category in named if category.get("name") == "person"]
        return named[0] if len(named) == 1 else persons[0]
    except (AttributeError, IndexError, KeyError, TypeError):
        raise UserError(
            "the truth needs one category with keypoints, or one called 'person': give a COCO "
            "keypoint file"
        ) from None


def _persons(
    truth: Mapping[str, Any], category: Mapping[str, Any], length: int
) -> list[dict[str, Any]]:
    """The annotations of a category with all that the library wants; ids from 1, for 0 is no match."""
    images = {image["id"] for image in truth["images"]}
    persons = []
    for number, person in enumerate(truth["annotations"], 1):
        if person.get("category_id", category["id"]) != category["id"]:
            continue
        where = f"truth, annotation {person.get('id', f'number {number}')}"
        if person.get("image_id") not in images:
            raise UserError(f"{where}: image_id {person.get('image_id')!r} is in no image: add it")
        flat = _numbers(person.get("keypoints") or [0] * length, length, f"{where}: keypoints")
        box = _numbers(person.get("bbox") or [0, 0, 0, 0], 4, f"{where}: bbox")
        area = person.get("area")
        (area,) = _numbers([box[2] * box[3] if area is None else area], 1, f"{where}: area")
        count = person.get("num_keypoints")
        count = sum(v > 0 for v in flat[2::3]) if count is None else count
        persons.append(
            {
                "id": number,
                "image_id": person["image_id"],
                "category_id": category["id"],
                "keypoints": flat,
                "num_keypoints": count,
                "bbox": box,
                "area": area,
                "iscrowd": person.get("iscrowd") or 0,
            }
        )
    return persons


def _poses(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    category: Mapping[str, Any],
    length: int,
) -> list[dict[str, Any]]:
    images = {image["id"] for image in truth["images"]}
    poses = []
    for number, result in enumerate(results, 1):
        where = f"results, row {number} (image {result.get('image_id')!r})"
        if result.get("image_id") not in images:
            raise UserError(
                f"{where}: the truth has no such image: give the truth of these results"
            )
        if result.get("category_id", category["id"]) != category["id"]:
            raise UserError(
                f"{where}: category_id {result['category_id']!r}, but the one with keypoints is "
                f"{category['id']} ({category.get('name')!r}): write that"
            )
        (score,) = _numbers([result.get("score")], 1, f"{where}: score")
        flat = _numbers(result.get("keypoints"), length, f"{where}: keypoints", finite=False)
        xy = np.array(flat).reshape(-1, 3)[:, :2]
        there = np.isfinite(xy).all(1)
        width, height = np.ptp(xy[there], axis=0) if there.any() else (0.0, 0.0)
        xy = np.where(there[:, None], xy, _NOWHERE)
        poses.append(
            {
                "id": number,
                "image_id": result["image_id"],
                "category_id": category["id"],
                "keypoints": np.column_stack([xy, np.ones(len(xy))]).ravel().tolist(),
                "score": score,
                "area": float(width * height),
            }
        )
    return poses


def _numbers(values: Any, count: int, what: str, finite: bool = True) -> list[float]:
    if not isinstance(values, list | tuple) or len(values) != count:
        raise UserError(f"{what} are not {count} numbers: is this the file of these joints?")
    for value in values:
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or (finite and not math.isfinite(value)):
            raise UserError(f"{what}: {value!r} is no number: correct it")
    return list(values)

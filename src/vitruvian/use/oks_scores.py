"""COCO's AP and AR of a file of results, or of one pose for each labelled person."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from vitruvian.data.coco_files import to_coco
from vitruvian.data.people import People
from vitruvian.measure.oks import match
from vitruvian.measure.oks_resamples import estimates
from vitruvian.measure.protocols import Protocol
from vitruvian.measure.result import Result
from vitruvian.types import State
from vitruvian.use.evaluate import SEED, truth_of
from vitruvian.use.predictions import Predictions


def truth_values(data: str, people: People, whole: bool) -> dict[str, Any]:
    """COCO's file itself where the data set is one, crowds and all; else the labels written as one.

    Args:
        data: "name=path", what was opened.
        whole: all its rows are asked for.
    """
    name, _, where = data.partition("=")
    path = Path(where).expanduser()
    if name == "coco" and whole and path.is_file():
        values: dict[str, Any] = json.loads(path.read_bytes())
        return values
    return to_coco(people)


def result_list(path: Path, truth: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of a COCO results file by numbers of photographs; None: the file is something else.

    A row that names a file of `truth` is of that photograph, whatever its number is.
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
    number = {PurePath(image["file_name"]).name: image["id"] for image in truth["images"]}
    return [
        row | {"image_id": number.get(PurePath(str(row.get("file_name"))).name, row["image_id"])}
        for row in values
    ]


def poses_as_results(predictions: Predictions, people: People) -> list[dict[str, Any]]:
    """One result for each row that has an answer; its score is the mean of its joints', else 1."""
    results = []
    for row, xy in enumerate(predictions.xy):
        known = np.isfinite(xy).all(-1)
        if not known.any():
            continue
        score = 1.0
        if predictions.score is not None:
            score = float(np.nan_to_num(np.nanmean(predictions.score[row][known])))
        flat = np.concatenate([xy, np.ones((len(xy), 1))], 1).ravel().tolist()
        image = int(people.images[row])
        results.append({"image_id": image, "keypoints": flat, "score": score})
    return results


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

"""Where models look for the persons of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vitruvian.data.box_files import read_boxes
from vitruvian.data.boxes import as_learnt
from vitruvian.data.detections import Fit, detected
from vitruvian.data.people import People
from vitruvian.models import ModelInfo
from vitruvian.types import UserError

LEARNT_FROM = {
    "image": "whole photographs",
    "face": "the squares about faces",
    "centre": "the middle of photographs",
}


def where_learnt(people: People, info: ModelInfo) -> People:
    """The data set with `box` where a model has learnt to look; see `boxes.as_learnt`."""
    return as_learnt(people, info.start, info.predict.face_factor)


def where_all_look(
    people: People, models: Sequence[ModelInfo], boxes: Path | None = None
) -> tuple[People, bool, Fit | None]:
    """The data set with `box` where all models have learnt to look; about each person, where these differ.

    Args:
        boxes: a file of boxes that stand for the data set's; see `detections.detected`.

    Returns:
        the data set, whether its box is where all have learnt to look beyond a person, and how many have
        a box of the file.

    Raises:
        UserError: as `detected`, or there is no model to look in the boxes.
    """
    alike = {(info.start, info.predict.face_factor) for info in models}
    start = models[0].start if len(alike) == 1 else "data"
    fit = None
    if boxes is not None:
        if not models:
            raise UserError(
                f"models would look in the boxes of {boxes}, and there is none: leave it out"
            )
        (people,), fit = detected([people], read_boxes(boxes), start)
    if start not in LEARNT_FROM:
        return people, False, fit
    return where_learnt(people, models[0]), True, fit

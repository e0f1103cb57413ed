"""Where a training and an evaluation look for each person: the data set's box, the photograph, a face."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from vitruvian import geometry
from vitruvian.data.people import OWN_BOX, People
from vitruvian.measure.protocols import IMAGE_BOX, LABELLED_BOX
from vitruvian.types import State, UserError

Start = Literal["data", "labelled", "image", "face", "centre"]

CENTRE = 178.0  # px; the small archive of LSP shows persons of 150
CENTRE_BOX = f"{CENTRE:g} px about the photograph's centre, square"
_ONE_LOOK = ("image", "face", "centre")
_EYES_AND_NOSE = ("left_eye", "right_eye", "nose")
_EYE_DISTANCES = 3.0  # side of a face's box
_LEAST_FACE = 20.0  # px


def image_boxes(people: People) -> np.ndarray:
    """(N, 4): the whole photograph of each row; a photograph that cannot be read gives 1 px."""
    sizes: dict[str, tuple[int, int]] = {}

    def box(row: int) -> np.ndarray:
        name = people.label(row)
        if name not in sizes or people.image is None:
            try:
                sizes[name] = people.size(row)
            except UserError:
                sizes[name] = (1, 1)
        return geometry.whole_image(*sizes[name])

    return np.stack([box(row) for row in range(len(people))])


def centre_boxes(people: People) -> np.ndarray:
    """(N, 4): a square of `CENTRE` px about the centre of each row's photograph.

    Source: the published code of Bulat & Tzimiropoulos, ECCV 2016, which so crops the small archive of
    LSP: scale 0.89 of 200 px, about the photograph's centre.
    """
    whole = image_boxes(people)
    low = whole[:, :2] + whole[:, 2:] / 2 - CENTRE / 2
    return np.concatenate([low, np.full_like(low, CENTRE)], 1)


def face_boxes(people: People) -> np.ndarray:
    """(N, 4): square boxes of faces, those that the data set gives, else about eyes and nose; NaN: none.

    Source: Toshev & Szegedy, CVPR 2014, section 4.1, start from a face detector's box; this stands in
    for it where there are only labels: about the mean of eyes and nose, 3 eye distances wide.

    Raises:
        UserError: the data set has neither.
    """
    if "face" in people.boxes:
        return people.boxes["face"]
    if lacking := [name for name in _EYES_AND_NOSE if name not in people.skeleton.joint_names]:
        raise UserError(
            f"data set {people.name!r} has no faces to start from: its skeleton "
            f"{people.skeleton.name!r} lacks {lacking[0]!r}; start from --set box=image"
        )
    columns = people.skeleton.index(*_EYES_AND_NOSE)
    xy = people.joints[:, columns].astype(np.float64)  # (N, 3, 2)
    known = np.all(people.state[:, columns] >= State.OCCLUDED, axis=1)
    side = _EYE_DISTANCES * np.linalg.norm(xy[:, 0] - xy[:, 1], axis=-1)
    side = np.maximum(side, _LEAST_FACE)[:, None]
    box = np.concatenate([xy.mean(1) - side / 2, side, side], 1)
    return np.where(np.expand_dims(known, 1), box, np.nan).astype(np.float32)


def face_factor(people: People) -> float:
    """The least factor by which boxes of faces, grown about their centres, hold all labelled joints.

    Source: Toshev & Szegedy, CVPR 2014, section 4.1: a fixed scaler of the detected face rectangle,
        determined on the training data such that it contains all labelled joints.

    Raises:
        UserError: nobody has a face and a joint.
    """
    box = face_boxes(people).astype(np.float64)
    centre = box[:, None, :2] + box[:, None, 2:] / 2
    reach = np.abs(people.joints - centre) / (box[:, None, 2:] / 2)  # (N, J, 2)
    located = people.state >= State.OCCLUDED
    known = np.where(located, reach.max(-1), np.nan)
    if not np.isfinite(known).any():
        raise UserError(f"data set {people.name!r} has nobody with a face and a labelled joint")
    return float(np.nanmax(known))


def start_from(people: People, start: Start, factor: float | None = None) -> People:
    """The data set with `box` where a system first looks; what was there is kept in `boxes`.

    `box_words` say what `box` is then.

    Args:
        start: "data": as it is; "labelled": about the true joints, which nobody gives in use; "image":
            the whole photograph; "face": the face's box x `factor`; "centre": `centre_boxes`.
        factor: None: fitted on `train`, see `face_factor`.

    Raises:
        UserError: there are no whole photographs, or no faces.
    """
    if start == "data":
        return people
    if start == "labelled":
        box = geometry.box_of_joints(people.joints, people.state >= State.OCCLUDED)
        return _looked_for_in(people, box, LABELLED_BOX)
    if not people.whole:
        raise UserError(
            f"data set {people.name!r} holds crops, not whole photographs: --set box=data, or give "
            "the data set it was made of"
        )
    if start == "image":
        return _looked_for_in(people, image_boxes(people), IMAGE_BOX)
    if start == "centre":
        return _looked_for_in(people, centre_boxes(people), CENTRE_BOX)
    training = people.subset("train") if "train" in people.subsets else people
    factor = factor or face_factor(training)
    box = geometry.grow(face_boxes(people), factor)
    return _looked_for_in(people, box, f"{people.face_words} x{factor:.3g}, square")


def looks(start: str) -> int:
    """How often a model looks that has learnt from these boxes, before that is chosen by its scores.

    Who has learnt from whole photographs, their centre or faces looks once: later stages are its closer
    looks.
    """
    return 1 if start in _ONE_LOOK else 2


def as_learnt(people: People, start: str, factor: float | None = None) -> People:
    """The data set with `box` where a model looks that has learnt from photographs or faces.

    It is looked for in the whole photograph where a person has no face. Others, and data sets that have
    no photographs or no faces, are as they were.

    Args:
        start: "image", "centre" and "face" are as in `start_from`; anything else is about the person.
        factor: by which the model enlarges faces; None: it looks in whole photographs.
    """
    if not people.whole or start not in _ONE_LOOK:
        return people
    if start == "centre":
        return start_from(people, "centre")
    if start == "image" or factor is None:
        return start_from(people, "image")
    try:
        faces = start_from(people, "face", factor)
    except UserError:
        return people
    known = np.isfinite(faces.box).all(1)
    if known.all():
        return faces
    box = np.where(known[:, None], faces.box, image_boxes(people)).astype(np.float32)
    return replace(faces, box=box, box_words=f"{faces.box_words}; {IMAGE_BOX} where there is none")


def _looked_for_in(people: People, box: np.ndarray, words: str) -> People:
    boxes = {OWN_BOX: people.box} | people.boxes
    return replace(people, box=box, box_words=words, boxes=boxes)

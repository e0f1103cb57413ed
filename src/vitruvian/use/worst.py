"""The persons on whom a model errs most, truth and prediction on the photograph."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian import geometry
from vitruvian.data.people import People
from vitruvian.data.photos import cut, reduction_for
from vitruvian.measure import metrics
from vitruvian.measure.protocols import Protocol
from vitruvian.measure.scoring import Truth
from vitruvian.types import UserError

TRUTH, ANSWER = (60, 200, 60), (235, 60, 60)  # RGB
_MARGIN = 1.3  # boxes that a tile shows
_SUBPIXEL = 4  # bits


def worst_rows(protocol: Protocol, truth: Truth, xy: np.ndarray, count: int) -> np.ndarray:
    """The rows with the largest mean error, which is cut at 1 reference length, the worst first.

    Args:
        xy: (N, J, 2) predictions, px of the photograph.
    """
    columns = truth.skeleton.index(*protocol.joints)
    length = truth.reference(protocol.reference)
    errors = metrics.normalized_errors(xy, truth.xy, length)[:, columns]
    scored = metrics.counted(errors, truth.located[:, columns])
    total = np.where(scored, np.minimum(errors, 1), 0).sum(1)
    mean = np.where(scored.any(1), total / np.maximum(scored.sum(1), 1), -1)
    order = np.argsort(-mean, kind="stable")
    return order[: min(count, int((mean >= 0).sum()))]


def picture(people: People, row: int, xy: np.ndarray, side: int = 256) -> np.ndarray:
    """One person, RGB uint8 (side, side, 3): the truth green, `xy` (J, 2) xy_image red.

    Raises:
        UserError: the photograph cannot be read.
    """
    box = people.box[row].astype(float)
    if not np.isfinite(box).all():
        raise UserError(f"{people.label(row)}: nobody is labelled")
    shown = geometry.grow(geometry.fit_aspect(box[None], 1, 1), _MARGIN)
    to_image = geometry.crop_to_image(shown, side, side)[0]
    photo, factor = people.photo(row, reduction_for(to_image))
    tile = cut(photo, geometry.after_reduction(to_image, factor), side, side).copy()
    back = geometry.invert(to_image)
    located = people.state[row] >= 2
    true = geometry.apply(back, people.joints[row].astype(float))
    answer = geometry.apply(back, xy.astype(float))
    _draw(tile, people, true, located, TRUTH)
    _draw(tile, people, answer, np.isfinite(answer).all(-1), ANSWER)
    return tile


def _draw(
    tile: np.ndarray, people: People, xy: np.ndarray, known: np.ndarray, colour: tuple[int, ...]
) -> None:
    points = np.rint(np.clip(np.nan_to_num(xy), -1e4, 1e4) * 2**_SUBPIXEL).astype(int).tolist()
    for limb in people.skeleton.limbs:
        a, b = people.skeleton.index(*limb)
        if known[a] and known[b]:
            cv2.line(tile, points[a], points[b], colour, 2, cv2.LINE_AA, _SUBPIXEL)
    for joint in np.flatnonzero(known).tolist():
        cv2.circle(tile, points[joint], 3 << _SUBPIXEL, colour, -1, cv2.LINE_AA, _SUBPIXEL)

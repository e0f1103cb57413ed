"""Boxes of persons: their scores, and where to look a second time."""

from __future__ import annotations

import numpy as np

from vitruvian import geometry

ENOUGH_JOINTS = 3
SHARE = 0.5  # of the median of a person's scores above 0: from there a joint says where to look
SETTLED = 0.9  # overlap of two boxes, from which the second would show what the first has shown


def parted_boxes(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4 or 5) with or without scores -> boxes (N, 4), scores (N,), NaN: it has none."""
    unknown = np.full(len(boxes), np.nan, np.float32)
    return boxes[:, :4], boxes[:, 4] if boxes.shape[1] == 5 else unknown


def closer_boxes(
    xy: np.ndarray, score: np.ndarray, box: np.ndarray, margin: float, crop: tuple[int, int]
) -> np.ndarray:
    """Square boxes around the joints that stand out; the old box where it is settled already.

    Args:
        xy: (N, J, 2) xy_image, as found in `box`; NaN where nothing was found.
        score: (N, J), 0 to 1.
        box: (N, 4) image px.
        margin: side of the new box in extents of those joints.
        crop: height, width of what a net sees of a box.

    Returns:
        (N, 4): unchanged where fewer than three joints stand out, or what is seen of the old and of the
        new box overlaps by `SETTLED`.
    """
    closer = boxes_of_poses(xy, stand_out(score), box, margin)
    settled = geometry.overlap(geometry.fit_aspect(closer, *crop), geometry.fit_aspect(box, *crop))
    return np.where(settled[:, None] < SETTLED, closer, box)


def stand_out(score: np.ndarray) -> np.ndarray:
    """Which joints (N, J) are worth looking around, by scores (N, J) from 0 to 1.

    What a score means differs from model to model, so that a joint is measured by the person's others.
    """
    seen = score > 0
    counted = np.where(seen, score, np.nan)
    counted[~seen.any(1)] = 1  # whatever: nothing stands out there
    return seen & (score >= SHARE * np.nanmedian(counted, 1, keepdims=True))


def boxes_of_poses(xy: np.ndarray, sure: np.ndarray, box: np.ndarray, margin: float) -> np.ndarray:
    """Square boxes around the joints that are sure; the old box where fewer than three are.

    Args:
        xy: (N, J, 2) xy_image, as found in `box`.
        sure: (N, J) bool.
        box: (N, 4) image px.
        margin: side of the new box in extents of those joints.
    """
    sure = sure & np.isfinite(xy).all(-1)
    around = geometry.box_of_joints(xy, sure, margin)
    again = (sure.sum(-1) >= ENOUGH_JOINTS) & np.isfinite(around).all(-1)
    return np.where(again[:, None], around, box).astype(np.float32)


def overlaps(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4) of `types`."""
    return geometry.overlap(some[:, None], others[None])

"""Where to look for a person a second time."""

from __future__ import annotations

import numpy as np

from vitruvian import geometry

ENOUGH_JOINTS = 3


def boxes_of_poses(
    xy: np.ndarray, score: np.ndarray, box: np.ndarray, threshold: float, margin: float
) -> np.ndarray:
    """Square boxes around the joints that are sure; the old box where fewer than three are.

    Args:
        xy: (N, J, 2) xy_image, as found in `box`.
        score: (N, J), 0 to 1.
        box: (N, 4) image px.
        threshold: least score of a joint that is sure.
        margin: side of the new box in extents of those joints.
    """
    sure = (score >= threshold) & np.isfinite(xy).all(-1)
    around = geometry.box_of_joints(xy, sure, margin)
    again = (sure.sum(-1) >= ENOUGH_JOINTS) & np.isfinite(around).all(-1)
    return np.where(again[:, None], around, box).astype(np.float32)

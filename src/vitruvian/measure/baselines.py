"""What any figure must beat: the same pose for everybody, and no pose at all.

Box units are those of `xy_norm` in `types`: -0.5 at a box's left or top edge, 0.5 at the other one.
"""

from __future__ import annotations

import numpy as np

from vitruvian.types import State


def in_box_units(xy: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Joints (N, J, 2) px of boxes (N, 4) in box units, (N, J, 2)."""
    return (xy - box[:, None, :2]) / box[:, None, 2:] - 0.5


def mean_pose(train_xy_in_box: np.ndarray, train_state: np.ndarray) -> np.ndarray:
    """Where each joint is on average among the training persons that have it.

    Args:
        train_xy_in_box: (N, J, 2) box units.
        train_state: (N, J) values of `State`.

    Returns:
        (J, 2) box units; NaN for a joint that no training person has.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    if train_state.shape != train_xy_in_box.shape[:2]:
        raise ValueError(
            f"train_state has shape {train_state.shape}, expected {train_xy_in_box.shape[:2]}"
        )
    located = (train_state >= State.OCCLUDED)[..., None]  # (N, J, 1)
    count = located.sum(0)
    total = np.where(located, train_xy_in_box, 0.0).sum(0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def predict_mean_pose(mean: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The mean pose (J, 2) laid into boxes (N, 4): (N, J, 2) px."""
    return box[:, None, :2] + (mean + 0.5) * box[:, None, 2:]


def predict_centre(box: np.ndarray, J: int) -> np.ndarray:
    """All `J` joints at the centre of boxes (N, 4), which may be whole images: (N, J, 2) px."""
    return predict_mean_pose(np.zeros((J, 2)), box)

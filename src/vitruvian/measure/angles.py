"""Where a torso and a limb point, and how far each must be turned to stand in a fixed direction.

An angle is in degrees, from -180 to 180, and turns a vector (x, y), y down, by the matrix [[cos, -sin],
[sin, cos]]: a torso turned by its angle points up, a limb turned by its angle points down. What has no
direction (a joint is not located, or two points are one) has the angle NaN.

Source: Sun et al., ICCV 2017, eq. 1 and 2, with the sign that the arc cosine there loses.
"""

from __future__ import annotations

import numpy as np

from vitruvian.skeleton import Skeleton

TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
BIN_NAMES = ("0-45", "45-90", "90-180")
_BIN_ENDS = (45.0, 90.0)  # each belongs to the bin below it, as in "above 45 degrees"


def lacking(skeleton: Skeleton, *names: str) -> tuple[str, ...]:
    """Those of the joints `names` that a skeleton does not have."""
    return tuple(name for name in names if name not in skeleton.joint_names)


def torso_axis(
    xy: np.ndarray, located: np.ndarray, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """The torso's centre, which is the mean of shoulders and hips, and the vector to the neck.

    In a skeleton without a neck (COCO) the neck is the middle of the shoulders.

    Args:
        xy: (N, J, 2) px.
        located: (N, J) bool.
        skeleton: names the joints.

    Returns:
        centre (N, 2) px and up (N, 2) px; both NaN where a shoulder, a hip or the neck is not located,
        and everywhere when the skeleton has no shoulders or hips.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    _check_shapes(xy, located, skeleton)
    if lacking(skeleton, *TRUNK):
        nowhere = np.full((len(xy), 2), np.nan)
        return nowhere, nowhere.copy()
    trunk = skeleton.index(*TRUNK)
    neck = skeleton.index("neck") if "neck" in skeleton.joint_names else trunk[:2]
    known = located[:, trunk + neck].all(1, keepdims=True)
    centre = xy[:, trunk].mean(1, dtype=np.float64)
    up = xy[:, neck].mean(1, dtype=np.float64) - centre
    return np.where(known, centre, np.nan), np.where(known, up, np.nan)


def torso_angle(xy: np.ndarray, located: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The angle that turns each torso upright; 0 is upright, 180 and -180 are upside down.

    Args, Raises: as `torso_axis`.

    Returns:
        (N,) degrees; positive where the neck is left of the torso's centre in the image.
    """
    _, up = torso_axis(xy, located, skeleton)
    return _angle(-up[:, 0], -up[:, 1])


def limb_angle(
    xy: np.ndarray, located: np.ndarray, skeleton: Skeleton, root: str, middle: str
) -> np.ndarray:
    """The angle that turns each limb's first segment, from `root` to `middle`, downwards.

    Args:
        xy: (N, J, 2) px.
        located: (N, J) bool.
        skeleton: names the joints.
        root, middle: joints by name, such as left_shoulder and left_elbow.

    Returns:
        (N,) degrees; positive where the segment points to the right of the image.

    Raises:
        UserError: the skeleton has no such joint.
        ValueError: the shapes do not fit each other.
    """
    _check_shapes(xy, located, skeleton)
    a, b = skeleton.index(root, middle)
    segment = xy[:, b].astype(np.float64) - xy[:, a]
    angle = _angle(segment[:, 0], segment[:, 1])
    return np.where(located[:, a] & located[:, b], angle, np.nan)


def turned(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Vectors (N, 2), each turned by its angle (N,) in degrees."""
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    x, y = vectors[:, 0], vectors[:, 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], -1)


def angle_bins(angle: np.ndarray) -> dict[str, np.ndarray]:
    """Which persons lean how far to whichever side: bins of |angle| by `BIN_NAMES`.

    Args:
        angle: (N,) degrees, -180 to 180; NaN is in no bin.

    Returns:
        (N,) bool by name; 45 and 90 themselves are in the bin below.
    """
    lean = np.abs(angle)
    number = np.digitize(lean, _BIN_ENDS, right=True)
    known = np.isfinite(lean)
    return {name: known & (number == k) for k, name in enumerate(BIN_NAMES)}


def _angle(opposite: np.ndarray, adjacent: np.ndarray) -> np.ndarray:
    """Degrees; NaN where both are 0."""
    somewhere = (opposite != 0) | (adjacent != 0)
    return np.where(somewhere, np.rad2deg(np.arctan2(opposite, adjacent)), np.nan)


def _check_shapes(xy: np.ndarray, located: np.ndarray, skeleton: Skeleton) -> None:
    if xy.ndim != 3 or xy.shape[1:] != (len(skeleton), 2):
        raise ValueError(f"xy has shape {xy.shape}, expected (N, {len(skeleton)}, 2)")
    if located.shape != xy.shape[:2]:
        raise ValueError(f"located has shape {located.shape}, expected {xy.shape[:2]}")

"""Types of poses: clusters of poses centred on the torso and scaled by it, but not turned, so that a type
carries the body's orientation.

Source: Sun et al., ICCV 2017, Section 3.2, "Discussions", which clusters LSP into three types and does
not say how; k-means (Lloyd, 1982) from starts that are spread out (Arthur & Vassilvitskii, 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import ClusterError, kmeans2, vq

from vitruvian.measure.angles import TRUNK
from vitruvian.measure.metrics import reference_length
from vitruvian.skeleton import Skeleton
from vitruvian.types import UserError

_STARTS = 10  # of k-means; the one whose clusters are tightest is kept
_ITERATIONS = 100


@dataclass(frozen=True)
class PoseTypes:
    """Types of poses, the most frequent one first."""

    skeleton: Skeleton
    centroids: (
        np.ndarray
    )  # (T, J, 2) torso units from the torso's centre, y down; 0 where not `known`
    known: np.ndarray  # (J,) bool: the joints that types are told by
    sizes: tuple[int, ...]  # persons by type, of those that the types were found on

    def __len__(self) -> int:
        return len(self.centroids)

    def nearest(self, xy: np.ndarray, located: np.ndarray) -> np.ndarray:
        """The type of each pose: the least mean squared distance over its located joints.

        Args:
            xy: (N, J, 2) px, in any frame that is upright as the photograph is.
            located: (N, J) bool.

        Returns:
            (N,) int64, 0 to T - 1; -1 for poses without a torso, which have no scale.

        Raises:
            ValueError: the shapes do not fit the skeleton.
        """
        pose, has_torso = in_torso_units(xy, located, self.skeleton)
        counted = located & self.known  # (N, J)
        squares = ((pose[:, None] - self.centroids) ** 2).sum(-1)  # (N, T, J)
        distance = np.where(counted[:, None], squares, 0).sum(-1)  # (N, T)
        return np.where(has_torso, distance.argmin(1), -1)


def pose_types(
    xy: np.ndarray, located: np.ndarray, skeleton: Skeleton, types: int = 3, seed: int = 0
) -> PoseTypes:
    """Finds types of poses by k-means.

    They are told by the joints that at least half of the persons with a torso have, and found on the
    persons who have all of these and a torso.

    Args:
        xy: (N, J, 2) px.
        located: (N, J) bool.
        skeleton: names the joints.
        types: how many, 1 or more.
        seed: of k-means' starts; the same persons in the same order and the same seed give the same types.

    Raises:
        UserError: the skeleton has no shoulders or hips, or too few poses differ.
        ValueError: the shapes do not fit the skeleton, or `types` is below 1.
    """
    if types < 1:
        raise ValueError(f"{types} types of poses, expected 1 or more")
    pose, has_torso = in_torso_units(xy, located, skeleton)
    known = located[has_torso].mean(0) >= 0.5 if has_torso.any() else np.zeros(len(skeleton), bool)
    complete = has_torso & located[:, known].all(1)
    flat = pose[complete][:, known].reshape(int(complete.sum()), 2 * int(known.sum()))  # (n, D)
    if (different := len(np.unique(flat, axis=0))) < types:
        raise UserError(
            f"{types} pose types need as many different poses of which all joints are located, "
            f"and there are {different}: train on more persons"
        )
    means = _tightest(flat, types, seed)
    sizes = np.bincount(vq(flat, means)[0], minlength=types)
    order = np.argsort(-sizes, kind="stable")
    centroids = np.zeros((types, len(skeleton), 2))
    centroids[:, known] = means[order].reshape(types, -1, 2)
    return PoseTypes(skeleton, centroids, known, tuple(sizes[order].tolist()))


def in_torso_units(
    xy: np.ndarray, located: np.ndarray, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """Poses relative to the torso's centre, in lengths of the torso, not turned.

    The centre is the mean of shoulders and hips; the length is the mean of the torso's two diagonals, from
    each shoulder to the hip of the other side, which seldom vanish both.

    Args:
        xy: (N, J, 2) px.
        located: (N, J) bool.
        skeleton: names the joints.

    Returns:
        poses (N, J, 2) torso units, 0 for joints that are not located and of persons without a torso; and
        (N,) bool, who has a torso: shoulders and hips are located and a diagonal has a length.

    Raises:
        UserError: the skeleton has no shoulders or hips.
        ValueError: the shapes do not fit the skeleton.
    """
    if xy.ndim != 3 or xy.shape[1:] != (len(skeleton), 2):
        raise ValueError(f"xy has shape {xy.shape}, expected (N, {len(skeleton)}, 2)")
    left_shoulder, right_shoulder, left_hip, right_hip = trunk = skeleton.index(*TRUNK)
    one = reference_length(xy, located, [left_shoulder, right_hip])
    other = reference_length(xy, located, [right_shoulder, left_hip])
    length = (one + other) / 2  # (N,) px, NaN where a joint is not located
    has_torso = np.nan_to_num(length) > 0
    centre = xy[:, trunk].mean(1, keepdims=True, dtype=np.float64)
    pose = (xy - centre) / np.where(has_torso, length, 1.0)[:, None, None]
    return np.where((located & has_torso[:, None])[..., None], pose, 0), has_torso


def _tightest(flat: np.ndarray, types: int, seed: int) -> np.ndarray:
    """The means (T, D) of the rows of `flat` (n, D) by the best of some k-means."""
    rng = np.random.default_rng(seed)
    best, least = None, np.inf
    for _ in range(_STARTS):
        try:
            means, _ = kmeans2(flat, types, _ITERATIONS, minit="++", missing="raise", seed=rng)
        except ClusterError:  # a cluster ran empty
            continue
        within = float((vq(flat, means)[1] ** 2).sum())
        if within < least:
            best, least = means, within
    if best is None:
        raise UserError(f"the poses do not fall into {types} types: ask for fewer")
    return best

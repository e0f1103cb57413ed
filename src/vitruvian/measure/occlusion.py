"""Hidden joints that what is seen of the same limbs gives away."""

from __future__ import annotations

import numpy as np

from vitruvian.skeleton import Skeleton
from vitruvian.types import State

# The middle of a body is labelled hidden almost as often as not, and never scored (MPII).
NEVER = ("pelvis", "thorax")


def inferable(state: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Hidden joints between visible ones: all that share a limb with them are visible.

    In a tree of limbs that is the parent and the children: shoulder and wrist of an elbow; the only
    neighbour of a wrist. A neighbour that is not located is not visible. Pelvis and thorax are never
    among these joints, though they count as neighbours of hips and shoulders.

    Args:
        state: (N, J) values of State.
        skeleton: its `limbs` say who is whose neighbour; a joint without limbs is never inferable.

    Returns:
        (N, J) bool.

    Source: Ke et al., 2018, section 3.3: "a hidden elbow can be recovered from visible shoulder and
        wrist locations"; the paper does not list its subset.
    """
    J = len(skeleton)
    beside = np.zeros((J, J), bool)
    for one, other in skeleton.limbs:
        a, b = skeleton.index(one, other)
        beside[a, b] = beside[b, a] = True
    asked = beside.any(1) & np.array([name not in NEVER for name in skeleton.joint_names])
    unseen = (state != State.VISIBLE) @ beside.astype(
        np.int64
    )  # (N, J) neighbours that are not visible
    return (state == State.OCCLUDED) & asked & (unseen == 0)

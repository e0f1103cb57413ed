"""How compactly joints lie around each other, before and after a pose is turned into a fixed direction.

The position of a joint relative to another one is taken in a length of its person, in three stages: `raw`,
as labelled; `body`, after the torso is turned upright; `limb`, after the limb's first segment is turned
downwards. Its spread is the root mean square distance from its mean over persons.

Source: Sun et al., ICCV 2017, Figures 1 and 4 and Section 3.2, which draw it and give no figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitruvian.measure.angles import TRUNK, lacking, limb_angle, torso_angle, torso_axis, turned
from vitruvian.measure.metrics import reference_length
from vitruvian.skeleton import Skeleton

LEAST_PX = 15.0  # a shorter torso is one seen from above, and its unit blows everything up
LEAST_SHARE = 0.3  # of the median torso; the same for data whose persons are of any size


@dataclass(frozen=True)
class Relative:
    """A joint relative to the torso's centre, or the end of a limb relative to its root."""

    joint: str
    limb: tuple[str, str] | None = None  # its root and its middle joint; None: the torso's centre

    @property
    def name(self) -> str:
        """Such as "left_wrist - left_shoulder"."""
        return f"{self.joint} - {self.limb[0] if self.limb else 'torso centre'}"

    def lacks(self, skeleton: Skeleton) -> tuple[str, ...]:
        """The joints that it needs and that a skeleton does not have."""
        return lacking(skeleton, *dict.fromkeys((self.joint, *(self.limb or ()), *TRUNK)))


HEAD = Relative("head_top")
LIMBS = tuple(
    Relative(f"{side}_{end}", (f"{side}_{root}", f"{side}_{middle}"))
    for root, middle, end in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
    for side in ("left", "right")
)


@dataclass(frozen=True)
class Spread:
    """Figures of one relative position, by stage; NaN where nobody is counted."""

    n: int  # persons counted
    rms: dict[str, float]  # units, 0 or more
    direction: dict[str, float]  # circular variance: 0 all point one way, 1 no way prevails


def torso_unit(
    xy: np.ndarray, located: np.ndarray, skeleton: Skeleton, least_px: float = LEAST_PX
) -> np.ndarray:
    """|left shoulder - right hip| of persons in whom it is longer than `least_px`.

    Args:
        xy: (N, J, 2) px.
        located: (N, J) bool.
        skeleton: names the joints.
        least_px: in px of `xy`; 0 leaves out only torsos without a length.

    Returns:
        (N,) px; NaN: this person is not counted.

    Raises:
        UserError: the skeleton has no such joint.
    """
    length = reference_length(xy, located, skeleton.index("left_shoulder", "right_hip"))
    return np.where(length > least_px, length, np.nan)


def diagonal_unit(
    xy: np.ndarray, located: np.ndarray, skeleton: Skeleton, least_share: float = LEAST_SHARE
) -> np.ndarray:
    """The mean of the torso's two diagonals, which compares data sets of other image sizes.

    Persons count in whom |left shoulder - right hip| is longer than `least_share` of its median.

    Args, Returns, Raises: as `torso_unit`.
    """
    one = reference_length(xy, located, skeleton.index("left_shoulder", "right_hip"))
    other = reference_length(xy, located, skeleton.index("right_shoulder", "left_hip"))
    known = one[np.isfinite(one)]
    least = least_share * np.median(known) if len(known) else np.nan
    return np.where(one > least, (one + other) / 2, np.nan)


def relative_positions(
    xy: np.ndarray, located: np.ndarray, skeleton: Skeleton, relative: Relative, unit: np.ndarray
) -> dict[str, np.ndarray]:
    """Where a joint lies relative to another, stage by stage; x to the right, y down.

    Args:
        xy: (N, J, 2) px.
        located: (N, J) bool.
        skeleton: names the joints.
        relative: which joint, and relative to what.
        unit: (N,) px, as from `torso_unit`; who has none is left out.

    Returns:
        (n, 2) units by stage, `raw`, `body` and, of a limb, `limb`; the same persons in each: those with
        a unit whose shoulders, hips, neck and joints of `relative` are all located.

    Raises:
        UserError: the skeleton has no such joint.
        ValueError: the shapes do not fit each other.
    """
    if unit.shape != xy.shape[:1]:
        raise ValueError(f"unit has shape {unit.shape}, expected {xy.shape[:1]}")
    origin, up = torso_axis(xy, located, skeleton)
    known = np.isfinite(unit) & np.isfinite(up).all(-1)
    joint = skeleton.index(relative.joint)[0]
    known &= located[:, joint]
    angles = {"body": torso_angle(xy, located, skeleton)}
    if relative.limb is not None:
        root, middle = skeleton.index(*relative.limb)
        origin = xy[:, root].astype(np.float64)
        known &= located[:, root] & located[:, middle]
        angles["limb"] = limb_angle(xy, located, skeleton, *relative.limb)
    offset = ((xy[:, joint] - origin) / unit[:, None])[known]
    # What has no direction is not turned, as in the paper's module.
    after = {stage: turned(offset, np.nan_to_num(angle[known])) for stage, angle in angles.items()}
    return {"raw": offset} | after


def spread(
    xy: np.ndarray, located: np.ndarray, skeleton: Skeleton, relative: Relative, unit: np.ndarray
) -> Spread:
    """The figures of `relative_positions`, whose arguments and errors these are."""
    return spread_of(relative_positions(xy, located, skeleton, relative, unit))


def spread_of(stages: dict[str, np.ndarray]) -> Spread:
    """Figures of positions (n, 2) by stage."""
    return Spread(
        n=len(stages["raw"]),
        rms={stage: rms_distance(offset) for stage, offset in stages.items()},
        direction={stage: circular_variance(offset) for stage, offset in stages.items()},
    )


def rms_distance(points: np.ndarray) -> float:
    """The root mean square distance of points (n, 2) from their mean; NaN without points."""
    if not len(points):
        return float("nan")
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(-1).mean()))


def circular_variance(vectors: np.ndarray) -> float:
    """1 less the length of the mean of the directions of vectors (n, 2); 0 to 1.

    Vectors of no length have no direction; NaN when there are no others.

    Source: Mardia & Jupp, Directional Statistics, section 2.3.
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    directed = length[:, 0] > 0
    if not directed.any():
        return float("nan")
    return float(1 - np.linalg.norm((vectors[directed] / length[directed]).mean(0)))

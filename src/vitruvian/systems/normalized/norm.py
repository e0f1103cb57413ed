"""From joints to the frames in which maps are refined: centres and angles of the body and of the limbs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vitruvian.measure.angles import TRUNK
from vitruvian.nn.rotation import downward_angle, upright_angle
from vitruvian.skeleton import Skeleton
from vitruvian.types import UserError

Frame = tuple[Tensor, Tensor]  # a fixed point (B, 2) xy_cell and an angle (B,) radians
Places = tuple[Tensor, Tensor]  # (B, J, 2) xy_cell and which of them are known, (B, J) bool

LIMBS = tuple(
    tuple(f"{side}_{joint}" for joint in chain)
    for chain in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
    for side in ("right", "left")
)  # root, middle and end of each
CORE = (
    *("head_top", "nose", "neck"),
    *("right_shoulder", "left_shoulder", "right_hip", "left_hip"),
)  # the semi-global net's joints, in its order, as far as a skeleton has them


@dataclass(frozen=True)
class Anatomy:
    """Positions of the joints that frames are made of."""

    trunk: list[int]  # left and right shoulder, left and right hip
    neck: list[int]  # its mean is the neck
    limbs: list[list[int]]  # root, middle, end
    core: list[int]  # head, neck, shoulders and hips: the semi-global net's


def anatomy(skeleton: Skeleton) -> Anatomy:
    """The neck is the joint of that name, else the middle of the shoulders; limbs are those it has whole.

    Raises:
        UserError: the skeleton lacks a shoulder or a hip, or has no whole limb.
    """
    names = skeleton.joint_names
    if lacking := [name for name in TRUNK if name not in names]:
        raise UserError(
            f"system 'normalized' needs {', '.join(lacking)}, which skeleton {skeleton.name!r} does not"
            " have"
        )
    trunk = skeleton.index(*TRUNK)
    limbs = [skeleton.index(*limb) for limb in LIMBS if set(limb) <= set(names)]
    if not limbs:
        raise UserError(
            f"system 'normalized' needs a limb such as {', '.join(LIMBS[0])}, and skeleton"
            f" {skeleton.name!r} has none"
        )
    return Anatomy(
        trunk=trunk,
        neck=skeleton.index("neck") if "neck" in names else trunk[:2],
        limbs=limbs,
        core=skeleton.index(*(name for name in CORE if name in names)),
    )


def body_frame(
    parts: Anatomy, xy_cell: Tensor, upright: float, truth: Places | None = None
) -> Frame:
    """The torso's centre and the angle that turns it upright (equations 1 and 2).

    Args:
        xy_cell: (B, J, 2), where the joints were found.
        upright: degrees, the common orientation.
        truth: joints to take instead, for the persons of whom all five are known.
    """

    def axis(xy: Tensor) -> tuple[Tensor, Tensor]:
        return xy[:, parts.trunk].mean(1), xy[:, parts.neck].mean(1)

    centre, neck = axis(xy_cell)
    if truth is not None:
        known = truth[1][:, parts.trunk + parts.neck].all(1, keepdim=True)
        centre, neck = (
            torch.where(known, true, found)
            for true, found in zip(axis(truth[0]), (centre, neck), strict=True)
        )
    return centre, upright_angle(centre, neck, math.radians(upright))


def limb_frames(
    parts: Anatomy, xy_cell: Tensor, upright: float, truth: Places | None = None
) -> Frame:
    """Every limb's root and the angle that turns its first segment down, limb by limb: (L B, 2), (L B,)."""
    root, middle = ([limb[i] for limb in parts.limbs] for i in (0, 1))
    ends = [xy_cell[:, root], xy_cell[:, middle]]  # (B, L, 2)
    if truth is not None:
        xy_true, known = truth
        both = (known[:, root] & known[:, middle])[..., None]
        ends = [
            torch.where(both, xy_true[:, joints], found)
            for joints, found in zip((root, middle), ends, strict=True)
        ]
    start, end = (points.transpose(0, 1).flatten(0, 1) for points in ends)
    return start, downward_angle(start, end, math.radians(upright))

"""Persons whose torsos are known, an arm of one's own, and the protocols that score them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import Protocol
from vitruvian.measure.result import Result
from vitruvian.measure.scoring import Truth, score
from vitruvian.skeleton import LSP, Skeleton
from vitruvian.types import State

PCK = PROTOCOLS["lsp-pck-pc"]
PCP = PROTOCOLS["lsp-pcp-strict"]
N, J = 11, 14  # of `people`

ARM = Skeleton(
    "arm",
    ("left_hand", "right_hand", "tip", "base"),
    flip_pairs=(("left_hand", "right_hand"),),
    references={"own": ("tip", "base")},
    reference="own",
)
ARM_PCK = replace(
    PCK,
    name="arm",
    skeleton="arm",
    convention="",
    reference="own",
    joints=ARM.joint_names[:3],
    groups=(("hand", ("right_hand", "left_hand")),),
)


def people() -> Truth:
    """Torsos of 50 px; row 2 lacks a hip, the torso of row 5 has no length, a wrist lacks in row 7."""
    left_shoulder, right_hip = LSP.length("torso")
    xy = np.random.default_rng(0).uniform(-500, 500, (N, J, 2))
    xy[:, left_shoulder], xy[:, right_hip] = (60, 20), (30, 60)
    xy[5, right_hip] = (60, 20)
    state = np.full((N, J), State.VISIBLE)
    state[4, :6:5] = State.OCCLUDED
    state[2, right_hip] = State.MISSING
    state[7, LSP.index("right_wrist")] = State.MISSING
    return Truth(LSP, xy, state, "PC")


def run(protocol: Protocol, truth: Truth, pred: np.ndarray, **more: Any) -> Result:
    """Scores predictions (N, J, 2) px, with intervals from one generator."""
    return score(protocol, truth, pred, np.random.default_rng(1), **more)

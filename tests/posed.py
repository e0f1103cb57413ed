"""Persons with one pose whose size is known, and answers that contradict their labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vitruvian import geometry
from vitruvian.data.people import People
from vitruvian.data.suspects import Suspects
from vitruvian.data.synthetic import figures
from vitruvian.types import State
from vitruvian.use.contradicted import Looked, suspicious


def six_alike() -> People:
    """Six persons, keys 10 to 15, with one pose of 100 px extent on plain grey; three to train on."""
    made = figures(6, seed=5, side=128)
    pose = made.joints[0] - made.joints[0].min(0)
    joints = np.broadcast_to(100 * pose / pose.max() + 10, made.joints.shape).astype(np.float32)
    state = np.full(made.state.shape, State.VISIBLE, np.uint8)
    grey = np.full((128, 128, 3), 120, np.uint8)
    return replace(
        made,
        joints=joints,
        state=state,
        box=geometry.box_of_joints(joints, state == State.VISIBLE),
        key=np.arange(10, 16),
        photo=lambda row, factor: (grey, 1),
        subsets={"train": np.arange(3), "tune": np.arange(3, 6)},
    )


def looked(people: People, xy: np.ndarray) -> Looked:
    """`six_alike` after a model was sure of answers (N, J, 2)."""
    rows = suspicious(people, xy, np.full(xy.shape[:2], 0.9), 0.15, 0.5)
    values = Suspects(people.name, "all", "PC", "model", 0.15, 0.5, 84, 6, rows)
    return Looked(people, xy, values, "")

"""Who is who from frame to frame, and where to look next: boxes that follow poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from vitruvian.types import Poses
from vitruvian.use.boxes import ENOUGH_JOINTS, boxes_of_poses, overlaps, stand_out

LEAST = 0.2  # of a likeness, below which two are different persons
SAME = 0.7  # of a likeness, above which two boxes follow one person
PATIENCE = 30  # frames that an identity waits for its person to be found again

_SPREAD = 0.1  # of a person's size: how far a joint may move between two looks (as OKS's kappa)


@dataclass(frozen=True)
class Person:
    """One person as it was last found."""

    identity: int  # from 1, in the order of appearance
    frame: int  # of its last pose
    box: np.ndarray  # (4,) closely around the joints that stand out, else where it was looked for
    xy: np.ndarray  # (J, 2)
    sure: np.ndarray  # (J,) bool


class Tracker:
    """Identities over the frames of one video, in memory that grows with the persons in sight alone."""

    def __init__(self, threshold: float, patience: int = PATIENCE):
        self.threshold, self.patience = threshold, patience
        self._persons: list[Person] = []
        self._frame = -1
        self._given = 0

    def follow(self) -> tuple[np.ndarray, tuple[int, ...]]:
        """Boxes (N, 4) of `types` for the next frame and whose they are.

        Of the persons of the last frame those with three sure joints; of two boxes that have come to
        follow the same person, the older one.
        """
        kept: list[Person] = []
        for person in sorted(self._persons, key=lambda one: one.identity):
            seen = person.frame == self._frame and person.sure.sum() >= ENOUGH_JOINTS
            if seen and not (kept and likeness([person], kept).max() > SAME):
                kept.append(person)
        boxes = np.array([person.box for person in kept], np.float32).reshape(-1, 4)
        return boxes, tuple(person.identity for person in kept)

    def update(self, poses: Poses, identities: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Takes the poses of the next frame and says who they are.

        Args:
            poses: of all persons of the frame.
            identities: who they are, where `follow` said so; without, they are assigned to the persons
                that they are most like, by boxes and poses together, or are new.
        """
        self._frame += 1
        found = self._found(poses)
        if identities is None:
            pairs = dict(assign(likeness(found, self._persons)))
            identities = tuple(
                self._persons[pairs[i]].identity if i in pairs else self._new()
                for i in range(len(found))
            )
        known = [p for p in self._persons if p.identity not in identities]
        known = [p for p in known if self._frame - p.frame <= self.patience]
        named = zip(found, identities, strict=True)
        self._persons = known + [
            Person(identity, self._frame, one.box, one.xy, one.sure) for one, identity in named
        ]
        return identities

    def alive(self) -> tuple[int, ...]:
        """Who is in sight, or was so lately."""
        return tuple(person.identity for person in self._persons)

    def _new(self) -> int:
        self._given += 1
        return self._given

    def _found(self, poses: Poses) -> list[Person]:
        sure = (poses.score >= self.threshold) & np.isfinite(poses.xy).all(-1)
        around = boxes_of_poses(poses.xy, stand_out(poses.score), poses.box, 1.0)
        rows = zip(around, poses.xy, sure, strict=True)
        return [Person(0, self._frame, box, xy, of) for box, xy, of in rows]


def likeness(some: list[Person], others: list[Person]) -> np.ndarray:
    """(N, M), 0 to 1: the mean of the boxes' overlap and, where joints are sure in both, the poses'."""
    values = np.zeros((len(some), len(others)))
    if not values.size:
        return values
    values = overlaps(np.array([a.box for a in some]), np.array([b.box for b in others]))
    for i, a in enumerate(some):
        for j, b in enumerate(others):
            both = a.sure & b.sure
            if both.any():
                square = np.square(a.xy[both] - b.xy[both]).sum(-1)
                size = _SPREAD * np.sqrt(a.box[2:].prod() * b.box[2:].prod()) ** 0.5
                near = np.exp(-square / (2 * max(float(size), 1e-6) ** 2)).mean()
                values[i, j] = (values[i, j] + near) / 2
    return values


def assign(values: np.ndarray, least: float = LEAST) -> list[tuple[int, int]]:
    """Pairs (row, column) of the largest sum of likeness, without those below `least`."""
    if not values.size:
        return []
    rows, columns = linear_sum_assignment(np.where(values < least, 0, values), maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j) for i, j in pairs if values[i, j] >= least]

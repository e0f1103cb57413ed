"""Who is who, on boxes and poses made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.types import Poses
from vitruvian.use.track import Person, Tracker, assign, likeness

SHAPE = np.array([[0, 0], [20, 0], [0, 60], [20, 60]], np.float32)


def at(*places: tuple[float, float], score: float = 1.0) -> Poses:
    """A person 20 px wide and 60 px tall with its first joint at each place."""
    xy = np.array([SHAPE + place for place in places], np.float32).reshape(-1, 4, 2)
    box = np.array([[x - 5, y - 5, 30, 70] for x, y in places], np.float32).reshape(-1, 4)
    return Poses(xy, np.full(xy.shape[:2], score, np.float32), box)


def test_the_best_sum_is_assigned_not_the_best_pair() -> None:
    values = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert assign(values) == [(0, 1), (1, 0)]
    assert assign(values, least=0.82) == [(0, 0)]
    assert assign(np.zeros((0, 3))) == []
    assert assign(np.full((2, 3), 0.1)) == []


def test_likeness_by_hand() -> None:
    sure = np.array([True, True, False])
    box = np.array([0, 0, 100, 100], np.float32)
    one = Person(0, 0, box, np.array([[0, 0], [50, 50], [9, 9]]), sure)
    other = Person(1, 0, box, np.array([[10, 0], [50, 50], [80, 9]]), sure)
    blind = Person(2, 0, box, other.xy, ~sure)
    # both boxes the same: 1; joints 10 px = one spread apart, and 0 apart
    expected = (1 + (np.exp(-0.5) + 1) / 2) / 2
    assert likeness([one], [other, blind])[0].tolist() == pytest.approx([expected, 1])


def test_identities_go_with_the_persons_not_with_the_rows() -> None:
    tracker = Tracker(0.5)
    assert tracker.update(at((0, 0), (100, 0))) == (1, 2)
    assert tracker.update(at((96, 3), (4, 2))) == (2, 1)
    assert tracker.update(at((8, 4), (300, 0), (92, 6))) == (1, 3, 2)


def test_who_comes_back_is_known_for_a_while() -> None:
    tracker = Tracker(0.5, patience=2)
    tracker.update(at((0, 0), (100, 0)))
    tracker.update(at((0, 0)))
    assert tracker.alive() == (2, 1)
    assert tracker.update(at((0, 0), (102, 0))) == (1, 2)
    for _ in range(3):
        tracker.update(at((0, 0)))
    assert tracker.alive() == (1,)
    assert tracker.update(at((102, 0))) == (3,)


def test_boxes_follow_poses() -> None:
    tracker = Tracker(0.5)
    tracker.update(at((10, 20), (200, 20)))
    boxes, whose = tracker.follow()
    assert whose == (1, 2)
    # squares of 60 px around the joints: centres (20, 50) and (210, 50)
    np.testing.assert_allclose(boxes, [[-10, 20, 60, 60], [180, 20, 60, 60]])
    tracker.update(at((14, 20), (204, 20)), whose)
    assert tracker.follow()[0][:, 0].tolist() == [-6, 184]


def test_a_box_follows_the_joints_that_stand_out() -> None:
    """The last joint, far away, is above the threshold but below half the median of 0.9."""
    seen = at((10, 20))
    seen.xy[0, 3] = (500, 500)
    seen.score[:] = [0.9, 0.9, 0.9, 0.2]
    tracker = Tracker(0.15)
    tracker.update(seen)
    np.testing.assert_allclose(tracker.follow()[0], [[-10, 20, 60, 60]])


def test_the_lost_are_not_followed() -> None:
    tracker = Tracker(0.5)
    tracker.update(at((10, 20), score=0.4))
    boxes, whose = tracker.follow()
    assert boxes.shape == (0, 4)
    assert whose == ()


def test_two_boxes_on_one_person_become_one() -> None:
    tracker = Tracker(0.5)
    tracker.update(at((10, 20), (200, 20)))
    tracker.update(at((10, 20), (11, 20)), (1, 2))
    assert tracker.follow()[1] == (1,)


def test_memory_does_not_grow() -> None:
    tracker = Tracker(0.5, patience=3)
    for n in range(50):
        tracker.update(at((1000.0 * n, 0)))
    assert len(tracker.alive()) == 4

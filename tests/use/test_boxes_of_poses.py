"""Boxes around poses, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.use.boxes import boxes_of_poses, closer_boxes, overlaps, stand_out

XY = np.array(
    [[10, 20], [30, 20], [20, 60], [500, 500]], np.float32
)  # a square of 50 about (20, 40)


def test_boxes_of_poses() -> None:
    old = np.array([[0, 0, 9, 9], [1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    xy = np.stack([XY, XY, np.where(np.arange(4)[:, None] == 1, np.nan, XY)])
    sure = np.array(
        [[True, True, True, False], [True, True, False, False], [True, True, True, False]]
    )
    box = boxes_of_poses(xy, sure, old, margin=1.25)
    np.testing.assert_allclose(box, [[-5, 15, 50, 50], [1, 2, 3, 4], [5, 6, 7, 8]])


@pytest.mark.parametrize("scale", [1.0, 0.1, 0.001])
def test_a_joint_stands_out_by_half_the_median_of_its_person(scale: float) -> None:
    """What a model's scores are on the whole does not matter."""
    score = np.array([[0.9, 0.6, 0.4, 0.24], [0.9, 0.6, 0.4, 0.26]]) * scale  # medians of 0.5
    old = np.array([[0, 0, 900, 900]] * 2, np.float32)
    box = closer_boxes(np.stack([XY, XY]), score, old, 1.25, (64, 64))
    np.testing.assert_allclose(box, [[-5, 15, 50, 50], [-51.25, -46.25, 612.5, 612.5]])


def test_joints_of_no_score_are_not_in_the_median() -> None:
    """Eight of eleven were not seen at all; the last one hardly."""
    score = np.array([[0.0] * 7 + [0.9, 0.8, 0.9, 0.001]])
    assert stand_out(score).tolist() == [[False] * 7 + [True] * 3 + [False]]
    assert not stand_out(np.array([[0.0, 0.0], [np.nan, np.nan]])).any()


@pytest.mark.parametrize(("crop", "moves"), [((64, 64), False), ((64, 32), True)])
def test_what_a_crop_shows_of_a_box_decides(crop: tuple[int, int], moves: bool) -> None:
    """A square crop shows 50 x 50 of a box of 30 x 50, as of the square about the joints."""
    old = np.array([[5, 15, 30, 50]], np.float32)
    box = closer_boxes(XY[None], np.array([[0.9, 0.9, 0.9, 0.1]]), old, 1.25, crop)
    assert (box != old).any() == moves


def test_nothing_seen_is_nowhere_to_look() -> None:
    old = np.array([[1, 2, 300, 400]], np.float32)
    assert closer_boxes(XY[None], np.zeros((1, 4)), old, 1.25, (64, 48)).tolist() == old.tolist()
    unread = np.full((1, 4, 2), np.nan)
    assert closer_boxes(unread, np.ones((1, 4)), old, 1.25, (64, 48)).tolist() == old.tolist()


@pytest.mark.parametrize(
    ("side", "moves"), [(52.6, False), (52.8, True), (47.5, False), (47.4, True)]
)
def test_a_box_is_settled_at_an_overlap_of_nine_tenths(side: float, moves: bool) -> None:
    """Squares about one centre: 50 x 50 within 52.7 x 52.7, 47.43 x 47.43 within 50 x 50."""
    old = np.array([[20 - side / 2, 40 - side / 2, side, side]], np.float32)
    score = np.array([[0.9, 0.9, 0.9, 0.1]])
    box = closer_boxes(XY[None], score, old, 1.25, (64, 64))
    assert (box != old).any() == moves
    assert box[0, 2] == pytest.approx(50 if moves else side)


def test_overlaps() -> None:
    a = np.array([[0, 0, 10, 10], [0, 0, 4, 4]], np.float32)
    b = np.array([[5, 0, 10, 10], [20, 20, 1, 1], [0, 0, 10, 10]], np.float32)
    np.testing.assert_allclose(overlaps(a, b), [[1 / 3, 0, 1], [0, 0, 0.16]])

"""Who is shown, and that truth is green and prediction red where they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian import geometry
from vitruvian.data.synthetic import figures
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import truth_of
from vitruvian.use.worst import ANSWER, TRUTH, picture, worst_rows

PROTOCOL = PROTOCOLS["lsp-pck-pc"]


@pytest.fixture
def people():
    return figures(6, seed=4, side=96)


def test_the_worst_stand_first(people):
    xy = people.joints.astype(float)
    xy[4] += 1000  # cut at one length a joint
    xy[1, 0] += 1000  # one joint of 14
    xy[2] = np.nan  # nothing was predicted
    assert worst_rows(PROTOCOL, truth_of(people), xy, 3).tolist() == [2, 4, 1]


def test_a_far_joint_counts_as_one_length(people):
    """Two joints beyond 1 length are worse than one joint at 100."""
    xy = people.joints.astype(float)
    xy[3, 5] += 1e4
    xy[5, :2] += 1e3
    assert worst_rows(PROTOCOL, truth_of(people), xy, 2).tolist() == [5, 3]


def test_persons_who_are_not_scored_are_not_shown(people):
    state = people.state.copy()
    state[0] = State.MISSING
    state[1, people.skeleton.length("torso")[0]] = State.MISSING  # no reference length
    nobody = replace(people, state=state)
    rows = worst_rows(PROTOCOL, truth_of(nobody), people.joints + 9.0, 99)
    assert sorted(rows.tolist()) == [2, 3, 4, 5]


def spots(tile, colour):
    return np.abs(tile.astype(int) - colour).max(-1) < 25


def in_tile(people, row, xy, side):
    box = geometry.grow(geometry.fit_aspect(people.box[row][None].astype(float), 1, 1), 1.3)
    to_tile = geometry.invert(geometry.crop_to_image(box, side, side)[0])
    return np.rint(geometry.apply(to_tile, xy.astype(float))).astype(int)


def test_truth_is_green_and_prediction_red(people):
    side = 200
    xy = people.joints[3] + [11, 0]
    tile = picture(people, 3, xy, side)
    assert tile.shape == (side, side, 3)
    assert tile.dtype == np.uint8
    blank = picture(people, 3, np.full_like(xy, np.nan), side)
    for x, y in in_tile(people, 3, people.joints[3], side):
        assert spots(blank, TRUTH)[y, x]
    for x, y in in_tile(people, 3, xy, side):
        assert spots(tile, ANSWER)[y, x]


def test_joints_without_a_label_are_not_drawn(people):
    state = people.state.copy()
    state[0] = State.MISSING
    tile = picture(replace(people, state=state), 0, np.full((14, 2), np.nan))
    assert not spots(tile, TRUTH).any()


def test_a_pose_far_outside_does_no_harm(people):
    xy = people.joints[2].astype(float)
    xy[3] = [1e9, -1e9]
    assert picture(people, 2, xy).shape == (256, 256, 3)


def test_a_person_without_a_box(people):
    box = people.box.copy()
    box[1] = np.nan
    with pytest.raises(UserError, match="figure 1: nobody is labelled"):
        picture(replace(people, box=box), 1, people.joints[1])

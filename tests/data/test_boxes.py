"""Where a person is looked for first, by hand-computed boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian.data.boxes import (
    as_learnt,
    face_boxes,
    face_factor,
    image_boxes,
    looks,
    start_from,
)
from vitruvian.data.people import OWN_BOX, People, hold_out
from vitruvian.skeleton import LSP, Skeleton
from vitruvian.types import State, UserError

HEAD = Skeleton("head", ("left_eye", "right_eye", "nose", "knee"))


def people(**more: object) -> People:
    """Three persons in two photographs of 40 x 30 px; the third has no nose."""
    joints = np.zeros((3, 4, 2), np.float32)
    joints[:] = [(20, 10), (10, 10), (15, 13), (15, 61)]  # eyes 10 px apart about (15, 11)
    joints[1] = [(5, 5), (4, 5), (6, 5), (5, 45)]  # 1 px apart: the least face, 20 px about (5, 5)
    state = np.full((3, 4), State.VISIBLE, np.uint8)
    state[2, 2] = State.MISSING
    values = dict(
        name="heads", skeleton=HEAD, joints=joints, state=state,
        box=np.full((3, 4), 7, np.float32), key=np.arange(3),
        photo=lambda row, factor: (np.zeros((30, 40, 3), np.uint8), 1),
        label=lambda row: ("a.jpg", "a.jpg", "b.jpg")[row], size=lambda row: (30, 40),
        subsets={"train": np.arange(2), "val": np.array([2])}, provenance="by hand",
        image=np.array([4, 4, 9]),
    )  # fmt: skip
    return People(**(values | more))  # type: ignore[arg-type]


def test_a_face_is_three_eye_distances_wide() -> None:
    box = face_boxes(people())
    np.testing.assert_allclose(box[0], [0, -4, 30, 30])  # about (15, 11)
    np.testing.assert_allclose(box[1], [-5, -5, 20, 20])
    assert np.isnan(box[2]).all()


def test_the_factor_holds_all_joints_of_the_training() -> None:
    # the knees lie 50 and 40 px below the centres of faces of 15 and 10 px half
    assert face_factor(people().subset("train")) == pytest.approx(4.0)
    assert face_factor(people().rows(np.array([0]))) == pytest.approx(50 / 15)


def test_start_from_a_face() -> None:
    started = start_from(people(), "face")
    np.testing.assert_allclose(started.box[1], [-35, -35, 80, 80])
    np.testing.assert_array_equal(started.boxes[OWN_BOX], people().box)
    assert np.isnan(started.box[2]).all()  # nobody to train on
    twice = start_from(people(), "face", 2)
    np.testing.assert_allclose(twice.box[0], [-15, -19, 60, 60])
    assert (started.box_words, twice.box_words) == ("face x4, square", "face x2, square")


def test_faces_that_a_data_set_gives_come_first() -> None:
    own = np.tile(np.float32([1, 2, 3, 4]), (3, 1))
    assert (face_boxes(people(boxes={"face": own})) == own).all()


def test_start_from_the_image() -> None:
    started = start_from(people(), "image")
    np.testing.assert_array_equal(started.box, np.tile([-0.5, -0.5, 40, 30], (3, 1)))
    assert started.box_words == "whole image"
    other = people(box_words="objpos")
    assert start_from(other, "data").box_words == "objpos"
    assert start_from(other, "labelled").box_words == "labelled joints x1.25, square"


def test_start_from_the_centre() -> None:
    """Of 40 x 30 px the centre is (19.5, 14.5): half of 178 px to either side."""
    started = start_from(people(), "centre")
    np.testing.assert_array_equal(started.box, np.tile([-69.5, -74.5, 178, 178], (3, 1)))
    assert started.box_words == "178 px about the photograph's centre, square"
    np.testing.assert_array_equal(started.boxes[OWN_BOX], people().box)
    learnt = as_learnt(people(), "centre")
    np.testing.assert_array_equal(learnt.box, started.box)
    assert learnt.box_words == started.box_words
    assert looks("centre") == 1


def test_what_cannot_be_read_has_a_box_of_one_pixel() -> None:
    def size(row: int) -> tuple[int, int]:
        if row == 2:
            raise UserError("b.jpg is empty")
        return 30, 40

    np.testing.assert_array_equal(image_boxes(people(size=size))[2], [-0.5, -0.5, 1, 1])


def test_as_the_data_set_says() -> None:
    heads = people()
    assert start_from(heads, "data") is heads


def test_what_cannot_be_done() -> None:
    with pytest.raises(UserError, match="lacks 'left_eye'; start from --set box=image"):
        face_boxes(replace(people(), skeleton=replace(LSP, limbs=())))
    with pytest.raises(UserError, match="holds crops, not whole photographs"):
        start_from(people(whole=False), "image")
    nobody = people(state=np.full((3, 4), State.MISSING, np.uint8))
    with pytest.raises(UserError, match="nobody with a face"):
        face_factor(nobody)


def test_hold_out_takes_whole_photographs() -> None:
    many = replace(
        people(),
        subsets={"train": np.arange(3), "val": np.array([], int)},
        image=np.array([4, 4, 9]),
    )
    held = hold_out(many, 1)
    train, tune = held.subsets["train"].tolist(), held.subsets["tune"].tolist()
    assert sorted([train, tune]) == [[0, 1], [2]]
    assert hold_out(many, 0) is many
    with pytest.raises(
        UserError, match="2 photographs cannot be held out of 2: give fewer with --hold-out"
    ):
        hold_out(many, 2)


def test_more_held_out_are_the_same_and_more() -> None:
    wide = replace(people().rows(np.arange(3).repeat(20)), image=np.arange(60))
    few, more = (set(hold_out(wide, count).subsets["tune"].tolist()) for count in (5, 9))
    assert len(few) == 5
    assert few < more


def test_where_a_model_looks_that_has_learnt_from_more_than_a_person() -> None:
    heads = people()
    for start in ("data", "labelled"):
        assert as_learnt(heads, start) is heads
        assert looks(start) == 2
    assert as_learnt(replace(heads, whole=False), "image").box is heads.box
    assert (looks("image"), looks("face")) == (1, 1)
    whole = as_learnt(heads, "image")
    np.testing.assert_array_equal(whole.box, np.tile([-0.5, -0.5, 40, 30], (3, 1)))
    assert whole.box_words == "whole image"
    found = as_learnt(heads, "face", 4)
    np.testing.assert_allclose(found.box[1:], [[-35, -35, 80, 80], [-0.5, -0.5, 40, 30]])
    assert found.box_words == "face x4, square; whole image where there is none"
    assert as_learnt(heads.rows(np.arange(2)), "face", 4).box_words == "face x4, square"
    assert as_learnt(heads, "face").box_words == "whole image"  # no factor was measured


def test_a_data_set_without_faces_is_scored_as_it_is() -> None:
    knees = replace(people(), skeleton=Skeleton("knees", ("a", "b", "c", "d")))
    assert as_learnt(knees, "face", 4) is knees

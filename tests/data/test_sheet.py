"""What a sheet of labels and its legend show."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from vitruvian.data.people import People
from vitruvian.data.sheet import contact_sheet, draw_tile, legend
from vitruvian.data.synthetic import figures
from vitruvian.draw import SIDE_COLOURS
from vitruvian.skeleton import Skeleton
from vitruvian.types import State, UserError

GREY = (40, 40, 40)


def unread(row: int, factor: int) -> tuple[np.ndarray, int]:
    raise UserError("gone")


@pytest.fixture
def people() -> People:
    """Five figures on plain grey."""
    made = figures(5, seed=5, side=128)
    state = np.full(made.state.shape, State.VISIBLE, np.uint8)
    grey = np.full((128, 128, 3), 200, np.uint8)
    return replace(made, state=state, photo=lambda row, factor: (grey, 1))


def dots(picture: np.ndarray, side: str) -> list[tuple[int, int]]:
    """Centres (x, y) of the round spots of a side's colour."""
    mask = (picture == SIDE_COLOURS[side]).all(-1).astype(np.uint8)
    _, _, stats, centres = cv2.connectedComponentsWithStats(mask)
    round_ = [i for i in range(1, len(stats)) if stats[i, 4] > 50 and stats[i, 2] == stats[i, 3]]
    return [(round(centres[i][0]), round(centres[i][1])) for i in round_]


def test_tiles_show_what_is_labelled(people: People) -> None:
    people.state[1] = State.OCCLUDED
    people.state[3] = State.MISSING
    people.box[3] = np.nan
    grey = people.photo
    people = replace(people, photo=lambda row, factor: (unread if row == 2 else grey)(row, factor))
    sheet = contact_sheet(people, range(5), columns=3, side=80)
    assert sheet.shape[1:] == (240, 3)
    assert sheet.dtype == np.uint8
    grid = sheet[-160:]
    lit, occluded, gone = grid[:80, :80], grid[:80, 80:160], grid[:80, 160:]
    for side in ("right", "left"):
        colour = np.array(SIDE_COLOURS[side])
        assert (lit == colour).all(-1).any()
        assert not (occluded == colour).all(-1).any()
        assert (occluded == (0.4 * colour).astype(int)).all(-1).any()
    assert (gone[:60] == 128).all()
    assert (grid[80:, :80] == 200).mean() > 0.7  # nobody labelled: the photograph alone
    assert (grid[80:, 160:] == 0).all()


def test_a_tile_says_where_points_of_the_photograph_are(people: People) -> None:
    tile = draw_tile(people, 0, 100)
    joint = people.skeleton.index("left_ankle")[0]
    assert tile.to_tile is not None
    x, y = tile.to_tile @ [*people.joints[0, joint], 1]
    assert tuple(tile.picture[round(y), round(x)]) == SIDE_COLOURS["left"]
    assert draw_tile(replace(people, photo=unread), 0, 100).to_tile is None


def test_the_legend_has_every_joint_with_the_colour_of_its_side(people: People) -> None:
    band = legend(people, ("more",), 900)
    names = people.skeleton.joint_names
    for side in ("right", "left"):
        assert len(dots(band, side)) == 1 + sum(name.startswith(side) for name in names)
    renamed = replace(people.skeleton, joint_names=names, limbs=())
    assert (legend(replace(people, skeleton=renamed), ("more",), 900) == band).all()
    turned = tuple(names[joint] for joint in people.skeleton.swap)
    exchanged = Skeleton("x", turned, people.skeleton.flip_pairs)
    other = legend(replace(people, skeleton=exchanged), ("more",), 900)
    assert [y for _, y in sorted(dots(other, "right")[1:])] == [
        y for _, y in sorted(dots(band, "left")[1:])
    ]
    assert (legend(people, ("less",), 900) != band).any()
    assert (legend(replace(people, convention="OC"), ("more",), 900) != band).any()


def test_pairs_whose_names_do_not_say_sides_are_named(people: People) -> None:
    names = tuple(f"keypoint_{i}" for i in range(14))
    plain = replace(people, skeleton=Skeleton("x", names))
    paired = replace(people, skeleton=Skeleton("x", names, (("keypoint_3", "keypoint_7"),)))
    rows = (legend(plain, (), 6000) != legend(paired, (), 6000)).any((1, 2)).nonzero()[0]
    assert len(rows)
    assert len(dots(legend(paired, (), 6000), "right")) == 1  # of the heading alone


def test_the_most_labelled_person_stands_in_the_legend_with_numbers(people: People) -> None:
    people.state[:, :3] = State.MISSING
    people.state[3] = State.VISIBLE
    sheet = contact_sheet(people, range(5), columns=4, side=160)
    key = sheet[:300, :300]
    tile = draw_tile(people, 3, 300)
    differs = (key != tile.picture).any(-1)
    assert 0.005 < differs.mean() < 0.1  # numbers beside the joints
    assert tile.to_tile is not None
    for joint in people.joints[3].astype(float):
        x, y = np.rint(tile.to_tile @ [*joint, 1]).astype(int)
        assert not differs[y, x]
    assert (sheet[:300, 310] == GREY).all()


def test_a_sheet_of_nobody_and_of_photographs_that_are_gone(people: People) -> None:
    assert contact_sheet(people, [], side=80).shape[1:] == (640, 3)
    gone = contact_sheet(replace(people, photo=unread), range(5), columns=5, side=80)
    assert (gone[-80:, :70][:60] == 128).all()
    assert len(dots(gone[:-80], "right")) == 7

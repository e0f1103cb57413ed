"""What the picture of suspect labels shows, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posed import looked, six_alike
from vitruvian.data.people import People
from vitruvian.data.sheet import draw_tile
from vitruvian.draw import SIDE_COLOURS
from vitruvian.use.contradicted_sheet import suspect_sheet

TILE = 240


@pytest.fixture
def people() -> People:
    return six_alike()


def like(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(picture.astype(int) - colour).max(-1) < 8


def pink(picture: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    return (red - green > 80) & (blue - green > 60)


def test_a_suspect_label_is_ringed_and_a_line_leads_to_the_answer(people: People) -> None:
    wrist = people.skeleton.index("left_wrist")[0]
    xy = people.joints.astype(float)
    xy[4, wrist] += (40, -30)
    sheet = suspect_sheet(looked(people, xy), 3)
    cell = sheet[-TILE:]
    to_tile = draw_tile(people, 4, TILE).to_tile
    assert to_tile is not None
    at, answer = (to_tile @ [*point, 1] for point in (people.joints[4, wrist], xy[4, wrist]))
    y, x = pink(cell[:, :TILE]).nonzero()
    far = np.hypot(x - at[0], y - at[1])
    ring = np.abs(far - 7) < 1.5
    assert ring.sum() > 20
    assert not (far < 5).any()  # the label itself stays to be seen
    across, along = (answer - at) / np.linalg.norm(answer - at) @ [[0, 1], [-1, 0]], answer - at
    beside = np.abs((np.stack([x, y], 1) - at) @ across)
    assert (beside[~ring] < 4).all()  # nothing but the line
    assert far.max() == pytest.approx(np.linalg.norm(along), abs=4)
    assert not pink(cell[:, TILE:]).any()
    right, down = np.rint(answer).astype(int)
    assert like(cell[down, TILE + right], SIDE_COLOURS["left"])


def test_only_the_answers_that_contradict_are_bright(people: People) -> None:
    xy = np.full(people.joints.shape, np.nan)
    xy[4] = people.joints[4] + 2
    xy[4, people.skeleton.index("left_wrist")] = (20, 70)
    sheet = suspect_sheet(looked(people, xy), 3)[-TILE:]
    bright = like(sheet, SIDE_COLOURS["left"])
    labels, answers = bright[:, :TILE].sum(), bright[:, TILE : 2 * TILE].sum()
    assert labels > 4 * answers > 0


def test_names_stand_beside_the_photograph(people: People) -> None:
    xy = people.joints.astype(float)
    xy[4, people.skeleton.index("left_wrist")] += 40
    one = suspect_sheet(looked(people, xy), 3)[-TILE:, 2 * TILE : 2 * TILE + 120]
    xy[4, people.skeleton.index("neck")] += 60
    two = suspect_sheet(looked(people, xy), 3)[-TILE:, 2 * TILE : 2 * TILE + 120]

    def lines(words: np.ndarray) -> int:
        return int((np.diff((words != 40).any((1, 2)).astype(int)) == 1).sum())

    assert lines(two) == lines(one) + 1 == 3  # the photograph's name and a joint each
    everything = people.joints + 60.0
    assert lines(suspect_sheet(looked(people, everything), 1)[-TILE:, 2 * TILE :]) == 12


def test_persons_with_more_come_first_and_photographs_may_be_gone(people: People) -> None:
    xy = people.joints.astype(float)
    xy[1, 0] += 50
    xy[4, :5] += 50
    sheet = suspect_sheet(looked(people, xy), 32)
    width = sheet.shape[1] // 3
    first, second = (pink(sheet[-TILE:, x : x + TILE]).sum() for x in (0, width))
    assert first > 2 * second > 0
    assert (sheet[-TILE:, 2 * width :] == 40).all()
    assert suspect_sheet(looked(people, xy), 1)[-TILE:, width : width + TILE].max() == 40

    def gone(row: int, factor: int) -> tuple[np.ndarray, int]:
        from vitruvian.types import UserError

        raise UserError("gone")

    unread = suspect_sheet(looked(replace(people, photo=gone), xy), 1)
    assert (unread[-TILE:, : 2 * TILE] == 128).all()


def test_no_suspects_no_picture(people: People) -> None:
    with pytest.raises(ValueError, match="no label is suspect"):
        suspect_sheet(looked(people, people.joints.astype(float)), 3)

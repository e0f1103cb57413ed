"""Pictures are made once, kept while there is room, and cannot be painted over."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.data.kept import Kept
from vitruvian.data.synthetic import figures, paint, scenes


def test_a_picture_is_made_once_and_others_when_there_is_no_room_for_them():
    made: list[int] = []

    def make(row: int) -> np.ndarray:
        made.append(row)
        return np.full((2, 3, 3), row, np.uint8)  # 18 bytes

    kept = Kept(make, most_bytes=40)
    for row in (0, 1, 2, 0, 1, 2):
        picture, factor = kept.photo(row, 4)
        assert (picture == row).all()
        assert factor == 1
    assert made == [0, 1, 2, 2]


def test_what_is_kept_cannot_be_changed():
    picture, _ = figures(8).photo(3, 1)
    with pytest.raises(ValueError, match="read-only"):
        picture[0, 0] = 0


def test_figures_are_the_same_at_the_second_look():
    people = figures(8, seed=5, side=64)
    assert np.array_equal(people.photo(2, 1)[0], people.photo(2, 1)[0])
    assert np.array_equal(people.photo(2, 1)[0], paint(scenes(8, 5, 64), 2))

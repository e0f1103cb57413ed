"""What a data set is: its rows, and whether its photographs are there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian.data.people import People, check_photographs, whole_training
from vitruvian.data.synthetic import figures
from vitruvian.types import UserError


def with_photographs(people: People, there: set[int]) -> People:
    """The data set of which some rows' photographs are there."""

    def size(row: int) -> tuple[int, int]:
        if row not in there:
            raise UserError(f"photograph {row} does not exist: unpack")
        return 48, 48

    return replace(people, size=size)


def test_who_lacks_all_photographs_says_it_at_once() -> None:
    people = figures(12, side=48)
    with pytest.raises(UserError, match=r"^photograph 0 does not exist: unpack$"):
        check_photographs(with_photographs(people, set()))
    check_photographs(with_photographs(people, {11}))  # the last one looked at
    check_photographs(people.rows(np.arange(0)))


def test_whole_training_takes_rows_from_other_subsets() -> None:
    people = figures(12, side=48)  # 8 train, 1 tune, 3 val
    assert whole_training(people) is people
    full = replace(people, subsets=people.subsets | {"train_full": np.arange(10)})
    left = {name: rows.tolist() for name, rows in whole_training(full).subsets.items()}
    assert left == {"train": list(range(10)), "val": [10, 11]}

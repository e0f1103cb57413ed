"""Figures at a glance are those of the whole evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import drawn
from vitruvian.data.loader import Skipped
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.types import State
from vitruvian.use.evaluate import Predicted, evaluate, predict_people
from vitruvian.use.quick import quick_score, right_answers, spread


@pytest.fixture(scope="module")
def people() -> People:
    return figures(30, seed=5, side=64)


def middle(image: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
    return np.full((len(image), 14, 2), 40, np.float32), np.ones((len(image), 14), np.float32)


def test_quick_score_is_the_total_of_evaluate(people: People) -> None:
    total = evaluate(middle, people, drawn.CROP).total.value
    assert total > 0
    assert quick_score(predict_people(middle, people, people.box, drawn.CROP), people) == total


def test_right_answers_by_hand(people: People) -> None:
    """Of three persons: one has no wrist, one was not read, one joint of one is far off."""
    few = people.rows(np.array([0, 1, 2]))
    state = np.full(few.state.shape, State.VISIBLE, np.uint8)
    state[0, 6] = State.MISSING
    xy = few.joints.astype(np.float64)
    xy[1] = np.nan
    xy[2, 4] += 500
    score = np.arange(42).reshape(3, 14) / 100
    known, right = right_answers(Predicted(xy, score, Skipped()), replace(few, state=state))
    assert known.tolist() == [*score[0, :6], *score[0, 7:], *score[2]]
    assert (~right).nonzero()[0].tolist() == [13 + 4]


def test_spread_tells_a_collapsed_net_from_a_good_one(people: People) -> None:
    def same(image: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        xy = np.tile(np.linspace(5, 60, 14)[None, :, None], (len(image), 1, 2))
        return xy.astype(np.float32), np.ones((len(image), 14), np.float32)

    truth = drawn.answering(people, people.joints)
    found = [predict_people(run, people, people.box, drawn.CROP) for run in (truth, same)]
    assert spread(found[0], people) == pytest.approx(1, abs=1e-4)
    assert spread(found[1], people) < 1e-4

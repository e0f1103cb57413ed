"""Types of poses drawn equally often: counted in what the loader draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitruvian.data.balance import balanced_types
from vitruvian.data.leeds import read_lsp
from vitruvian.data.loader import epoch_rows
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.skeleton import LSP, Skeleton
from vitruvian.types import State, UserError

KINDS = np.repeat([0, 1, 2], (30, 12, 3))


@pytest.fixture
def people() -> People:
    """30 upright, 12 lying and 3 upside down, all like one figure."""
    first = figures(45, side=64)
    pose = first.joints[0] - first.joints[0].mean(0)
    turns = np.array([[[1, 0], [0, 1]], [[0, -1], [1, 0]], [[-1, 0], [0, -1]]])
    noise = np.random.default_rng(0).normal(0, 0.1, (45, len(LSP), 2))
    joints = np.einsum("nij,kj->nki", turns[KINDS], pose) + noise + 100
    return replace(first, joints=joints.astype(np.float32))


def drawn(people: People, epochs: int = 200) -> np.ndarray:
    """(N,) how often rows come per epoch."""
    rows = [epoch_rows(len(people), people.weight, 7, epoch)[0] for epoch in range(epochs)]
    return np.bincount(np.concatenate(rows), minlength=len(people)) / epochs


def test_each_type_comes_equally_often(people: People) -> None:
    same, line = balanced_types(people)
    assert line == "pose types of 30, 12 and 3 persons are drawn equally often"
    times = drawn(same)
    np.testing.assert_allclose([times[kind == KINDS].sum() for kind in range(3)], 15, atol=0.02)
    np.testing.assert_allclose(times, 15 / np.array([30, 12, 3])[KINDS], rtol=0.25)
    assert same.joints is people.joints
    assert people.weight is None


def test_persons_without_a_torso_come_as_before(people: People) -> None:
    people.state[[0, 1, 44], LSP.index("left_hip")[0]] = State.MISSING
    same, line = balanced_types(people)
    assert line == (
        "pose types of 28, 12 and 2 persons are drawn equally often, "
        "3 persons without a torso as often as others are on average"
    )
    times = drawn(same)
    assert times[[0, 1, 44]].sum() == pytest.approx(3, abs=0.05)
    assert times[[42, 43]].sum() == pytest.approx(14, abs=0.05)


def test_weights_hold_within_a_type(people: People) -> None:
    weight = np.ones(45)
    weight[30:36], weight[43:] = 3, 0  # lying, and two who are never drawn
    same, line = balanced_types(replace(people, weight=weight))
    assert line == "pose types of 30, 12 and 1 persons are drawn equally often"
    assert same.weight is not None
    sums = [same.weight[kind == KINDS].sum() for kind in range(3)]
    np.testing.assert_allclose(sums, weight.sum() / 3)
    np.testing.assert_allclose(same.weight[30:36], 3 * same.weight[36])
    np.testing.assert_array_equal(same.weight[43:], 0)


def test_other_numbers_of_types(people: People) -> None:
    same, line = balanced_types(people, types=1)
    assert line == "pose types of 45 persons are drawn equally often"
    np.testing.assert_allclose(same.weight, 1)


def test_what_cannot_be_balanced(people: People) -> None:
    hand = replace(
        people,
        skeleton=Skeleton("hand", ("palm", "left_hip")),
        joints=people.joints[:, :2],
        state=people.state[:, :2],
    )
    lacks = "'hand' has no left_shoulder, right_shoulder, right_hip: set balance=none"
    with pytest.raises(UserError, match=lacks):
        balanced_types(hand)
    with pytest.raises(UserError, match=r"3 pose types need .* there are 2"):
        balanced_types(people.rows(np.array([3, 5])))


def test_lsp(shared: Path) -> None:
    train = read_lsp(shared / "data" / "lsp").subset("train")
    same, line = balanced_types(train)
    assert line.startswith("pose types of ")
    assert line.endswith(" and 58 persons are drawn equally often")
    assert same.weight is not None
    rare = same.weight > 2
    assert rare.sum() == 58
    assert drawn(same, 20)[rare].sum() == pytest.approx(1000 / 3, abs=1)

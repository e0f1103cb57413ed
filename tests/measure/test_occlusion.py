"""Which hidden joints can be inferred: between visible neighbours, on trees and on other limbs."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.data import open_data
from vitruvian.measure.occlusion import inferable
from vitruvian.skeleton import FLIC, LSP, MPII, Skeleton
from vitruvian.types import State

V, O, M, U = State.VISIBLE, State.OCCLUDED, State.MISSING, State.UNDEFINED  # noqa: E741


def found(skeleton: Skeleton, **states: State) -> set[str]:
    """Inferable joints of a person all of whose other joints are visible."""
    state = [states.get(name, V) for name in skeleton.joint_names]
    (row,) = inferable(np.array([state], np.uint8), skeleton)
    return {name for name, is_one in zip(skeleton.joint_names, row, strict=True) if is_one}


@pytest.mark.parametrize("skeleton", [LSP, MPII])
def test_arms_and_legs(skeleton: Skeleton) -> None:
    assert found(skeleton) == set()
    assert found(skeleton, left_elbow=O) == {"left_elbow"}
    assert found(skeleton, left_elbow=O, left_wrist=O) == set()  # neither has all it needs
    assert found(skeleton, left_elbow=O, right_wrist=O) == {"left_elbow", "right_wrist"}
    assert found(skeleton, left_elbow=O, left_shoulder=O) == set()
    assert found(skeleton, right_ankle=O, right_hip=M) == {"right_ankle"}  # the knee is enough
    assert found(skeleton, right_knee=O, right_hip=M) == set()
    assert found(skeleton, right_knee=O, right_ankle=U) == set()


def test_trunks() -> None:
    assert found(LSP, left_shoulder=O) == {"left_shoulder"}
    for neighbour in ("neck", "left_elbow", "left_hip"):
        assert found(LSP, **{"left_shoulder": O, neighbour: M}) == set()
    assert found(LSP, left_shoulder=O, left_knee=M) == {"left_shoulder"}
    assert found(MPII, pelvis=O) == found(MPII, thorax=O) == set()
    assert found(MPII, thorax=O, left_shoulder=O) == found(MPII, pelvis=O, right_hip=O) == set()
    assert found(MPII, left_shoulder=O) == {"left_shoulder"}


def test_limbs_in_a_ring() -> None:
    assert found(FLIC, left_hip=O) == {"left_hip"}
    assert found(FLIC, left_hip=O, right_hip=O) == set()


def test_without_limbs_nothing_is_inferred() -> None:
    assert found(Skeleton("dots", ("a", "b")), a=O) == set()
    assert found(Skeleton("dots", ("a", "b", "c"), limbs=(("a", "b"),)), b=O, c=O) == {"b"}


def test_persons_do_not_mix() -> None:
    state = np.full((3, 14), V, np.uint8)
    elbow, wrist = LSP.index("left_elbow", "left_wrist")
    state[0, elbow] = state[1, wrist] = state[2, elbow] = state[2, wrist] = O
    expected = np.zeros((3, 14), bool)
    expected[0, elbow] = expected[1, wrist] = True
    np.testing.assert_array_equal(inferable(state, LSP), expected)
    assert inferable(state[:0], LSP).shape == (0, 14)


def test_on_published_labels(shared) -> None:  # type: ignore[no-untyped-def]
    """MPII marks pelvis and thorax hidden with every hip and nearly every shoulder."""
    people = open_data(f"mpii={shared / 'data' / 'mpii' / 'valid.h5'}").subset("val")
    between = dict(
        zip(MPII.joint_names, inferable(people.state, MPII).sum(0).tolist(), strict=True)
    )
    assert between["right_hip"] == between["left_hip"] == between["pelvis"] == between["neck"] == 0
    assert (between["right_wrist"], between["left_wrist"]) == (268, 281)
    arm = MPII.index("left_shoulder", "left_elbow", "left_wrist")
    shoulder, elbow, wrist = people.state[:, arm].T
    by_hand = (shoulder == V) & (elbow == O) & (wrist == V)
    assert between["left_elbow"] == by_hand.sum() == 61

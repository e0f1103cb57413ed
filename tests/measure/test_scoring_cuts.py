"""Figures of a part of the joints or persons: hidden ones, exchanged sides, turned torsos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scored import ARM, ARM_PCK, PCK, PCP, J, people, run
from vitruvian.measure.intervals import Estimate, differences
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.scoring import Truth, score, tally_of
from vitruvian.skeleton import LSP
from vitruvian.types import State


def correct(cut: dict[str, Estimate]) -> dict[str, tuple[float, int]]:
    """How many are right, and of how many."""
    return {label: (round(e.value * e.n, 9), e.n) for label, e in cut.items()}


def arms() -> tuple[Truth, np.ndarray]:
    """Four persons with arms of 10 px; see the comments for what is predicted."""
    xy = np.tile(np.array([[0, 0], [40, 0], [20, 30], [20, 40]], float), (4, 1, 1))
    pred = xy.copy()
    pred[0, :2] = xy[0, 1::-1]  # both hands exchanged
    pred[1, 0] = (39, 1)  # the left hand on the right one
    pred[2, 1] = np.nan
    pred[3, 0], pred[3, 2] = (40, 0), (0, 0)  # its pair is not whole; the tip has no side
    state = np.full((4, 4), State.VISIBLE)
    state[1, 2] = state[2, 1] = State.OCCLUDED
    state[3, 1] = State.MISSING
    return Truth(ARM, xy, state), pred


def test_cuts_by_occlusion_and_side() -> None:
    truth, pred = arms()
    got = run(ARM_PCK, truth, pred)
    assert list(got.cuts) == ["occlusion", "swapped"]  # no hips and shoulders, no angle
    # Located: 3 + 3 + 3 + 2, of which wrong: both hands, the left, the right, left and tip.
    assert got.total.value == pytest.approx(5 / 11)
    assert correct(got.cuts["occlusion"]) == {"visible": (4, 9), "occluded": (1, 2)}
    assert correct(got.cuts["swapped"]) == {"all pairs": (3, 6), "hand": (3, 6)}
    seen = replace(truth, state=np.where(truth.located, State.VISIBLE, State.MISSING))
    assert list(run(ARM_PCK, seen, pred).cuts) == ["swapped"]


def hidden_arms() -> tuple[Truth, np.ndarray]:
    """Three persons whose hidden joints are an elbow, an elbow and its wrist, and a knee; see `gains`."""
    truth = people()
    truth = replace(truth, xy=truth.xy[:3], state=np.full((3, J), State.VISIBLE))
    elbow, wrist, knee = LSP.index("left_elbow", "left_wrist", "right_knee")
    truth.state[0, elbow] = truth.state[1, elbow] = truth.state[1, wrist] = State.OCCLUDED
    truth.state[2, knee] = State.OCCLUDED
    pred = truth.xy.copy()
    pred[0, elbow] = pred[1, wrist] = pred[0, LSP.index("neck")] = np.nan
    return truth, pred


def test_hidden_joints_between_visible_ones() -> None:
    truth, pred = hidden_arms()
    got = run(PCK, truth, pred)
    assert correct(got.cuts["occlusion"]) == {
        "visible": (37, 38),
        "occluded": (2, 4),
        "occluded, inferable": (1, 2),
        "all others": (38, 40),
    }
    macro = run(replace(PCK, averaging="macro"), truth, pred).cuts["occlusion"]
    assert macro["occluded"].value == pytest.approx((1 / 2 + 0 + 1) / 3)  # elbow, wrist, knee
    assert macro["occluded, inferable"].value == pytest.approx(1 / 2)  # elbow and knee


def test_gains_on_hidden_joints() -> None:
    """The second system finds the elbow and loses the knee and a visible neck."""
    truth, pred = hidden_arms()
    better = truth.xy.copy()
    better[2, LSP.index("right_knee")] = better[:2, LSP.index("neck")] = np.nan
    one, other = (tally_of(PCK, truth, xy)[0] for xy in (pred, better))
    gaps = differences(one, other, np.random.default_rng(0))
    occluded, visible = 3 / 4 - 2 / 4, 36 / 38 - 37 / 38
    assert gaps["cut: occlusion/occluded"].value == pytest.approx(occluded)
    assert gaps["cut: occlusion/visible"].value == pytest.approx(visible)
    assert gaps["gain: occluded minus visible"].value == pytest.approx(occluded - visible)
    inferable = gaps["gain: occluded, inferable minus all others"].value
    assert inferable == pytest.approx((1 / 2 - 1 / 2) - (38 / 40 - 38 / 40))
    plain = tally_of(PCK, replace(truth, state=np.full((3, J), State.VISIBLE)), pred)[0]
    gains = {figure.label for figure in plain.figures if figure.label.startswith("gain")}
    assert gains == {f"gain: torso at {part} minus 0-45 degrees" for part in ("45-90", "90-180")}


def test_a_group_without_sides_is_not_swapped() -> None:
    truth = people()
    swapped = run(PCK, truth, truth.xy[:, LSP.swap]).cuts["swapped"]
    parts = ["shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
    assert list(swapped) == ["all pairs", *parts]  # no head
    assert (swapped["wrist"].n, swapped["knee"].n, swapped["all pairs"].n) == (16, 18, 106)


def test_cuts_by_torso_angle() -> None:
    """Five torsos turned by -30, 60, 180 and 91 degrees, and one without a neck."""
    body = np.zeros((J, 2))
    trunk = {"left_shoulder": (20, 0), "right_shoulder": (-20, 0), "neck": (0, -5),
             "left_hip": (20, 60), "right_hip": (-20, 60)}  # fmt: skip
    for name, place in trunk.items():
        body[LSP.index(name)] = place
    turn = np.deg2rad([-30, 60, 180, 91, 0])
    matrix = np.moveaxis(
        np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]), 2, 0
    )
    xy = np.einsum("nab,jb->nja", matrix, body)
    state = np.full((5, J), State.VISIBLE)
    state[4, LSP.index("neck")] = State.MISSING
    state[1, :3] = State.MISSING
    state[1, LSP.index("right_hip")] = State.VISIBLE
    truth, pred = Truth(LSP, xy, state, "PC"), xy.copy()
    pred[0, :5], pred[3] = np.nan, np.nan
    for protocol, shares in (
        (PCK, {"0-45": (9, 14), "45-90": (12, 12), "90-180": (14, 28)}),
        (PCP, {"0-45": (5, 10), "45-90": (8, 8), "90-180": (10, 20)}),
    ):
        cut = run(protocol, truth, pred).cuts["torso angle, degrees"]
        assert correct(cut) == shares
    upright = run(PCK, Truth(LSP, xy[:1], state[:1], "PC"), pred[:1]).cuts["torso angle, degrees"]
    assert list(upright) == ["0-45"]  # nobody is in the others


def test_no_cuts_on_request() -> None:
    truth = people()
    without, cut = run(PCK, truth, truth.xy, cuts=False), run(PCK, truth, truth.xy)
    assert (without.cuts, without.rows()) == ({}, cut.rows())


def test_cuts_average_as_the_total() -> None:
    xy = np.random.default_rng(0).uniform(0, 9, (5, 14, 2))
    state = np.full((5, 14), State.OCCLUDED)
    state[1:, 0] = State.MISSING
    pred = xy.copy()
    pred[:, 0] += 900
    macro = replace(PROTOCOLS["lsp-pck-pc"], averaging="macro")
    found = score(macro, Truth(LSP, xy, state, "PC"), pred, np.random.default_rng(0))
    assert found.cuts["occlusion"]["occluded"].value == found.total.value

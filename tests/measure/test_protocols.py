"""Protocols as values, and results as files and tables."""

from __future__ import annotations

import io
import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from rich.console import Console

from vitruvian.measure.protocols import PROTOCOLS, Protocol, Result, check_comparable, score
from vitruvian.skeleton import LSP, MPII
from vitruvian.types import State, UserError

LSPET = PROTOCOLS["lspet-pck-pc"]
N, J = 11, 14


def people() -> tuple[np.ndarray, np.ndarray]:
    """Truth (N, J, 2) with torsos of 50 px, and states: row 2 lacks a hip, row 5 has no length."""
    left_shoulder, right_hip = LSP.length("torso")
    truth = np.random.default_rng(0).uniform(-500, 500, (N, J, 2)).astype(np.float32)
    truth[:, left_shoulder], truth[:, right_hip] = (60, 20), (30, 60)
    truth[5, right_hip] = (60, 20)
    state = np.full((N, J), State.VISIBLE)
    state[4, :6:5] = State.OCCLUDED
    state[2, right_hip] = State.MISSING
    state[7, LSP.index("right_wrist")] = State.MISSING
    return truth, state


def result(shift: float = 0.0, **more: object) -> Result:
    truth, state = people()
    pred = truth + np.float32(shift) * (np.arange(J) < 7)[:, None] * np.array([0.6, 0.8])
    rng = np.random.default_rng(1)
    return score(LSPET, LSP, pred, truth, state, rng, **more)  # type: ignore[arg-type]


def test_the_table_is_keyed_by_name() -> None:
    assert list(PROTOCOLS) == ["lspet-pck-pc", "lspet-pck-pc-image"]
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())
    assert PROTOCOLS["lspet-pck-pc-image"].box == "whole image"


def test_a_protocol_is_a_value() -> None:
    assert hash(replace(LSPET)) == hash(LSPET)
    with pytest.raises(FrozenInstanceError):
        LSPET.threshold = 0.5  # type: ignore[misc]
    values = json.loads(json.dumps(LSPET.to_dict()))
    assert Protocol(**{**values, "joints": tuple(values["joints"])}) == LSPET


@pytest.mark.parametrize("field", ["convention", "comparator", "averaging"])
def test_a_protocol_promises_only_what_is_done(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is 'other'"):
        replace(LSPET, **{field: "other"})  # type: ignore[arg-type]


def test_one_line_says_what_was_measured() -> None:
    line = replace(LSPET, flip_test=True).describe()
    assert "\n" not in line
    for fact in (
        "lspet-pck-pc version 1", "<= 0.2 x torso (left_shoulder to right_hip)", "0 to 0.2",
        "14 joints", "person-centric", "micro", "labelled joints x1.25, square", "flip test",
        "left out: persons whose reference",
    ):  # fmt: skip
        assert fact in line
    assert "no flip test" in LSPET.describe()


def test_only_what_was_measured_alike_is_compared() -> None:
    check_comparable(LSPET, replace(LSPET, name="other", source="another paper"))
    with pytest.raises(UserError, match=r"box is 'labelled.*'whole image' in the second"):
        check_comparable(LSPET, PROTOCOLS["lspet-pck-pc-image"])
    with pytest.raises(UserError, match="convention is"):
        check_comparable(LSPET, replace(LSPET, flip_test=True, convention="OC"))
    with pytest.raises(UserError, match="flip_test is False in the first and True"):
        check_comparable(LSPET, replace(LSPET, flip_test=True))


def test_hand_computed_result() -> None:
    got = result(shift=10.01)  # 7 of 14 joints a little beyond the threshold of 10 px
    assert (got.n, got.left_out) == (9, 2)
    # 9 persons, of whom one lacks the wrist, which is among the shifted joints.
    assert got.total.n == 9 * 14 - 1
    assert got.total.value == pytest.approx(63 / 125)
    assert got.auc.value == pytest.approx(63 / 125)
    assert got.joints["right_wrist"].n == 8
    assert got.joints["right_wrist"].value == 0
    assert got.joints["head_top"].value == got.joints["head_top"].low == 1
    assert got.total.low <= got.total.value <= got.total.high


def test_persons_left_out_do_not_widen_intervals() -> None:
    truth, state = people()
    kept = np.delete(np.arange(N), [2, 5])
    pred = truth + np.random.default_rng(2).normal(0, 9, truth.shape)
    rows = score(LSPET, LSP, pred, truth, state, np.random.default_rng(1), group=np.arange(N) // 2)
    pred, truth, state = pred[kept], truth[kept], state[kept]
    rng = np.random.default_rng(1)
    alone = score(LSPET, LSP, pred, truth, state, rng, group=kept // 2)
    assert (rows.joints, rows.total, rows.auc) == (alone.joints, alone.total, alone.auc)


def test_result_as_a_file() -> None:
    truth, _ = people()
    nothing = np.full_like(truth, np.nan)
    poses = {"mean_pose": truth, "image_centre": nothing}
    values = json.loads(json.dumps(result(baselines=poses).to_dict(), allow_nan=False))
    assert list(values) == ["protocol", "n", "left_out", "total", "auc", "joints", "baselines"]
    assert values["protocol"] == LSPET.to_dict()
    assert values["total"] == values["auc"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert list(values["joints"]) == list(LSP.joint_names)
    assert list(values["baselines"]) == ["mean_pose", "image_centre"]
    assert values["baselines"]["mean_pose"]["total"]["value"] == 1
    assert values["baselines"]["image_centre"]["total"]["value"] == 0


def test_baselines_do_not_change_the_figures() -> None:
    truth, _ = people()
    assert result(8, baselines={"mean_pose": truth}).total == result(8).total


def test_nobody_to_score() -> None:
    truth, state = people()
    state[:] = State.MISSING
    got = score(LSPET, LSP, truth, truth, state, np.random.default_rng(0))
    assert (got.n, got.left_out) == (0, N)
    assert got.to_dict()["total"] == {"value": None, "low": None, "high": None}
    assert got.table().row_count == J + 2


def test_another_skeleton_is_refused() -> None:
    xy, state = np.zeros((2, 16, 2)), np.full((2, 16), State.VISIBLE)
    with pytest.raises(UserError, match="scores skeleton 'lsp', not 'mpii'"):
        score(LSPET, MPII, xy, xy, state, np.random.default_rng(0))


def test_table_in_percent() -> None:
    truth, _ = people()
    poses = {"mean_pose": truth, "image_centre": truth + np.float32(900)}
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(result(shift=10.01, baselines=poses, failed=("a.jpg",)).table())
    text = console.export_text()
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    assert [*rows][:J] == list(LSP.joint_names)
    cells = [cell.strip() for cell in rows["right_wrist"].split("│")[1:-1]]
    assert cells == ["right_wrist", "0.0", "0.0 to 0.0", "8", "100.0", "0.0"]
    assert "50.4" in rows["total"]
    assert "50.4" in rows["AUC 0-0.2"]
    assert "9 persons scored, 2 left out, unreadable images: 1" in text
    assert "lspet-pck-pc version 1" in text

"""PCK, AUC and reference lengths against hand-computed and published figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat

from vitruvian.measure.metrics import (
    auc,
    normalized_errors,
    pck,
    pck_per_joint,
    reference_length,
)
from vitruvian.skeleton import LSP

GROUPS = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
OFF_BY = np.array([0, 5, 9.99, 10, 10.01, 25])  # px, of a torso of 50 px


def one_person() -> tuple[np.ndarray, np.ndarray]:
    """Prediction and truth (1, 6, 2), each joint off by another distance, in another direction."""
    truth = np.arange(12.0).reshape(1, 6, 2) * 7
    angle = np.arange(6) * np.pi / 2
    return truth + OFF_BY[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1), truth


def test_reference_is_one_diagonal() -> None:
    xy = np.zeros((1, 14, 2))
    left_shoulder, right_hip = LSP.length("torso")
    xy[0, left_shoulder], xy[0, right_hip] = (60, 20), (30, 60)
    assert reference_length(xy, np.ones((1, 14), bool), LSP.length("torso")) == [50.0]


def test_reference_needs_both_joints() -> None:
    xy = np.random.default_rng(0).normal(size=(4, 3, 2))
    located = np.array([[1, 1, 1], [0, 1, 1], [1, 1, 0], [1, 0, 1]], bool)
    length = reference_length(xy, located, (0, 2))
    assert np.isnan(length).tolist() == [False, True, True, False]


def test_hand_computed_figures() -> None:
    errors = normalized_errors(*one_person(), np.array([50.0]))
    scored = np.ones((1, 6), bool)
    assert pck(errors, scored, 0.2) == pytest.approx(4 / 6, abs=1e-15)
    assert 100 * auc(errors, scored) == pytest.approx(26.25)
    assert 100 * auc(errors, scored, upto=0.5) == pytest.approx(60.50)
    assert pck_per_joint(errors, scored, 0.2).tolist() == [1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("k", range(1, 51))
def test_an_error_at_the_threshold_is_correct(k: int) -> None:
    errors = np.array([[k / 100]])
    assert pck(errors, np.ones((1, 1), bool), k * 0.01) == 1


def test_nan_predictions_are_wrong_and_missing_truth_is_not_scored() -> None:
    truth = np.zeros((2, 3, 2))
    pred = truth.copy()
    pred[0, 0, 1] = np.nan
    pred[1, 2] = np.nan
    truth[1, 1, 0] = np.nan
    errors = normalized_errors(pred, truth, np.array([9.0, 9.0]))
    assert np.isposinf(errors).tolist() == [[True, False, False], [False, False, True]]
    assert np.isnan(errors).tolist() == [[False] * 3, [False, True, False]]
    scored = np.ones((2, 3), bool)
    assert pck(errors, scored, 0.2) == 3 / 5
    assert auc(errors, scored) == pytest.approx(3 / 5)
    np.testing.assert_array_equal(pck_per_joint(errors, scored, 0.2), [0.5, 1, 0.5])


@pytest.mark.parametrize("length", [0.0, -1.0, np.nan, np.inf])
def test_a_person_without_reference_is_never_scored(length: float) -> None:
    truth = np.zeros((2, 3, 2))
    errors = normalized_errors(truth + np.array([3, 4]), truth, np.array([length, 50.0]))
    assert np.isnan(errors[0]).all()
    assert errors[1].tolist() == [0.1, 0.1, 0.1]
    assert pck(errors, np.ones((2, 3), bool), 0.2) == 1


def test_nothing_scored_is_nan() -> None:
    errors, scored = np.zeros((2, 3)), np.zeros((2, 3), bool)
    assert np.isnan([pck(errors, scored, 0.2), auc(errors, scored)]).all()
    assert np.isnan(pck_per_joint(errors, scored, 0.2)).all()
    assert np.isnan(pck(np.zeros((0, 3)), np.zeros((0, 3), bool), 0.2))


def test_shapes_and_ranges_are_checked() -> None:
    errors = np.zeros((2, 3))
    with pytest.raises(ValueError, match="scored has shape"):
        pck(errors, np.ones((3, 2), bool), 0.2)
    with pytest.raises(ValueError, match="cannot be cut"):
        auc(errors, np.ones((2, 3), bool), upto=0.205)
    with pytest.raises(ValueError, match="pred has shape"):
        normalized_errors(np.zeros((1, 3, 2)), np.zeros((2, 3, 2)), np.ones(2))
    with pytest.raises(ValueError, match="reference has shape"):
        normalized_errors(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), np.ones(3))
    with pytest.raises(ValueError, match="located has shape"):
        reference_length(np.zeros((2, 3, 2)), np.ones((2, 2), bool), (0, 1))


@given(st.integers(0, 2**32 - 1))
def test_auc_is_the_trapezoid_of_the_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    errors = rng.choice([0, 0.1, 0.05, np.inf, *rng.random(4) / 2], size=(5, 3))
    scored = rng.random((5, 3)) < 0.8
    scored[0, 0] = True
    thresholds = np.arange(21) * 0.01
    curve = [pck(errors, scored, t) for t in thresholds]
    expected = np.trapezoid(curve, np.linspace(0, 1, 21))
    assert auc(errors, scored) == pytest.approx(expected)


@given(st.integers(0, 2**32 - 1), st.floats(-1e6, 1e6))
def test_masked_joints_change_nothing(seed: int, junk: float) -> None:
    rng = np.random.default_rng(seed)
    truth, reference = rng.normal(size=(5, 3, 2)), rng.random(5) + 1
    pred, scored = truth + rng.normal(size=(5, 3, 2)) / 5, rng.random((5, 3)) < 0.6
    other = np.where(scored[..., None], pred, junk)
    errors = normalized_errors(pred, truth, reference)
    changed = normalized_errors(other, truth, reference)
    np.testing.assert_equal(auc(changed, scored), auc(errors, scored))
    np.testing.assert_equal(pck_per_joint(changed, scored, 0.2), pck_per_joint(errors, scored, 0.2))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.25, 0.5, 2.0, 64.0]))
def test_scale_changes_nothing(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(4, 5, 2)) * 100
    pred, located = truth + rng.normal(size=(4, 5, 2)) * 20, np.ones((4, 5), bool)
    small = normalized_errors(pred, truth, reference_length(truth, located, (1, 3)))
    truth, pred = truth * scale, pred * scale
    large = normalized_errors(pred, truth, reference_length(truth, located, (1, 3)))
    np.testing.assert_allclose(small, large, rtol=1e-12)


def lsp_oracle(shared: Path, truth: str, pred: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, or the other convention's labels, and labels of the 1,000 test images."""
    labels = loadmat(shared / f"oracles/lsp/lsp-joints-{truth}.mat")["joints"]
    if pred is None:
        file = shared / f"oracles/lsp/pred_keypoints_lsp_{truth.lower()}.mat"
        return loadmat(file)["pred"].transpose(2, 1, 0), labels[:2, :, 1000:].transpose(2, 1, 0)
    others = loadmat(shared / f"oracles/lsp/lsp-joints-{pred}.mat")["joints"]
    return others[:2, :, 1000:].transpose(2, 1, 0), labels[:2, :, 1000:].transpose(2, 1, 0)


def lsp_figures(pred: np.ndarray, truth: np.ndarray, torso: str = "torso") -> dict[str, float]:
    """Percent of each body part, in total, and the area under the curve."""
    scored = np.ones(truth.shape[:2], bool)
    length = reference_length(truth, scored, LSP.length(torso))
    errors = normalized_errors(pred, truth, length)
    share = dict(zip(LSP.joint_names, 100 * pck_per_joint(errors, scored, 0.2), strict=True))
    parts = {
        part: np.mean([value for name, value in share.items() if name.endswith(part)])
        for part in GROUPS[1:]
    }
    head = (share["neck"] + share["head_top"]) / 2
    rest = {"total": 100 * pck(errors, scored, 0.2), "auc": 100 * auc(errors, scored)}
    return {"head": head, **parts, **rest}


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("PC", (90.6, 78.05, 73.85, 68.75, 74.75, 69.95, 58.95, 73.56, 39.25)),
        ("OC", (90.6, 89.05, 80.3, 73.5, 85.45, 82.8, 68.8, 81.5, 43.38)),
    ],
)
def test_published_lsp_figures(shared: Path, convention: str, expected: tuple[float, ...]) -> None:
    figures = lsp_figures(*lsp_oracle(shared, convention))
    want = dict(zip((*GROUPS, "total", "auc"), expected, strict=True))
    assert figures == pytest.approx(want, abs=0.0051)


def test_the_other_diagonal_gives_other_figures(shared: Path) -> None:
    figures = lsp_figures(*lsp_oracle(shared, "OC"), torso="torso_other")
    assert figures["total"] == pytest.approx(81.02, abs=0.0051)


def test_conventions_must_not_be_mixed(shared: Path) -> None:
    figures = lsp_figures(*lsp_oracle(shared, "OC", pred="PC"))
    assert figures["total"] == pytest.approx(76.04, abs=0.0051)
    assert figures["shoulder"] == pytest.approx(71.7, abs=0.051)
    assert figures["hip"] == pytest.approx(77.0, abs=0.051)

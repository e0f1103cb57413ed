"""PCK, PDJ, PCKh, PCP, areas and swaps: hand-computed, published, and what must not change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat

from vitruvian.measure.metrics import (
    Comparator,
    Rule,
    Stick,
    area,
    auc,
    counted,
    head_size,
    hits,
    normalized_errors,
    pck,
    pck_per_joint,
    pckh,
    pcp,
    pdj,
    reference_length,
    stick_hits,
    swapped,
)
from vitruvian.skeleton import LSP, MPII

OFF_BY = np.array([0, 5, 9.99, 10, 10.01, 25])  # px, of a torso of 50 px
SEEDS = st.integers(0, 2**32 - 1)


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
    assert hits(errors, 0.2, "<").mean() == 0.5
    assert 100 * auc(errors, scored) == pytest.approx(26.25)
    assert 100 * auc(errors, scored, upto=0.5) == pytest.approx(60.50)
    assert pck_per_joint(errors, scored, 0.2).tolist() == [1, 1, 1, 1, 0, 0]
    curve = pdj(errors, scored, [k * 0.01 for k in range(21)]).mean(1)
    assert curve.mean() == pytest.approx(0.2698, abs=5e-5)  # the points' mean is not the area


def test_hand_computed_curves() -> None:
    errors = np.array([[0.1, 0.2], [0.3, np.nan], [np.inf, 0.05]])
    scored = np.array([[1, 1], [1, 1], [1, 0]], bool)
    curves = pdj(errors, scored, [0, 0.1, 0.3])
    np.testing.assert_allclose(curves, [[0.0, 0.0], [1 / 3, 0.0], [2 / 3, 1.0]])
    assert np.isnan(pdj(errors, np.zeros((3, 2), bool), [0.1])).all()


def test_head_size_and_its_threshold() -> None:
    box = np.array([[100, 50, 160, 130], [160, 130, 100, 50], [0, 0, np.nan, 5]])
    assert head_size(box).tolist()[:2] == [60, 60]
    assert np.isnan(head_size(box)[2])
    truth = np.full((1, 3, 2), 200.0)
    pred = truth + np.array([[30, 0], [18, 24], [30.001, 0]])
    scored = np.ones((1, 3), bool)
    assert pckh(pred, truth, head_size(box[:1]), scored) == 2 / 3
    assert pckh(pred, truth, head_size(box[:1]), scored, threshold=0.51) == 1
    with pytest.raises(ValueError, match="head_box has shape"):
        head_size(np.zeros((4, 2, 2)))


@pytest.mark.parametrize("k", range(1, 51))
def test_an_error_at_the_threshold_is_correct(k: int) -> None:
    errors = np.array([[k / 100]])
    assert pck(errors, np.ones((1, 1), bool), k * 0.01) == 1
    for computed in (k / 100, k * 0.01):
        assert hits(np.array([computed]), k * 0.01).all()
        assert not hits(np.array([computed]), k * 0.01, "<").any()
        assert hits(np.array([computed - 1e-9]), k * 0.01, "<").all()
        assert not hits(np.array([computed + 1e-9]), k * 0.01).any()


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
    assert counted(errors, scored).tolist() == [[True] * 3, [True, False, True]]
    assert pck(errors, scored, 0.2) == 3 / 5
    assert auc(errors, scored) == pytest.approx(3 / 5)
    np.testing.assert_array_equal(pck_per_joint(errors, scored, 0.2), [0.5, 1, 0.5])


@pytest.mark.parametrize("length", [0.0, -1.0, np.nan, np.inf])
def test_a_person_without_reference_is_never_scored(length: float) -> None:
    truth = np.zeros((2, 3, 2))
    pred = truth + np.array([3, 4])
    pred[0, 0] = np.nan
    errors = normalized_errors(pred, truth, np.array([length, 50.0]))
    assert np.isnan(errors[0]).all()
    assert errors[1].tolist() == [0.1, 0.1, 0.1]
    assert pck(errors, np.ones((2, 3), bool), 0.2) == 1


def test_nothing_scored_is_nan() -> None:
    errors, scored = np.zeros((2, 3)), np.zeros((2, 3), bool)
    assert np.isnan([pck(errors, scored, 0.2), auc(errors, scored)]).all()
    assert np.isnan(pck_per_joint(errors, scored, 0.2)).all()
    assert np.isnan(pck(np.zeros((0, 3)), np.zeros((0, 3), bool), 0.2))
    assert np.isnan(pcp(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), [((0,), (1,))], scored))


def test_shapes_and_ranges_are_checked() -> None:
    errors = np.zeros((2, 3))
    for figure in (lambda scored: pck(errors, scored, 0.2), lambda scored: auc(errors, scored)):
        with pytest.raises(ValueError, match="scored has shape"):
            figure(np.ones((3, 2), bool))
    for upto, step in ((0.205, 0.01), (0.1, 0.3), (0.0, 0.01)):
        with pytest.raises(ValueError, match="cannot be cut"):
            area(errors, upto, step)
    with pytest.raises(ValueError, match="pred has shape"):
        normalized_errors(np.zeros((1, 3, 2)), np.zeros((2, 3, 2)), np.ones(2))
    with pytest.raises(ValueError, match="reference has shape"):
        normalized_errors(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), np.ones(3))
    with pytest.raises(ValueError, match="located has shape"):
        reference_length(np.zeros((2, 3, 2)), np.ones((2, 2), bool), (0, 1))
    with pytest.raises(ValueError, match="scored has shape"):
        pcp(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), [((0,), (1,))], np.ones((3, 2), bool))
    with pytest.raises(ValueError, match="strict or loose, not 'mean'"):
        pcp(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), [], np.ones((2, 3)), "mean")  # type: ignore[arg-type]


@given(
    SEEDS,
    st.sampled_from([(0.2, 0.01), (0.5, 0.01), (0.2, 0.02), (0.6, 0.05), (0.03, 0.03)]),
    st.sampled_from(["<=", "<"]),
)
def test_area_is_the_trapezoid_of_each_curve(
    seed: int, curve: tuple[float, float], comparator: Comparator
) -> None:
    """Errors that stand exactly on a threshold are where the two comparators differ."""
    upto, step = curve
    rng = np.random.default_rng(seed)
    k = np.arange(round(upto / step) + 1)
    on_threshold = np.concatenate([k * step, k / round(1 / step)])
    errors = rng.choice([*on_threshold, np.inf, np.nan, *rng.random(9) * upto * 1.2], size=(7, 4))
    found = area(errors, upto, step, comparator)
    correct = np.stack([hits(errors, t, comparator) for t in k * step]).astype(float)
    np.testing.assert_allclose(found, np.trapezoid(correct, np.linspace(0, 1, len(k)), axis=0))
    scored = rng.random((7, 4)) < 0.8
    scored[0, 0], errors[0, 0] = True, 0.1
    if comparator == "<=":
        points = [pck(errors, scored, t) for t in k * step]
        expected = np.trapezoid(points, np.linspace(0, 1, len(k)))
        assert auc(errors, scored, upto, step) == pytest.approx(expected)


def test_area_counts_from_the_first_threshold_that_is_met() -> None:
    errors = np.array([0, 0.2, 0.3, 0.05, 0.4, 0.41])
    assert area(errors, 0.4, 0.1).tolist() == pytest.approx([1, 5 / 8, 3 / 8, 7 / 8, 1 / 8, 0])
    below = area(errors, 0.4, 0.1, "<").tolist()
    assert below == pytest.approx([7 / 8, 3 / 8, 1 / 8, 7 / 8, 0, 0])


STICK: list[Stick] = [((0,), (1,))]
TRUE_STICK = np.array([[[0, 0], [0, 40]]], float)


@pytest.mark.parametrize(
    ("ends", "strict", "loose"),
    [
        ([(12, 0), (0, 52)], True, True),
        ([(20, 0), (0, 40)], True, True),  # at the limit
        ([(24, 0), (0, 44)], False, True),
        ([(24, 0), (0, 57)], False, False),
        ([(0, 40), (0, 0)], False, False),  # ends are never exchanged
        ([(np.nan, 0), (0, 40)], False, False),
        ([(20, 0), (0, 60)], True, True),  # both at the limit
    ],
)
def test_hand_computed_sticks(ends: list[tuple[float, float]], strict: bool, loose: bool) -> None:
    pred, scored = np.array([ends], float), np.ones((1, 2), bool)
    assert pcp(pred, TRUE_STICK, STICK, scored, "strict") == strict
    assert pcp(pred, TRUE_STICK, STICK, scored, "loose") == loose


def test_below_the_limit_is_another_comparator() -> None:
    scored = np.ones((1, 2), bool)
    for ends, rule in (([(20, 0), (0, 40)], "strict"), ([(20, 0), (0, 60)], "loose")):
        pred = np.array([ends], float)
        for comparator, right in (("<=", True), ("<", False)):
            correct, _ = stick_hits(pred, TRUE_STICK, STICK, scored, rule, 0.5, comparator)  # type: ignore[arg-type]
            assert correct.tolist() == [[right]]
        near = pred - np.array([1e-6, 0]) * (pred > 1)
        assert stick_hits(near, TRUE_STICK, STICK, scored, rule, 0.5, "<")[0].all()  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", ["strict", "loose"])
def test_a_stick_without_length_must_be_met_exactly(rule: Rule) -> None:
    truth = np.full((3, 2, 2), 7.0)
    pred = truth.copy()
    pred[1, 0, 0] += 0.001
    pred[2, 1] = np.nan
    correct, counts = stick_hits(pred, truth, STICK, np.ones((3, 2), bool), rule)
    assert correct.tolist() == [[True], [False], [False]]
    assert counts.all()


def test_an_end_of_two_joints_is_their_middle_and_needs_both() -> None:
    """Three persons, three joints, two sticks: one from joint 2 to the middle of 0 and 1."""
    sticks: list[Stick] = [((2,), (0, 1)), ((0,), (1,))]
    truth = np.tile(np.array([[0, 0], [20, 0], [10, 40]], float), (3, 1, 1))
    pred = truth.copy()
    pred[:, 0], pred[:, 1] = (0, 19), (20, 21)  # the middle is 20 px off, half the stick's 40 px
    scored = np.ones((3, 3), bool)
    scored[1, 1] = False
    truth[2, 0, 1] = np.nan
    correct, counts = stick_hits(pred, truth, sticks, scored)
    assert counts.tolist() == [[True, True], [False, False], [False, False]]
    assert correct.tolist() == [[True, False], [False, False], [False, False]]
    pred[0, 1, 1] = 21.001
    assert not stick_hits(pred, truth, sticks, scored)[0].any()
    assert pcp(pred, truth, sticks, scored, threshold=0.6) == 0.5


def test_hand_computed_swaps() -> None:
    """Joints: right, left, middle; threshold 0.2."""
    own = np.array([[0.3, 0.3, 0.3], [0.1, 0.5, 9], [0.5, 0.5, 9], [np.inf, 0.9, 0], [9, 0.9, 0]])
    other = np.array([[0.2, 0.21, 0], [0.1, 0.1, 0], [0, np.nan, 9], [np.inf, 0, 0], [0, 0, 0]])
    scored = np.ones((5, 3), bool)
    scored[4, 0] = False
    on_other, asked = swapped(own, other, scored, [1, 0, 2], 0.2)
    assert on_other.tolist() == [
        [True, False, False],  # the limit counts; a joint without a side never does
        [False, True, False],  # near both its own and the other is not swapped
        [True, False, False],
        [False, True, False],
        [False, False, False],  # its pair is not whole
    ]
    assert asked.tolist() == [[True, True, False]] * 4 + [[False] * 3]


@given(SEEDS)
def test_exchanged_sides_are_swapped(seed: int) -> None:
    """Of predictions that are the truth with some persons' sides exchanged: those persons' pairs."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 1000, (5, 14, 2))
    mirrored, changed = truth[:, LSP.swap], rng.random(5) < 0.5
    pred = np.where(changed[:, None, None], mirrored, truth)
    reference = np.full(5, 1e-3)  # shorter than any distance between two joints
    own, other = (normalized_errors(pred, xy, reference) for xy in (truth, mirrored))
    scored = rng.random((5, 14)) < 0.8
    on_other, asked = swapped(own, other, scored, LSP.swap, 0.2)
    sided = np.array(LSP.swap) != np.arange(14)
    np.testing.assert_array_equal(asked, scored & scored[:, LSP.swap] & sided)
    np.testing.assert_array_equal(on_other, asked & changed[:, None])


@given(SEEDS, st.floats(-1e6, 1e6))
def test_masked_joints_change_nothing(seed: int, junk: float) -> None:
    rng = np.random.default_rng(seed)
    truth, reference = rng.normal(size=(5, 3, 2)), rng.random(5) + 1
    pred, scored = truth + rng.normal(size=(5, 3, 2)) / 5, rng.random((5, 3)) < 0.6
    other = np.where(scored[..., None], pred, junk)
    errors = normalized_errors(pred, truth, reference)
    changed = normalized_errors(other, truth, reference)
    np.testing.assert_equal(auc(changed, scored), auc(errors, scored))
    np.testing.assert_equal(pck_per_joint(changed, scored, 0.2), pck_per_joint(errors, scored, 0.2))
    sticks: list[Stick] = [((0,), (1,)), ((2,), (0, 1))]
    found, again = (stick_hits(xy, truth, sticks, scored) for xy in (pred, other))
    np.testing.assert_equal(again, found)


def every_figure(pred: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Counts and areas of whole photographs of five joints, with all that must not depend on px."""
    located = np.ones(truth.shape[:2], bool)
    swap = [1, 0, 2, 4, 3]
    reference = reference_length(truth, located, (1, 3))
    errors = normalized_errors(pred, truth, reference)
    mirrored = normalized_errors(pred, truth[:, swap], reference)
    sticks: list[Stick] = [((0,), (1,)), ((2,), (3, 4))]
    return {
        "hits": hits(errors, 0.2),
        "below": hits(errors, 0.2, "<"),
        "area": area(errors, 0.5, 0.01),
        "strict": stick_hits(pred, truth, sticks, located, "strict"),
        "loose": stick_hits(pred, truth, sticks, located, "loose"),
        "swapped": swapped(errors, mirrored, located, swap, 0.2),
    }


@given(SEEDS, st.floats(0.1, 100), st.tuples(st.floats(-999, 999), st.floats(-999, 999)))
def test_scale_and_translation_change_nothing(
    seed: int, scale: float, shift: tuple[float, float]
) -> None:
    """Whole px, so that many errors lie exactly on a threshold; then as a photograph of another size."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 50, (6, 5, 2)).astype(float)
    pred = truth + rng.integers(-12, 13, (6, 5, 2))
    truth[:5, 3], truth[5, 3] = truth[:5, 1] + (30, 40), truth[5, 1]  # the last has no length
    pred[0, 0] = truth[0, 0] + (6, 8)
    np.testing.assert_equal(
        every_figure(pred * scale + shift, truth * scale + shift), every_figure(pred, truth)
    )


@pytest.mark.parametrize(
    ("convention", "strict", "loose"), [("PC", 74.83, 79.61), ("OC", 81.13, 85.73)]
)
def test_published_sticks(shared: Path, convention: str, strict: float, loose: float) -> None:
    """The toolkit's ten sticks, here by number: 0 right ankle to 13 head top."""
    labels = loadmat(shared / f"oracles/lsp/lsp-joints-{convention}.mat")["joints"]
    pred = loadmat(shared / f"oracles/lsp/pred_keypoints_lsp_{convention.lower()}.mat")["pred"]
    ends = [(0, 1), (1, 2), (3, 4), (4, 5), (6, 7), (7, 8), (9, 10), (10, 11), (12, 13)]
    sticks: list[Stick] = [*(((a,), (b,)) for a, b in ends), ((2, 3), (8, 9))]
    both = pred.transpose(2, 1, 0), labels[:2, :, 1000:].transpose(2, 1, 0)
    scored = np.ones((1000, 14), bool)
    assert 100 * pcp(*both, sticks, scored) == pytest.approx(strict, abs=0.0051)
    assert 100 * pcp(*both, sticks, scored, "loose") == pytest.approx(loose, abs=0.0051)


def test_the_stick_without_length_of_the_test_images(shared: Path) -> None:
    """LSP image 1185: ankle, knee and hip of the right leg lie on one point."""
    xy = loadmat(shared / "oracles/lsp/lsp-joints-PC.mat")["joints"][:2].transpose(2, 1, 0)[
        1184:1185
    ]
    assert np.ptp(xy[0, :3], axis=0).max() < 1e-12
    leg: list[Stick] = [((0,), (1,)), ((1,), (2,))]
    scored = np.ones((1, 14), bool)
    assert pcp(xy, xy, leg, scored) == 1
    assert pcp(xy + 0.01, xy, leg, scored) == pcp(xy + 0.01, xy, leg, scored, "loose") == 0


def test_published_head_figures(shared: Path) -> None:
    """Tompson's net on MPII's validation persons; it answers no pelvis and no thorax."""
    file = loadmat(shared / "oracles/mpii/detections_our_format.mat")
    truth, pred = (file[f"pos_{key}_src"].transpose(2, 0, 1) for key in ("gt", "pred"))
    located = file["jnt_missing"].T == 0
    head = head_size(file["headboxes_src"].transpose(2, 0, 1).reshape(-1, 4))
    fourteen = located & ~np.isin(MPII.joint_names, ("pelvis", "thorax"))
    assert 100 * pckh(pred, truth, head, fourteen) == pytest.approx(82.34, abs=0.0051)
    sixteen = pck_per_joint(normalized_errors(pred, truth, head), located, 0.5)
    assert sixteen[6] == sixteen[7] == 0
    assert 100 * sixteen.mean() == pytest.approx(71.28, abs=0.0051)
    assert fourteen.sum() == 38_430

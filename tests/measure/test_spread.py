"""Spread of relative positions: hand-computed figures, those of Sun et al.'s data, and invariances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat

from vitruvian.measure.angles import TRUNK, turned
from vitruvian.measure.spread import (
    HEAD,
    LIMBS,
    Relative,
    circular_variance,
    diagonal_unit,
    relative_positions,
    rms_distance,
    spread,
    torso_unit,
)
from vitruvian.skeleton import COCO, FLIC, LSP, MPII
from vitruvian.types import UserError

LEFT_WRIST, _, LEFT_ANKLE, RIGHT_ANKLE = LIMBS
NEEDED = {
    HEAD: {*TRUNK, "neck", "head_top"},
    LEFT_WRIST: {*TRUNK, "neck", "left_elbow", "left_wrist"},
    RIGHT_ANKLE: {*TRUNK, "neck", "right_knee", "right_ankle"},
}
Labels = tuple[np.ndarray, np.ndarray]


def known(xy: np.ndarray) -> np.ndarray:
    return np.ones(xy.shape[:2], bool)


def lying() -> np.ndarray:
    """(1, 14, 2) px: head to the right, upper arm up, lower arm right, diagonals of 50 px."""
    xy = np.zeros((1, len(LSP), 2))
    place = {
        **{"left_shoulder": (140, 35), "right_shoulder": (140, 65)},
        **{"left_hip": (100, 35), "right_hip": (100, 65)},
        **{"neck": (141, 50), "head_top": (170, 50)},
        **{"left_elbow": (140, 10), "left_wrist": (160, 10)},
    }
    for joint, at in place.items():
        xy[0, LSP.index(joint)] = at
    return xy


def some_people(seed: int, N: int = 9) -> np.ndarray:
    """(N, 14, 2) px, each joint anywhere in about 100 px."""
    return np.random.default_rng(seed).normal(100, 40, (N, len(LSP), 2))


def test_positions_by_hand() -> None:
    xy = lying()
    head = relative_positions(xy, known(xy), LSP, HEAD, torso_unit(xy, known(xy), LSP))
    assert list(head) == ["raw", "body"]
    np.testing.assert_allclose(head["raw"], [[1, 0]])
    np.testing.assert_allclose(head["body"], [[0, -1]], atol=1e-12)
    wrist = relative_positions(xy, known(xy), LSP, LEFT_WRIST, np.array([50.0]))
    assert list(wrist) == ["raw", "body", "limb"]
    np.testing.assert_allclose(wrist["raw"], [[0.4, -0.5]])
    np.testing.assert_allclose(
        wrist["body"], [[-0.5, -0.4]]
    )  # head up: the right is up, up is left
    np.testing.assert_allclose(wrist["limb"], [[-0.4, 0.5]])  # half a turn


def test_figures_by_hand() -> None:
    square = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2], [1, 1]])
    assert rms_distance(square) == pytest.approx(np.sqrt(4 * 2 / 5))
    assert circular_variance(np.array([[3.0, 0], [0, 0.1]])) == pytest.approx(1 - np.sqrt(0.5))
    assert circular_variance(np.array([[3.0, 0], [0, 0], [-0.5, 0]])) == pytest.approx(1)
    assert circular_variance(np.full((7, 2), 4.0)) == pytest.approx(0)
    assert np.isnan(rms_distance(np.zeros((0, 2))))
    assert np.isnan(circular_variance(np.zeros((3, 2))))


def test_units_by_hand() -> None:
    xy = np.concatenate([lying(), lying() / 2, lying() / 10, lying()])
    xy[3, LSP.index("right_shoulder")] = (100, 5)  # the other diagonal is then 30 px
    located = known(xy)
    np.testing.assert_allclose(torso_unit(xy, located, LSP), [50, 25, np.nan, 50])
    np.testing.assert_allclose(torso_unit(xy, located, LSP, least_px=0), [50, 25, 5, 50])
    np.testing.assert_allclose(torso_unit(xy, located, LSP, least_px=25), [50, np.nan, np.nan, 50])
    # the median of 50, 25, 5, 50 is 37.5 px, and 0.3 of it 11.25 px
    np.testing.assert_allclose(diagonal_unit(xy, located, LSP), [50, 25, np.nan, 40])
    located[0, LSP.index("left_hip")] = False
    np.testing.assert_allclose(torso_unit(xy, located, LSP), [50, 25, np.nan, 50])
    np.testing.assert_allclose(diagonal_unit(xy, located, LSP), [np.nan, 25, np.nan, 40])
    assert np.isnan(diagonal_unit(xy, ~known(xy), LSP)).all()


@given(
    seed=st.integers(0, 10**6),
    relative=st.sampled_from([HEAD, LEFT_WRIST, LEFT_ANKLE]),
    least=st.sampled_from([0.0, 20.0]),
)
def test_normalized_positions_forget_how_each_person_lies(
    seed: int, relative: Relative, least: float
) -> None:
    xy = some_people(seed)
    rng = np.random.default_rng(seed + 1)
    unit = torso_unit(xy, known(xy), LSP, least)
    scale, shift = rng.uniform(0.1, 9, len(xy)), rng.normal(0, 300, (len(xy), 1, 2))
    by = np.repeat(rng.uniform(-180, 180, len(xy)), len(LSP))
    moved = turned(xy.reshape(-1, 2), by).reshape(xy.shape) * scale[:, None, None] + shift
    before = relative_positions(xy, known(xy), LSP, relative, unit)
    after = relative_positions(moved, known(xy), LSP, relative, unit * scale)
    for stage in ("body", "limb"):
        if stage in before:
            np.testing.assert_allclose(after[stage], before[stage], rtol=1e-6, atol=1e-8)
    lengths = [np.linalg.norm(positions["raw"], axis=1) for positions in (before, after)]
    np.testing.assert_allclose(*lengths, rtol=1e-6)


@pytest.mark.parametrize("relative", list(NEEDED), ids=lambda relative: relative.name)
@pytest.mark.parametrize("joint", LSP.joint_names)
def test_who_is_counted(relative: Relative, joint: str) -> None:
    xy = some_people(3)
    located = known(xy)
    located[4, LSP.index(joint)] = False
    found = relative_positions(xy, located, LSP, relative, np.full(9, 30.0))
    whole = relative_positions(xy, known(xy), LSP, relative, np.full(9, 30.0))
    kept = np.arange(9) != 4 if joint in NEEDED[relative] else np.full(9, True)
    for stage, positions in whole.items():
        np.testing.assert_array_equal(found[stage], positions[kept])


def test_a_person_without_unit_is_not_counted() -> None:
    unit = np.where(np.arange(9) % 3 == 0, np.nan, 40.0)
    xy = some_people(5)
    assert spread(xy, known(xy), LSP, HEAD, unit).n == 6
    nobody = spread(xy, known(xy), LSP, LEFT_WRIST, np.full(9, np.nan))
    assert nobody.n == 0
    assert list(nobody.rms) == list(nobody.direction) == ["raw", "body", "limb"]
    assert np.isnan([*nobody.rms.values(), *nobody.direction.values()]).all()


def test_what_has_no_direction_is_not_turned() -> None:
    xy = lying()
    xy[0, LSP.index("left_elbow")] = xy[0, LSP.index("left_shoulder")]
    wrist = relative_positions(xy, known(xy), LSP, LEFT_WRIST, np.array([50.0]))
    np.testing.assert_array_equal(wrist["limb"], wrist["raw"])
    xy[0, LSP.index("neck")] = (120, 50)  # the torso's centre
    wrist = relative_positions(xy, known(xy), LSP, LEFT_WRIST, np.array([50.0]))
    np.testing.assert_array_equal(wrist["body"], wrist["raw"])


def test_what_a_skeleton_lacks() -> None:
    assert HEAD.lacks(LSP) == HEAD.lacks(MPII) == LEFT_WRIST.lacks(FLIC) == ()
    assert HEAD.lacks(COCO) == ("head_top",)
    assert LEFT_ANKLE.lacks(FLIC) == ("left_ankle", "left_knee")
    assert LEFT_WRIST.name == "left_wrist - left_shoulder"
    assert HEAD.name == "head_top - torso centre"
    xy = np.zeros((2, len(COCO), 2))
    with pytest.raises(UserError, match="'coco' has no joint 'head_top'"):
        relative_positions(xy, known(xy), COCO, HEAD, np.ones(2))


def test_wrong_shape_of_unit() -> None:
    xy = some_people(0)
    with pytest.raises(ValueError, match=r"unit has shape \(8,\), expected \(9,\)"):
        spread(xy, known(xy), LSP, HEAD, np.ones(8))


# ---- figures measured on published labels -------------------------------------------------------
@pytest.fixture(scope="module")
def lsp(shared: Path) -> Labels:
    values = loadmat(shared / "oracles" / "lsp" / "lsp-joints-PC.mat")["joints"]
    xy = values[:2].transpose(2, 1, 0)
    return xy, known(xy)


@pytest.fixture(scope="module")
def lspet(shared: Path) -> Labels:
    values = loadmat(shared / "data" / "lspet" / "joints.mat")["joints"]
    return values[:, :2].transpose(2, 0, 1), values[:, 2].T == 1


@pytest.mark.parametrize(
    ("relative", "least_px", "n", "printed"),
    [
        (HEAD, 15, 1996, [0.544, 0.235]),
        (LEFT_WRIST, 15, 1996, [0.687, 0.715, 0.442]),
        (HEAD, 0, 2000, [0.636, 0.390]),
        (LEFT_WRIST, 0, 2000, [0.752, 0.781, 0.531]),
    ],
)
def test_lsp(
    lsp: Labels, relative: Relative, least_px: float, n: int, printed: list[float]
) -> None:
    found = spread(*lsp, LSP, relative, torso_unit(*lsp, LSP, least_px))
    assert found.n == n
    assert [round(rms, 3) for rms in found.rms.values()] == printed


@pytest.mark.parametrize(
    ("relative", "n", "printed"),
    [(HEAD, 4678, [0.930, 0.414]), (LEFT_WRIST, 4317, [1.049, 1.073, 0.610])],
)
def test_lspet(lspet: Labels, relative: Relative, n: int, printed: list[float]) -> None:
    found = spread(*lspet, LSP, relative, torso_unit(*lspet, LSP))
    assert found.n == n
    assert [round(rms, 3) for rms in found.rms.values()] == printed


def test_raw_mpii_is_not_as_compact_as_normalized_lsp(shared: Path, lsp: Labels) -> None:
    import h5py

    with h5py.File(shared / "data" / "mpii" / "valid.h5") as file:
        xy = file["part"][:]  # (2958, 16, 2) px; (0, 0): missing
    mpii = xy, (xy != 0).any(-1)
    for labels, skeleton, rms, direction in (
        (mpii, MPII, [0.517, 0.289], [0.112, 0.033]),
        (lsp, LSP, [0.519, 0.193], [0.149, 0.013]),
    ):
        found = spread(*labels, skeleton, HEAD, diagonal_unit(*labels, skeleton))
        assert [round(value, 3) for value in found.rms.values()] == rms
        assert [round(value, 3) for value in found.direction.values()] == direction

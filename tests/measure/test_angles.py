"""Torso and limb angles against hand-computed and published figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat

from vitruvian.measure.angles import (
    BIN_NAMES,
    TRUNK,
    angle_bins,
    lacking,
    limb_angle,
    torso_angle,
    torso_axis,
    turned,
)
from vitruvian.skeleton import COCO, FLIC, LSP, MPII, Skeleton
from vitruvian.types import UserError

HAND = Skeleton("hand", ("palm", "thumb", "neck"))
FIVE = (*TRUNK, "neck")
finite = st.floats(-500, 500, allow_nan=False)


def person(up: tuple[float, float], skeleton: Skeleton = LSP) -> np.ndarray:
    """(1, J, 2) px: trunk about (21, 21), the neck at `up` from there, all else far away."""
    xy = np.full((1, len(skeleton), 2), 999.0)
    xy[0, skeleton.index(*TRUNK)] = np.array([[5, -9], [-5, -7], [4, 9], [-4, 7]]) + 21
    xy[0, skeleton.index("neck")] = (21 + up[0], 21 + up[1])
    return xy


def known(xy: np.ndarray) -> np.ndarray:
    return np.ones(xy.shape[:2], bool)


@pytest.mark.parametrize("skeleton", [LSP, MPII, FLIC])
@pytest.mark.parametrize(
    ("up", "angle"),
    [
        ((0, -8), 0.0),
        ((6, -8), -36.86989764584402),
        ((-6, -8), 36.86989764584402),
        ((10, 0), -90.0),
        ((-3, 3), 135.0),
    ],
)
def test_torso_angle_by_hand(skeleton: Skeleton, up: tuple[float, float], angle: float) -> None:
    xy = person(up, skeleton)
    assert torso_angle(xy, known(xy), skeleton)[0] == pytest.approx(angle, abs=1e-12)


def test_upside_down_is_half_a_turn() -> None:
    xy = person((0, 8))
    assert np.abs(torso_angle(xy, known(xy), LSP)) == [180]


def test_axis_by_hand() -> None:
    xy = np.concatenate([person((6, -8)), person((1, 2)) + 100])
    centre, up = torso_axis(xy, known(xy), LSP)
    np.testing.assert_allclose(centre, [[21, 21], [121, 121]])
    np.testing.assert_allclose(up, [[6, -8], [1, 2]])


def test_limb_angle_by_hand() -> None:
    xy = np.zeros((3, len(LSP), 2))
    root, middle = LSP.index("left_shoulder", "left_elbow")
    xy[:, root] = (40, 50)
    xy[:, middle] = np.array([[46, 42], [40, 55], [33, 50]])
    angle = limb_angle(xy, known(xy), LSP, "left_shoulder", "left_elbow")
    np.testing.assert_allclose(angle, [143.13010235415598, 0, -90])


@given(up=st.tuples(finite, finite).filter(lambda up: np.hypot(*up) > 1e-3))
def test_angle_turns_the_torso_upright(up: tuple[float, float]) -> None:
    xy = person(up)
    _, axis = torso_axis(xy, known(xy), LSP)
    turned_up = turned(axis, torso_angle(xy, known(xy), LSP))
    np.testing.assert_allclose(turned_up, [[0, -np.linalg.norm(axis)]], atol=1e-9)


@given(by=st.floats(-180, 180), scale=st.floats(0.1, 30), shift=st.tuples(finite, finite))
def test_angle_follows_the_picture(by: float, scale: float, shift: tuple[float, float]) -> None:
    xy = person((6, -8))
    moved = turned(xy[0], np.full(len(LSP), by))[None] * scale + shift
    found = torso_angle(moved, known(xy), LSP)[0]
    difference = (found - (torso_angle(xy, known(xy), LSP)[0] - by)) % 360
    assert min(difference, 360 - difference) < 1e-6


@pytest.mark.parametrize("joint", LSP.joint_names)
def test_needs_shoulders_hips_and_neck(joint: str) -> None:
    xy = np.concatenate([person((1, -2))] * 3)
    located = known(xy)
    located[1, LSP.index(joint)] = False
    unknown = np.isnan(torso_angle(xy, located, LSP)).tolist()
    assert unknown == [False, joint in FIVE, False]


def test_limb_needs_both_joints() -> None:
    xy = np.random.default_rng(0).normal(size=(4, len(LSP), 2))
    located = known(xy)
    root, middle = LSP.index("right_hip", "right_knee")
    located[1, root] = located[2, middle] = False
    located[3, LSP.index("right_ankle")] = False
    angle = limb_angle(xy, located, LSP, "right_hip", "right_knee")
    assert np.isnan(angle).tolist() == [False, True, True, False]


def test_no_direction_no_angle() -> None:
    xy = person((0, 0))
    xy[0, LSP.index("left_knee")] = xy[0, LSP.index("left_hip")]
    assert np.isnan(torso_angle(xy, known(xy), LSP)).all()
    assert np.isnan(limb_angle(xy, known(xy), LSP, "left_hip", "left_knee")).all()


def test_without_a_neck_it_is_the_middle_of_the_shoulders() -> None:
    xy = np.full((1, len(COCO), 2), np.nan)
    xy[0, COCO.index(*TRUNK)] = [[30, 10], [10, 10], [50, 40], [30, 40]]
    located = np.isfinite(xy).all(-1)
    centre, up = torso_axis(xy, located, COCO)
    np.testing.assert_allclose(centre, [[30, 25]])
    np.testing.assert_allclose(up, [[-10, -15]])
    assert torso_angle(xy, located, COCO)[0] == pytest.approx(np.degrees(np.arctan2(10, 15)))


def test_skeleton_without_a_trunk() -> None:
    xy = np.zeros((5, 3, 2))
    assert np.isnan(torso_angle(xy, known(xy), HAND)).tolist() == [True] * 5
    assert lacking(HAND, *FIVE) == TRUNK
    assert lacking(LSP, *FIVE) == ()
    with pytest.raises(UserError, match="no joint 'left_hip'"):
        limb_angle(xy, known(xy), HAND, "left_hip", "thumb")


def test_wrong_shapes() -> None:
    xy = np.zeros((2, len(LSP), 2))
    with pytest.raises(ValueError, match=r"xy has shape \(2, 14, 2\), expected \(N, 16, 2\)"):
        torso_angle(xy, known(xy), MPII)
    with pytest.raises(ValueError, match=r"located has shape \(1, 14\), expected \(2, 14\)"):
        torso_angle(xy, known(xy)[:1], LSP)


def test_bins() -> None:
    angle = np.array([0, -45, 45.001, -90, 90.001, 180, -180, np.nan, 44])
    bins = angle_bins(angle)
    assert tuple(bins) == BIN_NAMES == ("0-45", "45-90", "90-180")
    rows = [np.flatnonzero(bins[name]).tolist() for name in BIN_NAMES]
    assert rows == [[0, 1, 8], [2, 3], [4, 5, 6]]


def leeds(shared: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, 14, 2) px of lsp or lspet and which are located."""
    values = loadmat(shared / "data" / name / "joints.mat")["joints"]
    if name == "lsp":
        return values[:2].transpose(2, 1, 0), np.ones((2000, 14), bool)
    return values[:, :2].transpose(2, 0, 1), values[:, 2].T == 1


@pytest.mark.parametrize(
    ("name", "n", "printed"),
    [("lsp", 2000, ("80.9", "12", "6.3")), ("lspet", 4759, ("43.7", "48", "32.8"))],
)
def test_published_shares(shared: Path, name: str, n: int, printed: tuple[str, ...]) -> None:
    """Below 30 degrees, above 45 and above 90, to the digits printed."""
    xy, located = leeds(shared, name)
    angle = torso_angle(xy, located, LSP)
    assert np.isfinite(angle).sum() == n
    bins = angle_bins(angle)
    rows = (np.abs(angle) < 30, bins["45-90"] | bins["90-180"], bins["90-180"])
    for found, share in zip(rows, printed, strict=True):
        digits = len(share.partition(".")[2])
        assert 100 * found.sum() / n == pytest.approx(float(share), abs=0.5 * 10**-digits + 1e-9)

"""Types of poses: clusters known beforehand, what a pose is told by, and those of LSP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat

from vitruvian.measure.angles import torso_angle, turned
from vitruvian.measure.pose_types import in_torso_units, pose_types
from vitruvian.skeleton import COCO, FLIC, LSP, MPII, Skeleton
from vitruvian.types import UserError

HAND = Skeleton("hand", ("palm", "thumb", "little_finger"))


def upright(skeleton: Skeleton = LSP) -> np.ndarray:
    """(J, 2) torso units: a person who faces the observer, with diagonals of 1 (0.6 x 0.8)."""
    places = {
        **{"left_shoulder": (0.3, -0.4), "right_shoulder": (-0.3, -0.4)},
        **{"left_hip": (0.3, 0.4), "right_hip": (-0.3, 0.4), "neck": (0, -0.5)},
        **{"head_top": (0, -1), "left_elbow": (0.4, 0), "right_elbow": (-0.4, 0)},
        **{"left_wrist": (0.5, 0.4), "right_wrist": (-0.5, 0.4), "left_knee": (0.3, 1)},
        **{"right_knee": (-0.3, 1), "left_ankle": (0.3, 1.6), "right_ankle": (-0.3, 1.6)},
    }
    return np.array([places.get(name, (0, 0)) for name in skeleton.joint_names])


def rotated(pose: np.ndarray, degrees: float) -> np.ndarray:
    return turned(pose, np.full(len(pose), degrees))


def crowd(counts: tuple[int, ...], noise: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Persons of any size anywhere, so many each upright, upside down and lying; which is (N,) 0 to 2."""
    rng = np.random.default_rng(5)
    kind = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    poses = np.stack([rotated(upright(), angle) for angle in (0, 180, 90)])[kind]
    poses = poses + rng.normal(0, noise, poses.shape)
    N = len(kind)
    return poses * rng.uniform(5, 300, (N, 1, 1)) + rng.uniform(-900, 900, (N, 1, 2)), kind


def known(xy: np.ndarray) -> np.ndarray:
    return np.ones(xy.shape[:2], bool)


def test_torso_units_by_hand() -> None:
    xy = np.stack([upright() * 50 + (70, -30), rotated(upright(), 40) * 7])
    located = known(xy)
    wrist = LSP.index("left_wrist")[0]
    located[1, wrist] = False
    pose, has_torso = in_torso_units(xy, located, LSP)
    assert has_torso.all()
    np.testing.assert_allclose(pose[0], upright(), atol=1e-12)
    expected = rotated(upright(), 40)
    expected[wrist] = 0
    np.testing.assert_allclose(pose[1], expected, atol=1e-12)


def test_the_mean_of_both_diagonals_is_1() -> None:
    xy = upright()[None].copy()
    xy[0, LSP.index("left_shoulder")] = xy[0, LSP.index("right_hip")]  # one diagonal vanishes
    xy *= 30
    pose, has_torso = in_torso_units(xy, known(xy), LSP)
    assert has_torso.all()
    np.testing.assert_allclose(np.ptp(pose[0, :, 1]), 2.6 / 0.5)  # head top to ankle, px / 15 px


def test_clusters_are_found_and_ordered() -> None:
    xy, kind = crowd((7, 40, 19))
    found = pose_types(xy, known(xy), LSP)
    assert found.sizes == (40, 19, 7)
    assert found.known.all()
    np.testing.assert_array_equal(found.nearest(xy, known(xy)), np.array([2, 0, 1])[kind])
    for centroid, angle in zip(found.centroids, (180, 90, 0), strict=True):
        np.testing.assert_allclose(centroid, rotated(upright(), angle), atol=0.03)
    means = [in_torso_units(xy[kind == k], known(xy[kind == k]), LSP)[0].mean(0) for k in (1, 2, 0)]
    np.testing.assert_allclose(found.centroids, means, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.floats(0.01, 1e4), st.floats(-1e4, 1e4), st.integers(1, 5))
def test_place_and_size_do_not_matter(seed: int, scale: float, shift: float, types: int) -> None:
    xy = np.random.default_rng(seed).normal(100, 40, (9, len(LSP), 2))
    found = pose_types(xy, known(xy), LSP, types, seed=3)
    assert sum(found.sizes) == 9
    assert len(found) == types
    before = found.nearest(xy, known(xy))
    np.testing.assert_array_equal(found.nearest(xy * scale + shift, known(xy)), before)


def test_turning_matters() -> None:
    xy, kind = crowd((30, 30))
    found = pose_types(xy, known(xy), LSP, types=2)
    over = turned(xy.reshape(-1, 2), np.full(xy[..., 0].size, 180.0)).reshape(xy.shape)
    np.testing.assert_array_equal(found.nearest(over, known(xy)), 1 - found.nearest(xy, known(xy)))
    assert set(kind) == {0, 1}


def test_the_same_seed_gives_the_same_types() -> None:
    xy = np.random.default_rng(1).normal(100, 40, (60, len(LSP), 2))
    first, again = (pose_types(xy, known(xy), LSP, 4, seed=9) for _ in range(2))
    np.testing.assert_array_equal(first.centroids, again.centroids)
    other = pose_types(xy, known(xy), LSP, 4, seed=10)
    assert not np.array_equal(first.centroids, other.centroids)


def test_joints_not_located_do_not_count() -> None:
    xy, kind = crowd((20, 12, 9))
    found = pose_types(xy, known(xy), LSP)
    located = known(xy)
    for row in range(len(xy)):
        located[row, (row % 6, 12)] = False  # a leg's joint and the neck
    located[:, LSP.index("left_hip", "right_hip")] = True
    junk = np.where(located[..., None], xy, 1e6)
    np.testing.assert_array_equal(found.nearest(junk, located), kind)
    np.testing.assert_array_equal(found.nearest(xy, ~known(xy)), -1)


def test_who_and_what_types_are_found_on() -> None:
    xy, kind = crowd((20, 12, 9))
    located = known(xy)
    wrist, knee, neck = LSP.index("left_wrist", "left_knee", "neck")
    located[: len(xy) * 2 // 3, wrist] = False  # most lack it: types are told without it
    located[0, knee] = located[1, neck] = located[2, LSP.index("right_hip")[0]] = False
    xy[~located] = 1e5
    xy[3] = xy[3, 0]  # a torso without a length
    found = pose_types(xy, located, LSP)
    assert sum(found.sizes) == len(xy) - 4
    assert np.flatnonzero(~found.known).tolist() == [wrist]
    np.testing.assert_array_equal(found.centroids[:, wrist], 0)
    nearest = found.nearest(xy, located)
    assert nearest[2] == nearest[3] == -1
    typed = np.delete(np.arange(len(xy)), [2, 3])
    np.testing.assert_array_equal(nearest[typed], kind[typed])


@pytest.mark.parametrize("skeleton", [MPII, FLIC])
def test_other_skeletons(skeleton: Skeleton) -> None:
    poses = np.stack([upright(skeleton), rotated(upright(skeleton), 180)])
    xy = np.concatenate([poses, poses[:1]]) * 40
    found = pose_types(xy, known(xy), skeleton, types=2)
    assert found.sizes == (2, 1)
    np.testing.assert_allclose(found.centroids, poses, atol=1e-12)


def test_what_cannot_be_found() -> None:
    xy, _ = crowd((4, 3, 2))
    with pytest.raises(UserError, match="'hand' has no joint 'left_shoulder'"):
        pose_types(np.zeros((2, 3, 2)), np.ones((2, 3), bool), HAND)
    same = np.repeat(xy[:1], 5, 0)
    with pytest.raises(UserError, match=r"2 pose types need .* and there are 1: train on more"):
        pose_types(same, known(same), LSP, 2)
    with pytest.raises(UserError, match=r"3 pose types need .* and there are 0"):
        pose_types(xy, ~known(xy), LSP)
    with pytest.raises(UserError, match="and there are 0"):
        pose_types(xy[:0], known(xy[:0]), LSP)
    with pytest.raises(ValueError, match="0 types of poses, expected 1 or more"):
        pose_types(xy, known(xy), LSP, 0)
    with pytest.raises(ValueError, match=r"xy has shape \(9, 14, 2\), expected \(N, 17, 2\)"):
        pose_types(xy, known(xy), COCO)


def test_lsp(shared: Path) -> None:
    """Facing the camera, seen from behind, and upside down: labels whose left is the person's own."""
    values = loadmat(shared / "data" / "lsp" / "joints.mat")["joints"][..., :1000]
    xy = values[:2].transpose(2, 1, 0)
    found = pose_types(xy, known(xy), LSP)
    front, back, over = found.centroids
    left, right, head, ankle = LSP.index(
        "left_shoulder", "right_shoulder", "head_top", "left_ankle"
    )
    assert front[left, 0] > front[right, 0]
    assert back[left, 0] < back[right, 0]
    assert max(front[head, 1], back[head, 1], over[ankle, 1]) < -0.8
    kind = found.nearest(xy, known(xy))
    assert np.bincount(kind).tolist() == list(found.sizes)
    assert found.sizes[0] + found.sizes[1] == 942
    lean = np.abs(torso_angle(xy, known(xy), LSP))
    assert np.median(lean[kind == 2]) > 150
    assert max(np.median(lean[kind == 0]), np.median(lean[kind == 1])) < 15

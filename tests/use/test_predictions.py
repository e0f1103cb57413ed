"""Anybody's predictions: published files to their published figures, joints by name, the base."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.io import loadmat

from predicted import people_of, poses, refused, result, says, write_json
from vitruvian.skeleton import COCO, FLIC, MPII, Skeleton
from vitruvian.types import State, UserError
from vitruvian.use.predictions import FLIC_11, read_predictions

# ---- published files -----------------------------------------------------------------------------


@pytest.mark.parametrize(("sides", "total"), [("OC", 81.5), ("PC", 73.56)])
def test_published_lsp_predictions(shared, sides, total):
    labels = loadmat(shared / "oracles" / "lsp" / f"lsp-joints-{sides}.mat")["joints"]
    truth = labels[:2].transpose(2, 1, 0)
    path = shared / "oracles" / "lsp" / f"pred_keypoints_lsp_{sides.lower()}.mat"
    found = read_predictions(path, people_of(truth[1000:]))
    error = np.linalg.norm(found.xy - truth[1000:], axis=-1)
    torso = np.linalg.norm(truth[1000:, 9] - truth[1000:, 2], axis=-1)
    assert 100 * (error <= 0.2 * torso[:, None]).mean() == pytest.approx(total, abs=0.005)
    assert found.name == f"pred_keypoints_lsp_{sides.lower()}"
    assert found.score is None
    assert len(found.missing) == 0
    assert "`pred` (2, 14, 1000) read as (x y, joints, persons)" in found.notes[0]
    assert says(found.notes, "order of skeleton lsp is assumed")
    assert says(found.notes, "base 0 assumed")
    sizes = {"train": 900, "test": 1000, "tune": 1000}
    refused(path, people_of(truth), "1000 persons", "2000", "('test' or 'tune'", subsets=sizes)


@pytest.fixture(scope="module")
def mpii(shared):
    """MPII's validation persons as the reader gives them: 0-based."""
    values = loadmat(shared / "oracles" / "mpii" / "detections_our_format.mat")
    boxes = values["headboxes_src"].transpose(2, 0, 1)
    state = np.where(values["jnt_missing"].T, State.MISSING, State.VISIBLE)
    people = people_of(values["pos_gt_src"].transpose(2, 0, 1) - 1, MPII, state, name="mpii")
    return replace(
        people, lengths={"head_box": 0.6 * np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1)}
    )


def test_published_mpii_predictions(shared, mpii):
    path = shared / "oracles" / "mpii" / "tompson.h5"
    found = read_predictions(path, mpii, base=1)
    scored = (mpii.state >= State.OCCLUDED) & ~np.isin(np.arange(16), [6, 7])
    error = np.linalg.norm(found.xy - mpii.joints, axis=-1) / mpii.lengths["head_box"][:, None]
    assert 100 * (error <= 0.5)[scored].mean() == pytest.approx(82.34, abs=0.005)
    assert says(found.notes, "3092 joints stand at exactly (0, 0)")
    assert found.notes[-1] == "base 1, as asked"
    other = read_predictions(path.with_name("detections_our_format.mat"), mpii, base=1)
    np.testing.assert_allclose(found.xy, other.xy, atol=1e-4)


def test_a_published_file_that_counts_from_one_is_asked_about(shared, mpii):
    path = shared / "oracles" / "mpii" / "tompson.h5"
    refused(path, mpii, "looks 1-based", "--base 1", "--base 0")
    as_it_stands = read_predictions(path, mpii, base=0)
    assert says(as_it_stands.notes, "base 0, as asked; yet the poses lie (+1.3, +1.3) px ± 0.2")
    from_one = replace(mpii, joints=mpii.joints + np.float32(1))
    assert says(read_predictions(path, from_one).notes, "base 0 assumed")


# ---- joints --------------------------------------------------------------------------------------


def test_joints_by_name_between_skeletons(tmp_path):
    xy = poses(joints=16)
    np.savez(tmp_path / "p.npz", xy=xy)
    found = read_predictions(tmp_path / "p.npz", people_of(poses(seed=1)))
    np.testing.assert_array_equal(found.xy, xy[:, [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 8, 9]])
    assert says(found.notes, "not in the data set, left out: pelvis, thorax")
    np.savez(tmp_path / "p.npz", xy=xy[:, :14])
    found = read_predictions(tmp_path / "p.npz", people_of(poses(joints=16), MPII))
    assert np.isnan(found.xy[:, 6:8]).all()
    np.testing.assert_array_equal(found.xy[:, 8:], xy[:, [12, 13, 6, 7, 8, 9, 10, 11]])
    assert says(found.notes, "not in the file, counted as wrong: pelvis, thorax")
    assert len(found.missing) == 0


def test_flic_of_eleven_joints_gives_the_neck(tmp_path):
    xy = poses(joints=11)
    np.savez(tmp_path / "p.npz", xy=xy)
    found = read_predictions(tmp_path / "p.npz", people_of(poses(joints=10), FLIC))
    np.testing.assert_array_equal(found.xy[:, 0], xy[:, 10])
    np.testing.assert_allclose(found.xy[:, 1], (xy[:, 0] + xy[:, 3]) / 2)
    np.testing.assert_array_equal(found.xy[:, 2:], xy[:, [3, 4, 5, 7, 0, 1, 2, 6]])
    assert FLIC_11.joint_names[7] == "right_hip"
    assert says(found.notes, "the middle of the shoulders, as FLIC defines it")


def test_a_joint_order_that_is_named(tmp_path):
    xy = poses(joints=3)
    three = Skeleton("three", ("neck", "head_top", "tail"))
    np.savez(tmp_path / "p.npz", xy=xy)
    people = people_of(poses(seed=1))
    found = read_predictions(tmp_path / "p.npz", people, skeleton=three)
    np.testing.assert_array_equal(found.xy[:, 12:], xy[:, :2])
    assert np.isnan(found.xy[:, :12]).all()
    refused(tmp_path / "p.npz", people, "no axis of 10, 11, 14, 16, 17 joints", "--skeleton")
    refused(tmp_path / "p.npz", people, "no axis of 17 joints", skeleton=COCO)
    other = Skeleton("tails", ("tail", "left_tail", "right_tail"))
    refused(tmp_path / "p.npz", people, "none of the joints of skeleton 'lsp'", skeleton=other)
    write_json(tmp_path / "p.json", [result(xy[0], image_id=1)])
    refused(tmp_path / "p.json", people, "has 3 joints", "has 14", "--skeleton")
    refused(tmp_path / "p.json", people, "--skeleton coco has 17", skeleton=COCO)


def test_nothing_predicted(tmp_path):
    people, xy = people_of(poses(seed=1)), poses(3)
    rows = [result(pose, image_id=1 + i) for i, pose in enumerate(xy)]
    rows[0]["keypoints"][3:6] = [None, 5.0, 0.1]
    rows[0]["keypoints"][6:9] = [0, 0, 0]
    rows[1]["keypoints"] = [float("nan")] * 42
    rows[2]["keypoints"] = [0] * 42
    found = read_predictions(write_json(tmp_path / "p.json", rows), people)
    assert np.isnan(found.xy[0]).all(-1).nonzero()[0].tolist() == [1]
    assert found.xy[0, 2].tolist() == [0, 0]
    assert found.missing.tolist() == [1, 2, 3, 4, 5, 6]
    assert says(found.notes, "1 joints stand at exactly (0, 0)")
    assert says(found.notes, "1 poses wholly at (0, 0) were taken as not predicted")


# ---- base ----------------------------------------------------------------------------------------


def test_labels_moved_by_a_pixel_are_recognised(tmp_path):
    """Also of few persons of one size, where no bias can be estimated."""
    people = people_of(np.repeat(poses(1), 4, 0))
    np.savez(tmp_path / "p.npz", xy=people.joints + 1)
    refused(tmp_path / "p.npz", people, "(+1.0, +1.0) px", "--base 1")
    found = read_predictions(tmp_path / "p.npz", people, base=1)
    np.testing.assert_allclose(found.xy, people.joints, atol=1e-4)
    np.savez(tmp_path / "p.npz", xy=people.joints)
    assert says(read_predictions(tmp_path / "p.npz", people).notes, "base 0 assumed")
    twice = read_predictions(tmp_path / "p.npz", people, base=1)
    assert says(twice.notes, "base 1, as asked; yet the poses lie (-1.0, -1.0) px")
    with pytest.raises(UserError, match="--base 2"):
        read_predictions(tmp_path / "p.npz", people, base=2)


def test_poses_of_another_archive(tmp_path):
    people = people_of(poses())
    np.savez(tmp_path / "p.npz", xy=people.joints / 3 + 10)
    found = read_predictions(tmp_path / "p.npz", people)
    assert says(found.notes, "the poses are 0.33 times as large as the labels")

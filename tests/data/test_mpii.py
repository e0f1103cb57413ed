"""MPII: rows checked by hand, what the forms agree and disagree in, head boxes."""

import json
import shutil

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from vitruvian.data.mpii import read_mpii
from vitruvian.skeleton import MPII
from vitruvian.types import State, UserError

RANK, LANK, PELVIS, THORAX, NECK, HEAD, LWRI = 0, 5, 6, 7, 8, 9, 15
SCORED = [joint for joint in range(16) if joint not in (PELVIS, THORAX)]


@pytest.fixture(scope="module")
def whole(shared):
    return read_mpii(shared / "data" / "mpii")


@pytest.fixture(scope="module")
def val_h5(shared):
    return read_mpii(shared / "data" / "mpii" / "valid.h5")


@pytest.fixture(scope="module")
def truth(shared):
    return read_mpii(shared / "oracles" / "mpii" / "detections_our_format.mat")


# the JSON


def test_rows_by_hand(whole):
    assert whole.skeleton is MPII
    assert whole.joints.shape == (25204, 16, 2)
    # the first: image 5, person 1; the left hip and the pelvis are hidden
    assert (whole.label(0), whole.key[0], whole.image[0]) == ("015601864.jpg", 501, 5)
    assert whole.joints[0, RANK].tolist() == [619, 393]
    np.testing.assert_allclose(whole.joints[0, NECK], [636.02, 188.818], atol=1e-4)
    assert (whole.state[0] == State.OCCLUDED).nonzero()[0].tolist() == [3, PELVIS]
    assert whole.joints[0, 3].tolist() == [646, 187]
    # objpos (594, 257), scale 3.021: down by 45.315 px, side 755.25 px
    np.testing.assert_allclose(
        whole.box[0], [593 - 377.625, 256 + 45.315 - 377.625, 755.25, 755.25], atol=1e-3
    )
    assert whole.box_words == "objpos + 15 px x scale, 200 px x scale x1.25, square"
    # the first of val
    val = whole.subset("val")
    assert (val.label(0), val.key[0], val.image[0]) == ("005808361.jpg", 701, 7)
    assert val.joints[0, LWRI].tolist() == [1141, 477]
    np.testing.assert_allclose(val.box[0, 2:], 250 * 4.718, rtol=1e-6)
    # its third: no ankles, hidden right wrist and elbow
    assert val.label(2) == "051423444.jpg"
    assert (val.state[2] == State.MISSING).nonzero()[0].tolist() == [RANK, LANK]
    assert val.joints[2, [RANK, LANK]].tolist() == [[0, 0], [0, 0]]
    assert (val.state[2] == State.OCCLUDED).nonzero()[0].tolist() == [10, 11]


def test_counts(whole):
    counts = {name: len(rows) for name, rows in whole.subsets.items()}
    assert counts == {"train": 21219, "tune": 1027, "train_full": 22246, "val": 2958}
    assert whole.convention == "PC"
    assert whole.scored == "val"
    assert len(np.unique(whole.key)) == 25204
    assert (whole.state == State.MISSING).sum() == 27001
    assert (whole.state == State.OCCLUDED).mean() == pytest.approx(0.215, abs=5e-4)
    assert (whole.state > State.MISSING).all(1).mean() == pytest.approx(0.674, abs=5e-4)
    located = whole.state > State.MISSING
    assert (located & (whole.joints < -1).any(-1)).sum() == 366  # negative in the file, and kept
    assert (located & (whole.joints[..., 1] <= 0)).sum() == 449
    assert np.isfinite(whole.box).all()


def test_no_image_is_in_two_subsets(whole):
    images = {name: set(whole.image[rows].tolist()) for name, rows in whole.subsets.items()}
    assert not images["train"] & images["tune"]
    assert not images["train_full"] & images["val"]
    assert min(images["tune"]) > 24000 >= max(images["train"])


def test_forms_agree(whole, val_h5, truth):
    val = whole.subset("val")
    np.testing.assert_array_equal(val.key, val_h5.key)
    np.testing.assert_array_equal(val.state, val_h5.state)
    np.testing.assert_array_equal(val.image, val_h5.image)
    assert [val.label(row) for row in range(2958)] == [val_h5.label(row) for row in range(2958)]
    np.testing.assert_array_equal(truth.state == State.MISSING, val.state == State.MISSING)
    # the .h5 file's scale has more digits; both give the same crop
    np.testing.assert_allclose(val.box, val_h5.box, atol=0.14)
    # it has whole pixels only, nearer to zero than those of the JSON
    off = (val.joints + 1.0) - (val_h5.joints + 1.0)
    assert np.abs(off).max() <= 1.0001
    assert (np.abs(off).max(-1) > 1e-3).mean() == pytest.approx(0.116, abs=0.001)
    np.testing.assert_allclose(
        val.lengths["head_box"], truth.lengths["head_box"], atol=1e-4
    )  # the JSON itself has none: they are valid.h5's
    assert "with the head boxes of valid.h5" in whole.provenance
    assert np.isnan(whole.subset("train_full").lengths["head_box"]).all()


def test_joints_of_val(val_h5, whole):
    counts = (val_h5.state > State.MISSING)[:, SCORED].sum(0)
    assert counts.tolist() == [
        2115, 2485, 2889, 2888, 2478, 2119, 2932, 2932, 2928, 2935, 2944, 2944, 2932, 2909
    ]  # fmt: skip
    assert counts.sum() == 38430
    ankles = (whole.state[:, [RANK, LANK]] == State.MISSING).mean()
    assert ankles == pytest.approx(0.28, abs=0.02)


def test_published_truth_is_not_everywhere_the_labels(whole, truth):
    val = whole.subset("val")
    located = truth.state > State.MISSING
    differs = located & (np.abs(truth.joints - val.joints).max(-1) > 1)
    assert differs.sum() == 13
    assert differs.any(1).sum() == 10
    # 0 in the file, and scored so; never taken for missing
    assert truth.joints[682, RANK].tolist() == pytest.approx([-1, 218], abs=1e-4)
    assert truth.joints[2763, [0, 1, 4, 5]].tolist() == [[-1, -1]] * 4
    assert truth.state[2763, RANK] == State.VISIBLE
    close = located & ~differs
    assert np.median(np.abs(truth.joints - val.joints)[close]) < 1e-4  # so both count from 1
    assert (truth.label(4), truth.image[4], truth.key[4]) == ("row 5", 5, 4)
    with pytest.raises(UserError, match="row 5: this file names no photographs"):
        truth.photo(4, 1)
    # the first head box is (914, 79) to (1031, 237)
    assert truth.lengths["head_box"][0] == pytest.approx(0.6 * np.hypot(117, 158), abs=1e-4)
    np.testing.assert_array_equal(truth.box, truth.boxes["labelled"])
    assert truth.box_words == "labelled joints x1.25, square"


def test_no_label_is_at_zero(whole):
    """What counts from 1 has no x = 0; 21 joints lie on the first column."""
    x = whole.joints[..., 0][whole.state > State.MISSING]
    assert not (x == -1).any()
    assert (x == 0).sum() == 21


# head boxes and other forms


def test_head_boxes_of_the_published_truth(tmp_path, shared, truth):
    shutil.copy(shared / "data" / "mpii" / "valid.h5", tmp_path)
    with h5py.File(tmp_path / "valid.h5", "a") as file:
        del file["normalize"]
    alone = read_mpii(tmp_path)
    assert alone.lengths == {}
    assert "without head boxes" in alone.provenance
    shutil.copy(shared / "oracles" / "mpii" / "detections_our_format.mat", tmp_path)
    people = read_mpii(tmp_path)
    assert "valid.h5, person-centric, with the head boxes of detections_our" in people.provenance
    np.testing.assert_allclose(people.lengths["head_box"], truth.lengths["head_box"])
    values = loadmat(tmp_path / "detections_our_format.mat")
    names = ("jnt_missing", "pos_gt_src", "headboxes_src")
    others = {name: values[name][..., ::-1] for name in names}  # of other people: not used
    savemat(tmp_path / "detections_our_format.mat", others)
    assert read_mpii(tmp_path).lengths == {}


def test_baselines_by_hand(shared, tmp_path, val_h5):
    people = read_mpii(shared / "data" / "mpii" / "test_mpii.json")
    assert {name: len(rows) for name, rows in people.subsets.items()} == {"train": 0, "val": 5}
    assert people.joints[0, RANK].tolist() == [803, 710]  # 1-based, as everywhere
    assert (people.state[2] == State.MISSING).nonzero()[0].tolist() == [RANK, LANK]
    assert people.joints[2, RANK].tolist() == [0, 0]  # -1, -1 in the file
    assert people.state[2, 10] == State.VISIBLE  # hidden in the JSON, but this form does not say
    np.testing.assert_allclose(people.box[0], val_h5.box[0], atol=1e-3)  # not adjusted in the file
    assert people.image.tolist() == [1, 2, 3, 4, 5]
    assert people.photo(3, 1)[0].shape == (*people.size(3), 3)
    persons = json.loads((shared / "data" / "mpii" / "test_mpii.json").read_text())
    persons[3]["image"] = persons[1]["image"]
    persons[4]["center"], persons[4]["scale"] = [-1, -1], -1
    (tmp_path / "annot").mkdir()
    (tmp_path / "annot" / "train.json").write_text(json.dumps(persons))
    people = read_mpii(tmp_path)
    assert people.image.tolist() == [1, 2, 3, 2, 4]
    assert {name: rows.tolist() for name, rows in people.subsets.items()} == {
        "train": [0, 1, 2, 3],
        "tune": [4],  # the last image
        "train_full": [0, 1, 2, 3, 4],
    }
    np.testing.assert_array_equal(people.box[4], people.boxes["labelled"][4])
    assert people.box_words.endswith("square, or where these lack labelled joints x1.25, square")
    for person in persons:
        del person["joints"], person["joints_vis"]
    (tmp_path / "test.json").write_text(json.dumps(persons))
    nobody = read_mpii(tmp_path / "test.json")
    assert len(nobody.subset("test")) == 5
    assert (nobody.state == State.MISSING).all()

"""Arrays of predicted poses: axes in any order, what they say of themselves, every fault in a line."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.io import savemat

from predicted import N, people_of, poses, refused, says
from vitruvian.skeleton import LSP
from vitruvian.types import UserError
from vitruvian.use.prediction_arrays import STICKS, read_sticks
from vitruvian.use.predictions import read_predictions


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("kind", ["npz", "mat", "h5", "v73"])
def test_axes_in_any_order(tmp_path, order, kind):
    xy = poses()
    path = write_arrays(tmp_path, kind, np.transpose(xy, order))
    found = read_predictions(path, people_of(poses(seed=1)))
    np.testing.assert_array_equal(found.xy, xy)


def write_arrays(folder, kind, values):
    if kind == "npz":
        np.savez(folder / "p.npz", preds=values)
        return folder / "p.npz"
    if kind == "mat":
        savemat(folder / "p.mat", {"pred": values, "other": np.zeros((2, 14, N))})
        return folder / "p.mat"
    h5py = pytest.importorskip("h5py")
    path = folder / ("p.h5" if kind == "h5" else "p.mat")
    with h5py.File(path, "w", userblock_size=0 if kind == "h5" else 512) as file:
        file["preds"] = values
    if kind == "v73":  # MATLAB's own HDF5 files begin with a line of text
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return path


def test_sizes_that_do_not_tell(tmp_path):
    xy = poses(14)
    people = people_of(poses(14, seed=1))
    savemat(tmp_path / "p.mat", {"pred": xy.transpose(2, 1, 0)})
    refused(tmp_path / "p.mat", people, "(2, 14, 14) cannot be told apart", ".npz with `xy`")
    np.savez(tmp_path / "p.npz", xy=xy)
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.npz", people).xy, xy)


def test_one_person_of_matlab(tmp_path):
    xy = poses(1)
    savemat(tmp_path / "p.mat", {"pred": xy[0].T})
    found = read_predictions(tmp_path / "p.mat", people_of(poses(1, seed=1)))
    np.testing.assert_array_equal(found.xy, xy)


def test_npz_says_all_of_itself(tmp_path):
    people = people_of(poses(seed=1))
    xy, score = poses(5), np.random.default_rng(0).random((5, 14)).round(3)
    turned = list(reversed(range(14)))
    names = [LSP.joint_names[j].replace("_", " ").title() for j in turned]
    np.savez(
        tmp_path / "p.npz", keypoints=xy[:, turned] + 1, score=score[:, turned], names=names,
        files=["im0007.jpg", "photos/im0001.jpg", "im0003.jpg", "im0002.jpg", "im0005.jpg"],
        convention="OC", base=1,
    )  # fmt: skip
    found = read_predictions(tmp_path / "p.npz", people)
    rows = [6, 0, 2, 1, 4]
    np.testing.assert_allclose(found.xy[rows], xy)
    assert found.score is not None
    np.testing.assert_array_equal(found.score[rows], score)
    assert np.isnan(found.xy[[3, 5]]).all()
    assert np.isnan(found.score[[3, 5]]).all()
    assert found.missing.tolist() == [3, 5]
    assert found.convention == "OC"
    assert says(
        found.notes, "2 of 7 persons have no prediction, counted as wrong: im0004.jpg, im0006"
    )
    assert says(found.notes, "base 1, as the file says")
    again = read_predictions(tmp_path / "p.npz", people, base=0)
    np.testing.assert_allclose(again.xy[rows], xy + 1)
    assert says(again.notes, "base 0, as asked, although the file says 1")
    refused(tmp_path / "p.npz", people, "names its joints itself", skeleton=LSP)


def test_third_numbers_are_scores(tmp_path):
    xyc = np.concatenate([poses(), np.random.default_rng(0).random((N, 14, 1))], 2)
    np.savez(tmp_path / "p.npz", preds=xyc.transpose(1, 2, 0))
    found = read_predictions(tmp_path / "p.npz", people_of(poses(seed=1)))
    np.testing.assert_array_equal(found.xy, xyc[..., :2])
    np.testing.assert_array_equal(found.score, xyc[..., 2])


def test_sticks_are_no_joints(tmp_path):
    ends = np.arange(2 * 20 * 3.0).reshape(2, 20, 3)
    savemat(tmp_path / "p.mat", {"pred": ends})
    refused(tmp_path / "p.mat", people_of(poses(3)), "two ends of ten sticks, not joints")
    sticks = read_sticks(tmp_path / "p.mat", 3, base=1)
    assert sticks.shape == (3, 10, 2, 2)
    head = STICKS.index("head")  # the columns 16 and 17
    np.testing.assert_array_equal(sticks[2, head, 1], ends[:, 17, 2] - 1)
    with pytest.raises(UserError, match="holds 3 persons, but 4"):
        read_sticks(tmp_path / "p.mat", 4)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, ["holds no array: save one array `xy` or"]),
        ({"a": np.ones(3)}, ["holds only a"]),
        ({"xy": poses(), "pred": poses()}, ["holds xy and pred"]),
        ({"xy": poses().astype(str)}, ["`xy` holds no numbers"]),
        ({"xy": poses()[0]}, ["`xy` has shape (14, 2)"]),
        ({"xy": poses()[..., 0]}, ["`xy` has shape (7, 14)"]),
        ({"xy": np.ones((7, 14, 5))}, ["no axis of two"]),
        (
            {"xy": np.where(np.arange(14)[:, None] == 3, np.inf, poses())},
            ["row 1, joint 4 is infinite"],
        ),
        ({"xy": poses(5)}, ["holds 5 persons, but 7"]),
        ({"xy": poses(5), "image_id": np.arange(4)}, ["holds 5 persons, but 4"]),
        ({"xy": poses(5), "image_id": np.ones(5)}, ["`image_id` is float64 (5,): save strings or"]),
        ({"xy": poses(), "person": np.full(7, 101)}, ["person 101 stands twice"]),
        ({"xy": poses(), "names": np.arange(14)}, ["`names` is int64 (14,): save strings"]),
        ({"xy": poses(), "bbox": np.ones((7, 3))}, ["`bbox` (7, 3)"]),
        ({"xy": poses(), "bbox": np.ones((6, 4))}, ["`bbox` has 6 rows"]),
        ({"xy": poses(), "bbox": np.tri(7, 4)}, ["row 1 of `bbox` has no area"]),
        ({"xy": poses(), "score": np.ones((14, 7))}, ["`score` is float64 (14, 7)"]),
        ({"xy": poses(), "base": np.array([3])}, ["base is 3"]),
    ],
)
def test_faults_of_arrays(tmp_path, arrays, words):
    np.savez(tmp_path / "p.npz", **arrays)
    refused(tmp_path / "p.npz", people_of(poses()), *words)

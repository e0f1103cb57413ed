"""Files of predictions as anybody writes them: what JSON holds, every fault in a line."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from predicted import people_of, poses, refused, result, says, write_json
from vitruvian.skeleton import LSP
from vitruvian.use.predictions import read_predictions


def test_other_categories_and_names_of_joints(tmp_path):
    people, xy = people_of(poses(seed=1)), poses(2)
    names = list(reversed(LSP.joint_names))
    values = {
        "predictions": [
            result(xy[0], image_id=1, category_id=9), result(xy[1], image_id=1, category_id=3)
        ],
        "categories": [
            {"id": 9, "name": "dog", "keypoints": ["tail"]},
            {"id": 3, "name": "person", "keypoints": names},
        ],
        "convention": "PC",
    }  # fmt: skip
    found = read_predictions(write_json(tmp_path / "p.json", values), people)
    np.testing.assert_array_equal(found.xy[0], xy[1, ::-1])
    assert found.convention == "PC"
    assert says(found.notes, "1 results, 1 of other categories left out")


GOOD = [1.0, 2.0, 0.5] * 14


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], ["holds no poses"]),
        ({"images": []}, ["holds no poses"]),
        ("text", ["holds no poses"]),
        ([3], ["results[0] is 3"]),
        ({"annotations": {"a": 1}}, ["holds no poses"]),
        ([{"image_id": 1}], ["results[0] has no list `keypoints`"]),
        ([{"image_id": 1, "keypoints": []}], ["results[0] has no list `keypoints`"]),
        (
            [{"image_id": 1, "keypoints": GOOD}, {"image_id": 2, "keypoints": ["1.5", *GOOD[1:]]}],
            ["results[1]: number 1 of keypoints is \"1.5\"", "write a number"],
        ),
        ([{"image_id": 1, "keypoints": [True, *GOOD[1:]]}], ["number 1 of keypoints is true"]),
        ([{"image_id": 1, "keypoints": [1, 2, float("inf")]}], ["number 3 of keypoints is infinite"]),
        ([{"image_id": 1, "keypoints": [1, 10**400, 1]}], ["number 2 of keypoints is infinite"]),
        ([{"image_id": 1, "keypoints": GOOD[:-1]}], ["keypoints has 41 numbers"]),
        ([{"image_id": 1, "keypoints": [[1, 2], [1, 2, 3]]}], ["x, y, score for each joint"]),
        (
            [{"image_id": 1, "keypoints": GOOD}, {"image_id": 2, "keypoints": GOOD[3:]}],
            ["results[1] has 13 joints of 3 numbers, the first has 14"],
        ),
        ([{"keypoints": GOOD}], ["results[0] names no photograph (null)"]),
        ([{"keypoints": GOOD, "image_id": 1.5}], ["results[0] names no photograph (1.5)"]),
        ([{"image_id": 1, "keypoints": GOOD, "score": "high"}], ['\'score\' is "high": write a number']),
        ([{"image_id": 1, "keypoints": GOOD, "bbox": [1, 2, 3]}], ["'bbox' is [1, 2, 3]: write 4"]),
        ([{"image_id": 1, "keypoints": GOOD, "bbox": [1, 2, 0, 4]}], ["no area"]),
        ([{"image_id": 1, "keypoints": GOOD, "person": "ann"}], ["'person' is \"ann\""]),
        ({"annotations": [{"image_id": 1, "keypoints": GOOD}], "base": 2}, ["base is 2"]),
        (
            {"annotations": [{"image_id": 1, "keypoints": GOOD}], "convention": "XY"},
            ["convention is 'XY'"],
        ),
        (
            {"annotations": [{"image_id": 1, "keypoints": GOOD}], "joints": ["neck"] * 14},
            ["names 1 different joints, but its poses have 14"],
        ),
    ],
)  # fmt: skip
def test_faults_of_json(tmp_path, values, words):
    refused(write_json(tmp_path / "p.json", values), people_of(poses()), *words)


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    people = people_of(poses())
    refused(tmp_path / "absent.json", people, "is not there")
    refused(tmp_path / "p.pkl", people, ".json, .npz, .mat or .h5")
    for suffix, words in (
        (".json", "line 1, column 1"), (".npz", "pickled objects"), (".mat", "MATLAB"), (".h5", "HDF5"),
    ):  # fmt: skip
        path = tmp_path / f"p{suffix}"
        path.write_bytes(b"")
        refused(path, people, "is empty")
        path.write_bytes(b"no such format" * 50)
        refused(path, people, words)
    (tmp_path / "p.json").write_bytes(b"\xff\xfe\x00")
    refused(tmp_path / "p.json", people, "not readable JSON (UnicodeDecodeError)")
    np.savez(tmp_path / "p.npz", xy=np.array([None, "x"], object))
    refused(tmp_path / "p.npz", people, "pickled objects")
    np.savez(tmp_path / "whole.npz", xy=poses())
    (tmp_path / "p.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:200])
    refused(tmp_path / "p.npz", people, "not a readable .npz")
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(tmp_path / "p.h5", people, "needs h5py: install vitruvian with its extra [data]")

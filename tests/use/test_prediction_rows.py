"""Results find their persons by photograph, key or box, never by order."""

from __future__ import annotations

import numpy as np
import pytest

from predicted import N, people_of, poses, refused, result, says, write_json
from vitruvian.types import Poses
from vitruvian.use.files import CocoWriter
from vitruvian.use.predictions import read_predictions


@pytest.mark.parametrize("how", ["number", "float", "text", "name", "folder", "table"])
def test_rows_by_photograph_never_by_order(tmp_path, how):
    people, xy = people_of(poses(seed=1)), poses()
    ids = {
        "number": lambda row: {"image_id": row + 1},
        "float": lambda row: {"image_id": float(row + 1)},
        "text": lambda row: {"image_id": f"{row + 1:012}"},
        "name": lambda row: {"image_id": f"im{row + 1:04}.jpg"},
        "folder": lambda row: {"file_name": f"C:\\lsp\\im{row + 1:04}.jpg", "image_id": N - row},
        "table": lambda row: {"image_id": 50 - row},
    }
    rows = [4, 6, 0, 5, 1, 3, 2]
    results = [result(xy[row], score=0.9, **ids[how](row)) for row in rows]
    images = [{"id": 50 - row, "file_name": f"im{row + 1:04}.jpg"} for row in rows]
    values = {"annotations": results, "images": images} if how == "table" else results
    found = read_predictions(write_json(tmp_path / "p.json", values), people)
    np.testing.assert_array_equal(found.xy, xy)
    assert found.score is not None
    np.testing.assert_allclose(found.score[3], 0.5 + 0.01 * np.arange(14))


def test_what_predict_writes(tmp_path):
    """Its image_id counts the photographs it was given: the names decide."""
    people, xy = people_of(poses(seed=1)), poses(3)
    with CocoWriter(tmp_path / "poses.json") as writer:
        for row in (2, 1):
            score, box = np.full((1, 14), 0.25), np.float32([[0, 0, 50, 80]])
            writer.write(f"photos/lsp/im{row + 1:04}.jpg", Poses(xy[[row]], score, box))
    found = read_predictions(tmp_path / "poses.json", people)
    np.testing.assert_allclose(found.xy[1:3], xy[1:3], atol=1e-3)
    assert found.missing.tolist() == [0, 3, 4, 5, 6]
    assert found.score is not None
    assert found.score[1:3].tolist() == [[0.25] * 14] * 2


def test_names_below_folders(tmp_path):
    labels = ["a/1.jpg", "b/1.jpg", "b/2.jpg"]
    people, xy = people_of(poses(3, seed=1), labels=labels), poses(3)
    names = ["data/b/1.jpg", "a/1.jpg", "2.jpg"]
    rows = [result(xy[i], file_name=name) for i, name in enumerate(names)]
    found = read_predictions(write_json(tmp_path / "p.json", rows), people)
    np.testing.assert_array_equal(found.xy[[1, 0, 2]], xy)
    write_json(tmp_path / "p.json", [result(xy[0], file_name="1.jpg")])
    refused(tmp_path / "p.json", people, "'1.jpg' fits 2 photographs", "folders")


def test_the_best_of_several_results(tmp_path):
    people, xy = people_of(poses(seed=1)), poses(4)
    rows = [
        result(xy[0], image_id=2, score=0.3), result(xy[1], image_id=2, score=0.8),
        result(xy[2], image_id=2, score=0.5), result(xy[3], image_id=3, score=0.1),
    ]  # fmt: skip
    found = read_predictions(write_json(tmp_path / "p.json", rows), people)
    np.testing.assert_array_equal(found.xy[[1, 2]], xy[[1, 3]])
    assert says(
        found.notes, "in 1 with several results for one person by the highest score, 2 results"
    )
    for row in rows:  # then the mean of the joints decides
        del row["score"]
    rows[2]["keypoints"][2::3] = [0.9] * 14
    found = read_predictions(write_json(tmp_path / "p.json", rows), people)
    np.testing.assert_array_equal(found.xy[1], xy[2])
    for row, pose in zip(rows, xy, strict=True):
        row["keypoints"] = pose.tolist()
    write_json(tmp_path / "p.json", rows)
    refused(tmp_path / "p.json", people, "3 results for im0002.jpg", "no score")


@pytest.fixture
def pair():
    """Three persons on photograph 8, one on photograph 9."""
    box = np.float32([[0, 0, 40, 80], [30, 0, 40, 80], [60, 0, 40, 80], [0, 0, 40, 80]])
    return people_of(
        poses(4, seed=1), labels=["8.jpg"] * 3 + ["9.jpg"], image=[8, 8, 8, 9], box=box
    )


def test_several_persons_by_boxes(tmp_path, pair):
    """The second result overlaps the first person most, but the first does so more."""
    xy = poses(4)
    at = [[2, 0, 40, 80], [14, 0, 40, 80], [500, 0, 40, 80], [900, 0, 5, 5]]
    rows = [
        result(pose, image_id=8 if i < 3 else 9, bbox=box)
        for i, (pose, box) in enumerate(zip(xy, at, strict=True))
    ]
    found = read_predictions(write_json(tmp_path / "p.json", rows), pair)
    np.testing.assert_array_equal(found.xy[[0, 1, 3]], xy[[0, 1, 3]])
    assert found.missing.tolist() == [2]
    assert says(
        found.notes, "in 1 photographs of several persons by the overlap of boxes, 1 results"
    )
    del rows[1]["bbox"]
    write_json(tmp_path / "p.json", rows)
    refused(tmp_path / "p.json", pair, "8.jpg has 3 persons", "100, 101, 102", "`bbox`")


@pytest.mark.parametrize("name", ["person", "id"])
def test_several_persons_by_key(tmp_path, pair, name):
    xy = poses(3)
    rows = [
        result(xy[0], image_id=8, **{name: 102}), result(xy[1], image_id=9, **{name: 103}),
        result(xy[2], image_id=8, **{name: 100}),
    ]  # fmt: skip
    found = read_predictions(write_json(tmp_path / "p.json", rows), pair)
    np.testing.assert_array_equal(found.xy[[2, 3, 0]], xy)
    assert found.missing.tolist() == [1]
    assert says(found.notes, f"persons matched by `{name}`")


def test_an_id_that_only_counts(tmp_path, pair):
    rows = [result(pose, image_id=8, id=i) for i, pose in enumerate(poses(2))]
    write_json(tmp_path / "p.json", rows)
    refused(tmp_path / "p.json", pair, "8.jpg has 3 persons")
    for row, box in zip(rows, ([60, 0, 40, 80], [0, 0, 40, 80]), strict=True):
        row["bbox"] = box
    found = read_predictions(write_json(tmp_path / "p.json", rows), pair)
    np.testing.assert_array_equal(found.xy[[2, 0]], poses(2))
    assert says(found.notes, "`id` is not the data set's key")


def test_keys_that_contradict(tmp_path, pair):
    rows = [result(poses(1)[0], image_id=8, person=103)]
    refused(write_json(tmp_path / "p.json", rows), pair, "person 103 is of photograph 9.jpg")
    rows = [result(pose, person=101) for pose in poses(2)]
    refused(write_json(tmp_path / "p.json", rows), pair, "person 101 stands twice, results 1 and 2")
    rows = [result(poses(1)[0], person=7)]
    refused(write_json(tmp_path / "p.json", rows), pair, "no person of data set", "7", "100, 101")
    rows = [result(poses(1)[0], person=7), result(poses(1)[0], person=101)]
    found = read_predictions(write_json(tmp_path / "p.json", rows), pair)
    assert says(found.notes, "1 results are of persons that the data set does not have")


def test_photographs_that_the_data_set_lacks(tmp_path):
    people, xy = people_of(poses(seed=1)), poses(8)
    rows = [result(xy[i], image_id=90 + i) for i in range(7)] + [result(xy[7], image_id=4)]
    found = read_predictions(write_json(tmp_path / "p.json", rows), people)
    np.testing.assert_array_equal(found.xy[3], xy[7])
    words = "7 photographs are not in the data set, left out: 90, 91, 92, 93, 94 and 2 more"
    assert words in found.notes
    assert says(found.notes, "6 of 7 persons")
    write_json(tmp_path / "p.json", rows[:7])
    refused(
        tmp_path / "p.json", people, "no photograph of data set 'some'", "im0001.jpg (image_id 1)"
    )
    write_json(tmp_path / "p.json", [result(xy[i], image_id=i) for i in range(N)])
    refused(tmp_path / "p.json", people, "runs from 0 to 6, in the data set from 1 to 7")

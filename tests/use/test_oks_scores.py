"""COCO's figures from files: whole result lists, one pose a person, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitruvian.data import open_data
from vitruvian.measure.oks_resamples import FIGURES
from vitruvian.types import State, UserError
from vitruvian.use.oks_scores import poses_as_results, result_list, truth_values
from vitruvian.use.predictions import read_predictions
from vitruvian.use.scores import score_file


@pytest.fixture
def truth(shared):
    return shared / "data" / "coco" / "test_coco.json"


@pytest.fixture
def perfect(truth):
    """A result for each of the 12 persons of the file with labelled joints, scores falling."""
    rows = json.loads(truth.read_text())["annotations"]
    rows = [row for row in rows if row["num_keypoints"] and not row["iscrowd"]]
    return [
        {"image_id": row["image_id"], "category_id": 1, "score": 0.9 - 0.01 * i,
         "keypoints": [float(number) for number in row["keypoints"]]}
        for i, row in enumerate(rows)
    ]  # fmt: skip


def written(path: Path, values: object) -> Path:
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def scored(path, truth, subset=None):
    return score_file(path, f"coco={truth}", "coco-oks", subset)


def test_perfect_results(truth, perfect, tmp_path):
    found = scored(written(tmp_path / "p.json", perfect), truth)
    (result,) = found.results
    assert result.total_name == "AP"
    assert result.total.value == pytest.approx(1)
    assert result.n == 12
    assert set(result.groups) == set(FIGURES) - {"AP"}
    assert all(figure.value == pytest.approx(1) for figure in result.groups.values())
    assert result.protocol.data.startswith("coco, 12 persons")
    total = json.loads(json.dumps(found.to_dict(), allow_nan=False))["total"]
    assert (total["low"], total["high"]) == (1, 1)


def test_half_of_the_persons(truth, perfect, tmp_path):
    """Six of twelve found, all right: recall stops at 0.5, precision is 1 at 51 of 101 recalls."""
    (result,) = scored(written(tmp_path / "p.json", perfect[:6]), truth).results
    assert result.total.value == pytest.approx(51 / 101)
    assert result.groups["AR"].value == pytest.approx(0.5)


def test_poses_moved_by_half_a_person_find_nobody(truth, perfect, tmp_path):
    for row in perfect:
        row["keypoints"] = [n + 150 * (i % 3 < 2) for i, n in enumerate(row["keypoints"])]
    (result,) = scored(written(tmp_path / "p.json", perfect), truth).results
    assert result.total.value == 0


def test_photographs_by_name(truth, perfect, tmp_path):
    """As `vitruvian predict` writes them: counted from 1, with the names of files."""
    name = {row["id"]: row["file_name"] for row in json.loads(truth.read_text())["images"]}
    place = {number: i + 1 for i, number in enumerate(name)}
    for row in perfect:
        row["file_name"] = f"photos/{name[row['image_id']]}"
        row["image_id"] = place[row["image_id"]]
    (result,) = scored(written(tmp_path / "p.json", perfect), truth).results
    assert result.total.value == pytest.approx(1)


def test_a_pose_for_each_row(truth, tmp_path):
    """An .npz is in the data set's order; joints that it does not have add nothing."""
    people = open_data(f"coco={truth}")
    xy = np.where((people.state >= State.OCCLUDED)[..., None], people.joints, np.nan)
    np.savez(tmp_path / "p.npz", xy=xy, base=0)
    (result,) = scored(tmp_path / "p.npz", truth).results
    assert result.total.value == pytest.approx(1)


def test_scores_and_absent_poses(truth, tmp_path):
    people = open_data(f"coco={truth}")
    xy = people.joints.astype(float)
    xy[3] = np.nan
    xy[0, 2] = np.nan
    joint_score = np.tile(np.linspace(0, 1, 17), (len(xy), 1))
    np.savez(tmp_path / "p.npz", xy=xy, score=joint_score, base=0)
    rows = poses_as_results(read_predictions(tmp_path / "p.npz", people), people)
    assert len(rows) == len(people) - 1
    assert [row["image_id"] for row in rows] == np.delete(people.images, 3).tolist()
    others = np.delete(np.linspace(0, 1, 17), 2)
    assert rows[0]["score"] == pytest.approx(others.mean())
    assert rows[1]["score"] == pytest.approx(0.5)


def test_a_subset_is_scored_on_its_own_photographs(truth, perfect, tmp_path):
    """Of a part of the photographs the truth is a part too, without the crowds of the file."""
    people = open_data(f"coco={truth}")
    assert truth_values(f"coco={truth}", people, whole=True)["annotations"][0]["area"] > 0
    val = people.subset("val")
    values = truth_values(f"coco={truth}", val, whole=False)
    assert {image["id"] for image in values["images"]} == set(val.images.tolist())
    own = [row for row in perfect if row["image_id"] in set(val.images.tolist())]
    (result,) = scored(written(tmp_path / "p.json", own), truth, "val").results
    assert result.total.value == pytest.approx(1)
    assert result.n == len(val)


def test_other_files_are_no_result_list(tmp_path):
    truth = {"images": [{"id": 1, "file_name": "a.jpg"}]}
    for text in ("{}", "[]", "[1]", '[{"file_name": "a.jpg"}]', "no json"):
        path = tmp_path / "p.json"
        path.write_text(text)
        assert result_list(path, truth) is None
    assert result_list(tmp_path / "p.npz", truth) is None


def test_what_is_wrong_is_said_in_a_line(truth, perfect, shared, tmp_path):
    def fault(change):
        rows = [dict(row) for row in perfect]
        change(rows)
        with pytest.raises(UserError) as caught:
            scored(written(tmp_path / "p.json", rows), truth)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "image 5" in fault(lambda rows: rows[0].update(image_id=5))
    assert "row 2" in fault(lambda rows: rows[1].pop("score"))
    assert "row 3" in fault(lambda rows: rows[2]["keypoints"].pop())
    lsp = shared / "oracles" / "lsp"
    with pytest.raises(UserError, match="17 joints of COCO, data set 'lsp'"):
        score_file(lsp / "pred_keypoints_lsp_pc.mat", f"lsp={lsp}", "coco-oks")


def test_no_pose_at_all(truth, tmp_path):
    people = open_data(f"coco={truth}")
    np.savez(tmp_path / "p.npz", xy=np.full(people.joints.shape, np.nan), base=0)
    (result,) = scored(tmp_path / "p.npz", truth).results
    assert result.total.value == 0

"""COCO's figures from files: whole result lists, one pose a person, and what is wrong with them."""

from __future__ import annotations

import copy
import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitruvian.data import open_data
from vitruvian.data.coco_files import write_coco
from vitruvian.measure.oks import match
from vitruvian.measure.oks_resamples import FIGURES
from vitruvian.skeleton import COCO, LSP
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


def scored(path, truth, subset=None, **more):
    return score_file(path, f"coco={truth}", "coco-oks", subset, **more)


def figure(path, truth, subset=None, **more):
    return scored(path, truth, subset, **more).results[0].total.value


@pytest.fixture
def crowded(truth):
    """The file with a crowd on the whole of its first photograph, and a photograph without persons."""
    values = json.loads(truth.read_text())
    first = values["images"][0]
    size = [first["width"], first["height"]]
    values["annotations"].append(
        {"id": 9, "image_id": first["id"], "category_id": 1, "iscrowd": 1, "num_keypoints": 0,
         "keypoints": [0] * 51, "bbox": [0, 0, *size], "area": size[0] * size[1]}
    )  # fmt: skip
    values["images"].append({"id": 9, "file_name": "nobody.jpg", "width": 90, "height": 80})
    return values


def nobody(image, count):
    """Results above all others where no labelled person is."""
    return [
        {"image_id": image, "category_id": 1, "score": 0.95, "keypoints": [10 + 20 * i, 20, 1] * 17}
        for i in range(count)
    ]


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
    values = truth_values(f"coco={truth}", people, whole=True)
    rows = poses_as_results(read_predictions(tmp_path / "p.npz", people), people, values)
    assert len(rows) == len(people) - 1
    assert [row["image_id"] for row in rows] == np.delete(people.images, 3).tolist()
    others = np.delete(np.linspace(0, 1, 17), 2)
    assert rows[0]["score"] == pytest.approx(others.mean())
    assert rows[1]["score"] == pytest.approx(0.5)


def test_a_persons_own_score_ranks_it(truth, tmp_path):
    """Not its joints'; where it has none of its own, theirs."""
    people = open_data(f"coco={truth}")
    total = np.linspace(0.1, 0.9, len(people))
    total[2] = np.nan
    of_joints = np.full((len(people), 17), 0.25)
    np.savez(tmp_path / "p.npz", xy=people.joints + 1.0, score=total, base=0)
    both = np.concatenate([people.joints + 1.0, of_joints[..., None]], -1)
    np.savez(tmp_path / "both.npz", xy=both, score=total, base=0)
    values = truth_values(f"coco={truth}", people, whole=True)

    def ranks(name):
        found = read_predictions(tmp_path / name, people)
        return [row["score"] for row in poses_as_results(found, people, values)]

    assert ranks("p.npz") == pytest.approx(np.nan_to_num(total, nan=0.0))
    assert ranks("both.npz") == pytest.approx(np.nan_to_num(total, nan=0.25))


def test_a_subset_is_scored_on_its_own_photographs(truth, perfect, tmp_path):
    """Of a part of the photographs the truth is a part too."""
    people = open_data(f"coco={truth}")
    assert truth_values(f"coco={truth}", people, whole=True)["annotations"][0]["area"] > 0
    val = people.subset("val")
    values = truth_values(f"coco={truth}", val, whole=False)
    assert {image["id"] for image in values["images"]} == set(val.images.tolist())
    own = [row for row in perfect if row["image_id"] in set(val.images.tolist())]
    (result,) = scored(written(tmp_path / "p.json", own), truth, "val").results
    assert result.total.value == pytest.approx(1)
    assert result.n == len(val)


def test_a_folder_and_a_subset_are_scored_as_their_file(crowded, perfect, tmp_path):
    """Results in a crowd cost nothing; of 24, the first 12 wrong, precision ends at 0.5."""
    truth = written(tmp_path / "person_keypoints_val2017.json", crowded)
    crowd = written(tmp_path / "crowd.json", perfect + nobody(crowded["images"][0]["id"], 6))
    empty = written(tmp_path / "empty.json", perfect + nobody(9, 12))
    for asked in ((truth,), (tmp_path,), (truth, "val"), (tmp_path, "val")):
        assert figure(crowd, *asked) == pytest.approx(1)
        assert figure(empty, *asked) == pytest.approx(0.5)


def test_a_data_set_below_the_folder_of_all(crowded, perfect, tmp_path, monkeypatch):
    (tmp_path / "coco").mkdir()
    written(tmp_path / "coco" / "labels.json", crowded)
    path = written(tmp_path / "p.json", perfect + nobody(9, 12))
    monkeypatch.setenv("VITRUVIAN_DATA", str(tmp_path))
    (result,) = score_file(path, "coco", "coco-oks").results
    assert result.total.value == pytest.approx(0.5)


def test_a_split_has_its_photographs_without_persons(crowded, perfect, tmp_path):
    one, *others = crowded["images"]
    for image in others:
        image["split"] = "val"
    others[0]["split"] = one["split"] = "train"
    truth = written(tmp_path / "labels.json", crowded)
    values = {
        name: truth_values(f"coco={truth}", open_data(f"coco={truth}").subset(name), whole=False)
        for name in ("train", "val")
    }
    assert [image["id"] for image in values["train"]["images"]] == [785, 40083]
    assert [image["id"] for image in values["val"]["images"]] == [196141, 197388, 9]
    assert [row["iscrowd"] for row in values["train"]["annotations"]] == [0, 0, 0, 0, 1]
    assert len(values["val"]["annotations"]) == 10
    own = [row for row in perfect if row["image_id"] in (785, 40083)]
    path = written(tmp_path / "p.json", own + nobody(785, 4))
    assert figure(path, truth, "train") == pytest.approx(1)


def test_a_cut_keeps_all_that_is_in_its_photographs(crowded, tmp_path):
    """The crowd lies on the photograph 785, whatever part that is in."""
    truth = written(tmp_path / "labels.json", crowded)
    people = open_data(f"coco={truth}")
    parts = {
        name: truth_values(f"coco={truth}", people.subset(name), whole=False)
        for name in ("train", "tune", "val")
    }
    (crowd,) = [n for n, part in parts.items() for a in part["annotations"] if a["iscrowd"]]
    assert 785 in people.subset(crowd).images
    assert sum(len(part["annotations"]) for part in parts.values()) == 15
    assert sorted(i["id"] for part in parts.values() for i in part["images"]) == [
        785, 40083, 196141, 197388,
    ]  # fmt: skip


def test_subsets_that_stand_beside_persons(truth, tmp_path):
    """Two of one photograph's persons are each in a subset of her own: the other is no miss."""
    people = open_data(f"coco={truth}")
    first, second = np.flatnonzero(people.images == 40083)
    people = replace(people, subsets={"a": np.array([first]), "b": np.array([second])})
    write_coco(people, tmp_path / "labels.json")
    found = open_data(f"coco={tmp_path}").subset("a")
    values = truth_values(f"coco={tmp_path}", found, whole=False)
    assert [row["id"] for row in values["annotations"]] == [int(people.key[first])]


def test_a_folder_of_two_files(crowded, perfect, tmp_path):
    """A file for each subset; those that use one id for two photographs are refused."""
    parts = {}
    for name, ids in (("train", (785, 196141)), ("val", (40083, 197388, 9))):
        parts[name] = crowded | {
            "images": [image for image in crowded["images"] if image["id"] in ids],
            "annotations": [row for row in crowded["annotations"] if row["image_id"] in ids],
        }
        written(tmp_path / f"{name}.json", parts[name])
    results = tmp_path / "results"
    results.mkdir()
    path = written(results / "all.json", perfect + nobody(9, 12))
    assert figure(path, tmp_path, "all") == pytest.approx(0.5)
    val = [row for row in perfect if row["image_id"] in (40083, 197388)]
    path = written(results / "val.json", val + nobody(9, len(val)))
    assert figure(path, tmp_path, "val") == pytest.approx(0.5)
    val = copy.deepcopy(parts["val"])
    val["images"][0]["id"] = 785
    for row in val["annotations"]:
        row["image_id"] = 785 if row["image_id"] == 40083 else row["image_id"]
    written(tmp_path / "val.json", val)
    with pytest.raises(UserError, match=r"train.json and .*val.json have one id, 785: give the"):
        scored(path, tmp_path, "val")


def test_joints_in_the_order_of_the_file(truth, tmp_path):
    """A file may order COCO's joints as it likes: poses of a data set's rows follow it."""
    values = json.loads(truth.read_text())
    names = values["categories"][0]["keypoints"]
    values["categories"][0]["keypoints"] = names[::-1]
    for row in values["annotations"]:
        flat = row["keypoints"]
        row["keypoints"] = [n for i in range(0, 51, 3)[::-1] for n in flat[i : i + 3]]
    moved = written(tmp_path / "labels.json", values)
    people = open_data(f"coco={moved}")
    assert people.skeleton.joint_names == COCO.joint_names
    xy = np.where((people.state >= State.OCCLUDED)[..., None], people.joints, np.nan)
    np.savez(tmp_path / "p.npz", xy=xy, base=0)
    assert figure(tmp_path / "p.npz", moved) == pytest.approx(1)


def test_names_that_repeat_below_folders(crowded, perfect, tmp_path):
    """folder0/0001.jpg ... : the folder decides, then the number, and nothing is guessed."""
    del crowded["images"][-1]["file_name"]  # read_coco asks for those of labelled persons alone
    name = {}
    for i, image in enumerate(crowded["images"][:4]):
        name[image["id"]] = image["file_name"] = f"folder{i}/0001.jpg"
    truth = written(tmp_path / "labels.json", crowded)
    for written_as in ("{}", "/data/photos/{}", "0001.jpg", "elsewhere/0001.jpg"):
        rows = [row | {"file_name": written_as.format(name[row["image_id"]])} for row in perfect]
        assert figure(written(tmp_path / "p.json", rows), truth) == pytest.approx(1), written_as
    counted = [row | {"file_name": name[row["image_id"]], "image_id": 1} for row in perfect]
    assert figure(written(tmp_path / "p.json", counted), truth) == pytest.approx(1)
    counted[2]["file_name"] = "0001.jpg"
    with pytest.raises(UserError, match=r"'0001.jpg' fits 4 photographs, and image_id 1 is none"):
        scored(written(tmp_path / "p.json", counted), truth)


def test_a_name_of_another_folder_counts_where_it_is_the_only_one(tmp_path):
    truth = {"images": [{"id": 5, "file_name": "val/1.jpg"}, {"id": 6, "file_name": "val/2.jpg"}]}
    rows = [{"image_id": 1, "file_name": "my/1.jpg"}, {"image_id": 6, "file_name": "my/2.jpg"},
            {"image_id": 7, "file_name": "train/2.jpg"}]  # fmt: skip
    found = result_list(written(tmp_path / "p.json", rows), truth)
    assert found is not None
    assert [row["image_id"] for row in found] == [5, 6, 7]


def test_the_base_of_results(truth, perfect, tmp_path):
    """Counted from 1: nothing but the pixel is taken off, and only where it is asked for."""
    flat = [2.5, 3.5, 1, None, 0, 0.25]
    path = written(tmp_path / "p.json", [{"image_id": 5, "keypoints": flat}])
    values = {"images": [{"id": 5}]}
    for base, moved in ((None, flat), (0, flat), (1, [1.5, 2.5, 1, None, -1, 0.25])):
        (row,) = result_list(path, values, base)
        assert row["keypoints"] == moved
    rows = [
        row | {"keypoints": [n + 1 if i % 3 < 2 else n for i, n in enumerate(row["keypoints"])]}
        for row in perfect
    ]
    path = written(tmp_path / "p.json", rows)
    found = scored(path, truth, base=1)
    assert match(
        truth_values(f"coco={truth}", open_data(f"coco={truth}"), whole=True),
        perfect,
    ).values.tolist() == [found.results[0].total.value, *(
        figure.value for figure in found.results[0].groups.values()
    )]  # fmt: skip
    assert found.notes == (
        "p.json: 12 COCO results, joints in the order of the truth, base 1, as asked",
    )
    assert "base 0 assumed" in scored(path, truth).notes[0]
    assert "is no number" in fault_of(
        lambda: scored(written(tmp_path / "p.json", [perfect[0] | {"keypoints": ["1"] * 51}]),
                       truth, base=1)
    )  # fmt: skip


def fault_of(call) -> str:
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_joints_of_results_are_those_of_the_truth(truth, perfect, tmp_path):
    path = written(tmp_path / "p.json", perfect)
    assert figure(path, truth, skeleton=COCO) == pytest.approx(1)
    said = fault_of(lambda: scored(path, truth, skeleton=LSP))
    assert "order of the truth (nose, left_eye ...): leave --skeleton lsp out" in said


def test_scores_of_which_none_is_known(truth, tmp_path):
    people = open_data(f"coco={truth}")
    score = np.full(people.joints.shape[:2], np.nan)
    score[1, :3] = 0.25, 0.75, np.nan
    np.savez(tmp_path / "p.npz", xy=people.joints, score=score, base=0)
    predictions = read_predictions(tmp_path / "p.npz", people)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = poses_as_results(
            predictions, people, truth_values(f"coco={truth}", people, whole=True)
        )
    assert [row["score"] for row in rows[:3]] == [0, 0.5, 0]


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

"""Anybody's predictions: published files to their published figures, every form, every fault in a line."""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from vitruvian.data.people import People
from vitruvian.skeleton import COCO, FLIC, LSP, MPII, Skeleton
from vitruvian.types import Poses, State, UserError
from vitruvian.use.files import CocoWriter
from vitruvian.use.prediction_arrays import STICKS, read_sticks
from vitruvian.use.predictions import FLIC_11, read_predictions

N = 7


def people_of(xy, skeleton=LSP, state=None, labels=None, image=None, box=None, name="some"):
    """A data set from joints (N, J, 2); photographs im0001.jpg and on, numbered from 1."""
    count = len(xy)
    state = np.full(xy.shape[:2], State.VISIBLE) if state is None else state
    labels = labels or [f"im{row + 1:04}.jpg" for row in range(count)]
    return People(
        name=name,
        skeleton=skeleton,
        joints=np.where((state >= State.OCCLUDED)[..., None], xy, 0).astype(np.float32),
        state=state.astype(np.uint8),
        box=np.tile(np.float32([0, 0, 50, 80]), (count, 1)) if box is None else box,
        key=100 + np.arange(count),
        photo=lambda row, factor: pytest.fail("no photograph is needed"),
        label=lambda row: labels[row],
        size=lambda row: pytest.fail("no photograph is needed"),
        subsets={},
        provenance="made by hand",
        image=1 + np.arange(count) if image is None else np.array(image),
    )


def poses(count=N, joints=14, seed=0):
    return np.random.default_rng(seed).uniform(5, 200, (count, joints, 2)).round(2)


def result(xy, **more):
    """One result; its joints' scores are 0.5, 0.51 ..."""
    score = 0.5 + 0.01 * np.arange(len(xy))
    return {"keypoints": np.column_stack([xy, score]).ravel().tolist(), **more}


def write_json(path, values):
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def says(notes, words):
    return any(words in note for note in notes)


def refused(path, people, *words, **more):
    """The one line with which a file is refused."""
    with pytest.raises(UserError) as caught:
        read_predictions(path, people, **more)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    for word in words:
        assert word in line
    return line


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


# ---- arrays --------------------------------------------------------------------------------------


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


# ---- JSON ----------------------------------------------------------------------------------------


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


# ---- faults --------------------------------------------------------------------------------------

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

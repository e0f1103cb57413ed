"""OKS by hand and against pycocotools; COCO's AP and AR of what is perfect, absent, shuffled."""

import copy
import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitruvian.measure.oks import (
    COCO_SIGMAS,
    MEAN_SIGMA,
    average_precision,
    default_sigmas,
    oks,
)
from vitruvian.measure.oks_resamples import FIGURES
from vitruvian.skeleton import COCO, LSP
from vitruvian.types import UserError

J = len(COCO)


def one(xy):
    return np.array([xy], np.float64)


# similarity


def test_by_hand():
    # area 100, sigma 0.1 and 0.05: 2 area (2 sigma)^2 = 8 and 2; d^2 = 25 and 2
    truth, pred = one([[10, 20], [30, 40]]), one([[13, 24], [31, 41]])
    scored, area = np.array([[True, True]]), np.array([100.0])
    expected = (math.exp(-25 / 8) + math.exp(-1)) / 2
    assert oks(pred, truth, scored, area, [0.1, 0.05])[0] == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(0.205908, abs=1e-6)
    only = oks(pred, truth, np.array([[False, True]]), area, [0.1, 0.05])
    assert only[0] == pytest.approx(math.exp(-1))


def test_one_sigma_off_is_exp_of_an_eighth():
    """COCO: a joint one sigma away has exp(-1/8) = 0.88, two sigmas away 0.61, three 0.32."""
    for sigmas_off, expected in ((1, 0.88), (2, 0.61), (3, 0.32)):
        pred = one([[sigmas_off * 0.062 * 50, 0]])
        found = oks(pred, np.zeros((1, 1, 2)), np.ones((1, 1), bool), np.array([2500.0]), [0.062])
        assert found[0] == pytest.approx(math.exp(-(sigmas_off**2) / 8))
        assert found[0] == pytest.approx(expected, abs=0.006)


def test_what_is_not_known():
    truth = np.zeros((6, 3, 2))
    truth[4, 0] = np.nan
    pred = np.zeros((6, 3, 2))
    pred[1, 2] = np.nan, 0
    pred[2] = np.nan
    scored = np.ones((6, 3), bool)
    scored[3] = False
    area = np.array([4.0, 4, 4, 4, 4, 0])
    np.testing.assert_allclose(
        oks(pred, truth, scored, area, [0.1] * 3), [1, 2 / 3, 0, np.nan, 1, np.nan]
    )
    for unknown in (np.nan, np.inf, -1.0):
        assert np.isnan(oks(pred, truth, scored, np.full(6, unknown), [0.1] * 3)).all()
    assert oks(pred[:0], truth[:0], scored[:0], area[:0], [0.1] * 3).shape == (0,)


def test_shapes():
    pred, scored, area = np.zeros((4, 3, 2)), np.ones((4, 3), bool), np.ones(4)
    for wrong, words in (
        ((pred[:3], pred, scored, area, [0.1] * 3), r"pred has shape \(3, 3, 2\)"),
        ((pred, pred, scored.T, area, [0.1] * 3), r"scored has shape \(3, 4\)"),
        ((pred, pred, scored, area[:, None], [0.1] * 3), r"area has shape \(4, 1\)"),
        ((pred, pred, scored, area, [0.1] * 4), r"sigmas has shape \(4,\), expected \(3,\)"),
    ):
        with pytest.raises(ValueError, match=words):
            oks(*wrong)


def test_sigmas():
    published = [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
    np.testing.assert_allclose(default_sigmas(COCO.joint_names), np.array(published) / 1000)
    assert np.mean(list(COCO_SIGMAS.values())) == pytest.approx(MEAN_SIGMA, abs=5e-4)
    lsp = dict(zip(LSP.joint_names, default_sigmas(LSP.joint_names), strict=True))
    assert (lsp["right_hip"], lsp["left_ankle"], lsp["head_top"]) == (0.107, 0.089, 0.067)


poses = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@settings(max_examples=40, deadline=None)
@given(poses, st.floats(10, 1e5), st.floats(0.1, 100))
def test_as_pycocotools(rng, area, noise):
    from pycocotools.cocoeval import COCOeval

    truth = rng.random((1, J, 2)) * 300
    pred = truth + rng.normal(0, noise, truth.shape)
    v = rng.integers(0, 3, J)
    v[0] = 2
    evaluation = COCOeval(iouType="keypoints")
    flat = np.column_stack([truth[0], v]).ravel().tolist()
    evaluation._gts = {(1, 1): [{"keypoints": flat, "bbox": [0, 0, 1, 1], "area": area}]}
    found = np.column_stack([pred[0], np.ones(J)]).ravel().tolist()
    evaluation._dts = {(1, 1): [{"keypoints": found, "score": 1.0}]}
    expected = evaluation.computeOks(1, 1)[0, 0]
    ours = oks(pred, truth, v[None] > 0, np.array([area]), default_sigmas(COCO.joint_names))
    assert ours[0] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert 0 <= ours[0] <= 1


@settings(max_examples=25, deadline=None)
@given(poses, st.floats(0.01, 100))
def test_neither_size_nor_place_matters(rng, zoom):
    truth = rng.random((5, J, 2)) * 200
    pred = truth + rng.normal(0, 10, truth.shape)
    scored = rng.random((5, J)) < 0.7
    area, sigmas = rng.random(5) * 1e4 + 1, rng.random(J) * 0.1 + 0.01
    usual = oks(pred, truth, scored, area, sigmas)
    move = rng.normal(0, 1000, 2)
    other = oks(pred * zoom + move, truth * zoom + move, scored, area * zoom**2, sigmas)
    np.testing.assert_allclose(other, usual, rtol=1e-6, atol=1e-9)


# average precision


@pytest.fixture(scope="module")
def truth(shared):
    return json.loads((shared / "data" / "coco" / "test_coco.json").read_text())


def answers(truth, move=0.0, score=0.5):
    """Every person with joints as a result, moved to the right by `move` px."""
    results = []
    for person in truth["annotations"]:
        if person["num_keypoints"]:
            flat = np.array(person["keypoints"], float).reshape(-1, 3)
            flat[:, 0] += move
            results.append(
                {
                    "image_id": person["image_id"],
                    "category_id": person["category_id"],
                    "keypoints": flat.ravel().tolist(),
                    "score": score,
                }
            )
    return results


def test_perfect(truth, capfd):
    before = copy.deepcopy(truth)
    results = answers(truth)
    found = average_precision(truth, results)
    assert tuple(found) == FIGURES
    for value in found.values():
        assert value == pytest.approx(1)
    assert truth == before
    assert results == answers(truth)
    assert capfd.readouterr() == ("", "")


def test_nothing_predicted(truth):
    assert set(average_precision(truth, []).values()) == {0.0}


def test_of_another_photograph(truth):
    results = answers(truth)
    images = sorted({result["image_id"] for result in results})
    turn = dict(zip(images, [*images[1:], images[0]], strict=True))
    shuffled = [{**result, "image_id": turn[result["image_id"]]} for result in results]
    found = average_precision(truth, shuffled)
    assert found["AP"] < 0.01
    assert found["AR"] < 0.01


def test_by_hand_over_thresholds():
    """Two persons; one is found exactly, the other with OKS 0.7: it counts from 0.50 to 0.70."""
    xy = np.arange(20.0).reshape(10, 2)
    flat = np.column_stack([xy, np.full(10, 2)])
    names = [f"joint {j}" for j in range(10)]
    area, sigma = 5000.0, 0.1
    off = math.sqrt(-math.log(0.701) * 2 * area * (2 * sigma) ** 2)
    persons = [
        {"id": 0, "image_id": image, "category_id": 3, "keypoints": flat.ravel().tolist()}
        | {"num_keypoints": 10, "area": area, "bbox": [0, 0, 50, 100], "iscrowd": 0}
        for image in (1, 2)
    ]
    truth = {
        "images": [{"id": 1}, {"id": 2}],
        "annotations": persons,
        "categories": [{"id": 3, "name": "x", "keypoints": names}],
    }
    moved = flat + np.array([off, 0, 0])
    results = [
        {"image_id": 1, "keypoints": flat.ravel().tolist(), "score": 0.9},
        {"image_id": 2, "keypoints": moved.ravel().tolist(), "score": 0.8, "category_id": 3},
    ]
    found = average_precision(truth, results, [sigma] * 10)
    # at five of ten thresholds all is found; at the others half, and of the 101 levels of recall 51
    assert found["AP"] == pytest.approx((5 + 5 * 51 / 101) / 10)
    assert found["AR"] == pytest.approx(0.75)
    assert (found["AR50"], found["AR75"]) == (1, 0.5)
    assert found["APM"] == pytest.approx(found["AP"])  # 32^2 to 96^2 px
    assert math.isnan(found["APL"])
    assert math.isnan(found["ARL"])
    # a wider sigma forgives it
    assert average_precision(truth, results, [2 * sigma] * 10)["AP"] > found["AP"]


def test_crowds_and_persons_without_joints_do_not_count(truth):
    results = answers(truth)
    unlabelled = next(p for p in truth["annotations"] if p["num_keypoints"] == 0)
    x, y, width, height = unlabelled["bbox"]
    flat = [x + width / 2, y + height / 2, 1] * J
    extra = {"image_id": unlabelled["image_id"], "category_id": 1, "keypoints": flat, "score": 0.9}
    assert average_precision(truth, [*results, extra])["AP"] == pytest.approx(1)
    elsewhere = {**extra, "keypoints": [-500, -500, 1] * J}
    assert average_precision(truth, [*results, elsewhere])["AP"] < 0.99


def test_a_joint_that_is_nan_is_wrong(truth):
    """pycocotools by itself takes a similarity of NaN for a match."""
    results = answers(truth)
    for result in results:
        result["keypoints"] = [math.nan, math.nan, 0.0] * J
    assert average_precision(truth, results)["AP"] == 0
    results = answers(truth)
    for result in results:
        result["keypoints"][: 3 * 8] = [math.nan, math.inf, 0.0] * 8
    assert 0 < average_precision(truth, results)["AR"] < 1


def test_the_ids_of_annotations_do_not_matter(truth):
    renumbered = copy.deepcopy(truth)
    for number, person in enumerate(renumbered["annotations"]):
        person["id"] = number  # 0 is pycocotools' "no match"
    usual = average_precision(truth, answers(truth, 6.0))
    assert average_precision(renumbered, answers(truth, 6.0)) == usual
    assert 0 < usual["AP"] < 1


def test_the_box_of_a_result_does_not_matter(truth):
    """pycocotools by itself takes the area of a result from its bbox."""
    results = answers(truth, 12.0)
    boxed = [{**result, "bbox": [0, 0, 3, 3]} for result in results]
    assert average_precision(truth, boxed) == average_precision(truth, results)


def test_what_annotation_tools_leave_out(truth):
    bare = copy.deepcopy(truth)
    for person in bare["annotations"]:
        del person["num_keypoints"], person["iscrowd"], person["area"]
    bare["annotations"].append({"id": 3, "image_id": 785, "category_id": 9, "bbox": [1, 2, 3, 4]})
    assert average_precision(bare, answers(truth))["AP"] == pytest.approx(1)
    null = copy.deepcopy(bare)
    for person in null["annotations"]:
        person |= {"num_keypoints": None, "iscrowd": None, "area": None}
    moved = answers(truth, 6.0)
    assert average_precision(null, moved) == average_precision(bare, moved)


def test_results_that_do_not_fit(truth):
    result = answers(truth)[0]
    for key, value, words in (
        ("image_id", 7, r"row 1 \(image 7\): the truth has no such image"),
        ("category_id", 2, r"category_id 2, but the one with keypoints is 1 \('person'\)"),
        ("keypoints", [1, 2, 3], r"keypoints are not 51 numbers"),
        ("keypoints", None, r"keypoints are not 51 numbers"),
        ("keypoints", ["1"] * 51, r"keypoints: '1' is no number"),
        ("score", None, r"score: None is no number"),
        ("score", math.nan, r"score: nan is no number"),
    ):
        with pytest.raises(UserError, match=words):
            average_precision(truth, [{**result, key: value}])
    for sigmas in ([0.1] * 16, [0.1] * 16 + [0], [math.nan] * 17):
        with pytest.raises(UserError, match="are not 17 numbers above 0"):
            average_precision(truth, [], sigmas)


def test_truth_that_does_not_fit(truth):
    for broken in (
        {},
        {**truth, "categories": [{"id": 1, "name": "person"}]},
        {**truth, "categories": [{"id": k, "name": "x", "keypoints": ["a"]} for k in (1, 2)]},
        {key: value for key, value in truth.items() if key != "images"},
    ):
        with pytest.raises(UserError, match="needs one category with keypoints"):
            average_precision(broken, [])
    short = [{**truth["annotations"][0], "keypoints": [1, 2, 2]}]
    with pytest.raises(UserError, match="annotation 442619: keypoints are not 51 numbers"):
        average_precision({**truth, "annotations": short}, [])
    lost = [{**truth["annotations"][0], "image_id": 7}]
    with pytest.raises(UserError, match="annotation 442619: image_id 7 is in no image"):
        average_precision({**truth, "annotations": lost}, [])


def test_without_pycocotools(truth, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(UserError, match=r"install vitruvian with its extra \[coco\]"):
        average_precision(truth, [])

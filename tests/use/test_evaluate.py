"""Known poses in, known figures out: runners that see nothing, the truth, or a shifted truth."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from vitruvian import geometry
from vitruvian.data.arm import write_example
from vitruvian.data.box_files import read_boxes
from vitruvian.data.boxes import image_boxes
from vitruvian.data.coco import read_coco
from vitruvian.data.coco_files import to_coco
from vitruvian.data.convention import in_convention
from vitruvian.data.loader import Skipped
from vitruvian.data.synthetic import figures
from vitruvian.data.union import in_skeleton
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.models import Preprocessing
from vitruvian.skeleton import LSP, MPII, Skeleton
from vitruvian.types import UserError
from vitruvian.use.evaluate import (
    Predicted,
    answered,
    by_name,
    evaluate,
    find,
    looks_at,
    predict_people,
    protocol_for,
    turns,
)
from vitruvian.use.quick import quick_score

CROP = (96, 64)


def truth_runner(people, box, shift_px=0.0):
    """Answers the true joints of each row in turn, moved to the right by px of the photograph."""
    matrices = geometry.crop_to_image(geometry.fit_aspect(box, *CROP), *CROP)
    place = {"row": 0}

    def run(image, flip):
        rows = np.arange(place["row"], place["row"] + len(image))
        place["row"] += len(image)
        xy = people.joints[rows] + [shift_px, 0]
        xy_crop = geometry.apply(geometry.invert(matrices[rows]), xy.astype(np.float64))
        return xy_crop.astype(np.float32), np.ones(xy.shape[:2], np.float32)

    return run


@pytest.fixture(scope="module")
def people():
    return figures(30, seed=5, side=64)


def test_the_truth_scores_one(people):
    result = evaluate(truth_runner(people, people.box), people, CROP)
    assert result.total.value == 1
    assert result.n == 30
    assert result.protocol.name == "figures-pck"
    assert 0 < result.baselines["mean_pose"].total.value < 1


def test_a_shift_beyond_the_threshold_scores_nothing(people):
    box = image_boxes(people)
    right, left = people.skeleton.length("torso")
    torso = np.linalg.norm(people.joints[:, right] - people.joints[:, left], axis=-1)
    # 0.21 of the longest torso is more than 0.2 of each
    run = truth_runner(people, box, shift_px=0.21 * torso.max())
    result = evaluate(run, people, CROP, look="image")
    assert result.total.value == 0
    assert result.protocol.box == "whole image"


def test_an_unreadable_photograph_counts_as_wrong(people):
    def photo(row, factor):
        if row == 3:
            raise UserError("im3 is empty: copy it again")
        return people.photo(row, factor)

    broken = replace(people, photo=photo)
    result = evaluate(truth_runner(people, people.box), broken, CROP)
    assert result.total.value == pytest.approx(29 / 30)
    assert result.failed == ("figure 3",)


def test_only_who_is_not_settled_is_looked_at_again(people):
    """Joints that fill four fifths of a square crop ask for the same box again."""
    looked, sides = [], []

    def run(image, flip):
        looked.append(len(image))
        reach = np.full((len(image), 1, 1), 0.4)
        if len(looked) == 1:
            reach[3:] = 0.3
        if len(looked) == 2:
            reach[:7] = 0.2
        corners = 31.5 + 64 * reach * np.where(np.arange(14) % 2, 1, -1)[:, None]
        xy = np.broadcast_to(corners, (len(image), 14, 2))
        return xy.astype(np.float32), np.ones((len(image), 14), np.float32)

    for known in looks_at(run, people, image_boxes(people), (64, 64), 5, 1.25):
        sides.append(np.ptp(known.xy[..., 0], axis=1))
    assert looked == [30, 27, 7]
    # of boxes of 64, then 1.25 * 38.4 = 48, then 1.25 * 19.2 = 24 px
    np.testing.assert_allclose(sides[0], np.repeat([51.2, 38.4], [3, 27]), rtol=1e-5)
    np.testing.assert_allclose(sides[1], np.repeat([51.2, 19.2, 38.4], [3, 7, 20]), rtol=1e-5)
    np.testing.assert_allclose(sides[2], np.repeat([51.2, 19.2, 38.4], [3, 7, 20]), rtol=1e-5)


def test_the_protocol_says_how_often_it_looks(people):
    def run(image, flip):
        return np.full((len(image), 14, 2), 20, np.float32), np.zeros((len(image), 14), np.float32)

    result = evaluate(run, people, CROP, look="found")
    assert result.protocol.name == "figures-pck-image-found"
    assert result.protocol.box == "whole image, then once the joints that stand out x1.25, square"
    assert protocol_for(people, "found", passes=1) == protocol_for(people, "image")
    five = protocol_for(people, "found", passes=5)
    assert five.box == "whole image, then up to 4 times the joints that stand out x1.25, square"


def test_predict_people_keeps_order_across_batches(people):
    predicted = predict_people(
        truth_runner(people, people.box), people, people.box, CROP, batch=7, workers=2
    )
    np.testing.assert_allclose(predicted.xy, people.joints, atol=1e-3)


def test_protocol_of_another_data_set_and_skeleton(people):
    assert protocol_for(replace(people, name="lspet")).name == "lspet-pck-pc"
    assert protocol_for(people, flip=True).flip_test
    nameless = replace(people, skeleton=replace(LSP, name="mine", reference=None))
    with pytest.raises(UserError, match="declares no reference length"):
        protocol_for(nameless)


# ---- other skeletons, sides and protocols ---------------------------------------------------------
def test_poses_move_by_the_names_of_joints():
    data = Skeleton("data", ("head", "left_tip", "right_tip"), (("left_tip", "right_tip"),))
    model = Skeleton("model", ("tail", "right_tip", "head"))
    xy = np.arange(12.0).reshape(2, 3, 2)
    moved = by_name(xy, model, data)
    np.testing.assert_array_equal(moved[:, 0], xy[:, 2])
    np.testing.assert_array_equal(moved[:, 2], xy[:, 1])
    assert np.isnan(moved[:, 1]).all()
    assert by_name(xy, data, data) is xy


def test_a_protocol_keeps_what_a_model_answers():
    model = Skeleton("few", ("neck", "left_knee", "nose"))
    kept = answered(PROTOCOLS["lsp-pck-pc"], model)
    assert kept.name == "lsp-pck-pc-shared"
    assert kept.joints == ("left_knee", "neck")
    assert kept.groups == (("head", ("neck",)), ("knee", ("left_knee",)))
    assert answered(PROTOCOLS["lsp-pck-pc"], LSP) is PROTOCOLS["lsp-pck-pc"]
    for protocol, skeleton in (("lsp-pcp-strict", model), ("lsp-pck-pc", Skeleton("x", ("tail",)))):
        with pytest.raises(UserError, match=r"needs '.*', which the model's skeleton"):
            answered(PROTOCOLS[protocol], skeleton)


def test_which_protocol_is_whose(people):
    def name(data, convention="PC", **lengths):
        lengths = {key: np.array([value]) for key, value in lengths.items()}
        return protocol_for(replace(people, name=data, convention=convention, lengths=lengths)).name

    assert name("lsp") == "lsp-pck-pc"
    assert name("lsp", "OC") == "lsp-pck-oc"
    assert name("flic", "OC") == "flic-pck-oc"
    assert name("mpii", head_box=30.0) == "mpii-pckh"
    assert name("mpii", head_box=np.nan) == "mpii-pckh-segment"  # no file gives head boxes
    assert name("mine", "") == "mine-pck"
    asked = protocol_for(people, "image", chosen=PROTOCOLS["lsp-pck-pc"], turned=True)
    assert asked.name == "lsp-pck-pc-image"
    assert asked.box == "whole image"
    assert "torso rule" in asked.decoding
    generic = protocol_for(replace(people, name="mine"))
    assert dict(generic.groups)["wrist"] == ("right_wrist", "left_wrist")


def test_the_protocol_says_whose_box_is_looked_in(people):
    assert protocol_for(people).box == "labelled joints x1.25, square"
    placed = replace(people, box_words="objpos, scale x1.25")
    assert protocol_for(placed).box == "objpos, scale x1.25"
    assert protocol_for(placed, chosen=PROTOCOLS["lspet-pck-pc"]).box == "objpos, scale x1.25"
    assert protocol_for(placed, "image").box == "whole image"
    assert evaluate(truth_runner(placed, placed.box), placed, CROP).protocol.box == placed.box_words


def test_mpii_without_head_boxes_is_scored_in_head_segments(people):
    """0.5 heads of 0.75 segments, 14 joints: what trainings on MPII watch."""
    whole = in_skeleton(people, MPII)
    mpii = replace(whole, name="mpii")
    found = protocol_for(mpii)
    assert found.name == "mpii-pckh-segment"
    assert (found.reference, found.threshold, len(found.joints)) == ("head", 0.375, 14)
    assert not {"pelvis", "thorax"} & set(found.joints)
    assert "stands in for mpii-pckh" in found.source
    assert found.box == "labelled joints x1.25, square"
    boxed = replace(mpii, lengths={"head_box": np.full(len(mpii), 30.0)})
    assert protocol_for(boxed).name == "mpii-pckh"
    assert protocol_for(replace(mpii, convention="OC")).convention == "OC"
    assert protocol_for(replace(whole, name="mine")).name == "mine-pck"
    # somebody off by 0.37 of the segment is right, by 0.38 wrong
    neck, top = mpii.skeleton.length("head")
    segment = np.linalg.norm(mpii.joints[:, neck] - mpii.joints[:, top], axis=-1)
    for share, score in ((0.37, 1.0), (0.38, 0.0)):
        xy = mpii.joints.astype(float)
        xy[..., 0] += share * segment[:, None]
        assert quick_score(Predicted(xy, np.ones(xy.shape[:2]), Skipped()), mpii) == score


def test_a_net_does_not_run_for_nothing(people):
    def never(image, flip):
        pytest.fail("ran")

    for protocol, words in (("mpii-pckh", "no length 'head_box'"), ("lsp-pck-oc", "truth is PC"),
                            ("flic-pck-pc", "scores 'nose'"), ("coco-oks", "COCO results")):  # fmt: skip
        with pytest.raises(UserError, match=words):
            evaluate(never, people, CROP, protocol=PROTOCOLS[protocol])
    with pytest.raises(UserError, match="what an observer sees"):
        evaluate(never, people, CROP, convention="OC")


def test_whom_nothing_can_be_found_of(people):
    def never(image, flip):
        pytest.fail("ran")

    def no_photo(row, factor):
        raise UserError("it is not there: copy it again")

    nobody = people.rows(np.arange(0))
    with pytest.raises(UserError, match="nobody is in this subset"):
        find(never, nobody, CROP)
    with pytest.raises(UserError, match="holds crops, not whole photographs"):
        find(never, replace(people, whole=False), CROP, look="image")
    absent = replace(people, photo=no_photo)
    with pytest.raises(UserError, match="not one photograph could be read: 30 photographs"):
        find(truth_runner(people, people.box), absent, CROP)


def test_person_centric_answers_are_turned_for_observer_centric_labels(people):
    observed = in_convention(people, "OC")
    assert len(observed) == len(people)
    found = find(truth_runner(people, people.box), observed, CROP, convention="PC")
    np.testing.assert_allclose(found.xy, observed.joints, atol=1e-3)
    plain = find(truth_runner(people, people.box), observed, CROP)
    np.testing.assert_allclose(plain.xy, people.joints, atol=1e-3)
    assert np.abs(people.joints - observed.joints).max() > 5
    assert turns("PC", observed)
    assert not turns("PC", people)
    assert not turns("", observed)
    assert not turns("OC", replace(people, convention=""))


def test_the_mean_pose_is_measured_where_it_is_told(people):
    """On persons whose joints lie elsewhere in their boxes it says something else."""
    other = replace(people, joints=people.joints + 20)
    own, foreign = (
        evaluate(truth_runner(people, people.box), people, CROP, trained_on=source)
        for source in (people, other)
    )
    assert own.baselines["mean_pose"].total.value > foreign.baselines["mean_pose"].total.value
    assert own.baselines["image_centre"].total == foreign.baselines["image_centre"].total
    none = people.rows(np.arange(0))
    same = evaluate(truth_runner(people, people.box), people, CROP, trained_on=none)
    assert same.baselines["mean_pose"].total == own.baselines["mean_pose"].total


def test_somebodys_own_boxes_show_persons_at_one_scale(tmp_path):
    """Trainings and evaluations look where `predict --boxes` does with the same file."""
    labels = write_example(tmp_path / "arm", 3, seed=1, side=64)
    own, given = read_coco(labels), read_boxes(labels)
    margin = Preprocessing(crop=CROP).margin
    for row in range(3):
        box = geometry.boxes_of_pixels(given[own.label(row)][0])
        np.testing.assert_allclose(own.box[row], geometry.grow(box, margin), atol=1e-4)
    assert protocol_for(own, chosen=PROTOCOLS["lsp-pck-pc"]).box == "bbox x1.25"


@pytest.mark.parametrize("given", ["bbox", "joints"])
def test_converted_boxes_show_persons_at_one_scale(tmp_path, given):
    """Files of `data convert`, whose boxes have their margin already or, read from COCO's, have not."""
    people = read_coco(write_example(tmp_path / "arm", 3, seed=1, side=64))
    if given == "joints":
        people = replace(people, boxes={})
    converted = tmp_path / "converted.json"
    converted.write_text(json.dumps(to_coco(people)))
    boxes = read_boxes(converted)
    for row in range(3):
        (box,) = geometry.boxes_of_pixels(np.concatenate(list(boxes.values()))[[row]])
        np.testing.assert_allclose(geometry.grow(box, 1.25), people.box[row], atol=1e-3)

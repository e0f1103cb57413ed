"""Known poses in, known figures out: runners that see nothing, the truth, or a shifted truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian import geometry
from vitruvian.data.synthetic import figures
from vitruvian.models import Predict
from vitruvian.skeleton import LSP
from vitruvian.types import UserError
from vitruvian.use.boxes import boxes_of_poses
from vitruvian.use.evaluate import (
    evaluate,
    image_boxes,
    predict_people,
    protocol_for,
    quick_score,
    spread,
)

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


def test_the_second_look_uses_what_the_first_found(people):
    boxes = []

    def run(image, flip):
        boxes.append(len(image))
        return np.full((len(image), 14, 2), 20, np.float32), np.zeros((len(image), 14), np.float32)

    result = evaluate(run, people, CROP, look="found")
    assert boxes == [30, 30]
    assert result.protocol.name == "figures-pck-image-found"
    third = evaluate(run, people, CROP, look="found", predict=Predict(passes=3))
    assert boxes == [30] * 5
    assert third.protocol.box == "whole image, then 2 times the joints found x1.25, square"


def test_quick_score_is_the_total_of_evaluate(people):
    def run(image, flip):  # the middle of the crop
        return np.full((len(image), 14, 2), 40, np.float32), np.ones((len(image), 14), np.float32)

    total = evaluate(run, people, CROP).total.value
    assert quick_score(predict_people(run, people, people.box, CROP), people) == total


def test_spread_tells_a_collapsed_net_from_a_good_one(people):
    def same(image, flip):
        xy = np.tile(np.linspace(5, 60, 14)[None, :, None], (len(image), 1, 2))
        return xy.astype(np.float32), np.ones((len(image), 14), np.float32)

    def measured(runner):
        return spread(predict_people(runner, people, people.box, CROP, workers=0), people)

    assert measured(truth_runner(people, people.box)) == pytest.approx(1, abs=1e-4)
    assert measured(same) < 1e-4


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


def test_boxes_of_poses_by_hand():
    xy = np.array([[[10, 20], [30, 20], [20, 60], [500, 500]]] * 2, float)  # (2, 4, 2)
    score = np.array([[0.9, 0.9, 0.9, 0.1], [0.9, 0.9, 0.1, 0.1]])
    old = np.array([[0, 0, 9, 9], [1, 2, 3, 4]], float)
    box = boxes_of_poses(xy, score, old, threshold=0.3, margin=1.25)
    # extents 20 x 40, so a square of 50 about (20, 40); two sure joints are too few
    np.testing.assert_allclose(box, [[-5, 15, 50, 50], [1, 2, 3, 4]])

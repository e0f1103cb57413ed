"""What is chosen on `tune`, by hand-made scores and a net whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import drawn
from vitruvian.data.boxes import image_boxes
from vitruvian.data.synthetic import figures
from vitruvian.learn.choose import choose, dividing
from vitruvian.models import ModelInfo, Predict, Preprocessing


def test_the_score_that_divides_right_from_wrong() -> None:
    score = np.array([0.4, 0.1, 0.6, 0.3, 0.2, 0.5])
    assert dividing(score, score > 0.35) == pytest.approx(0.35)
    assert dividing(score / 100, score > 0.35) == pytest.approx(0.0035)
    one_off = np.array([False, False, True, False, True, True])  # 0.2 is right, 0.3 and 0.4 are not
    assert dividing(score, one_off) == pytest.approx(0.45)
    assert dividing(score, np.ones(6, bool)) == 0
    assert dividing(score, np.zeros(6, bool)) == pytest.approx(0.8)  # above all of them
    assert dividing(np.ones(3), np.array([True, False, False])) == 0  # no score is above


def _info(predict: Predict) -> ModelInfo:
    return drawn.model_of(lambda image, flip: (image, image), predict=predict).info


def test_what_is_chosen_on_tune() -> None:
    """Legs are found with a score of 0.62, arms are 30 px off with one of 0.4."""
    people = replace(figures(200, seed=4, side=64), whole=False)
    tune = people.subset("tune")
    off = np.where(np.arange(14) < 6, 0, 30)[None, :, None]
    score = np.where(np.arange(14) < 6, 0.62, 0.4)
    answer = drawn.answering(tune, tune.joints + off)

    def run(image: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        xy, _ = answer(image, flip)
        return xy, np.broadcast_to(score, xy.shape[:2])

    info = _info(Predict(passes=2))
    assert choose(run, info, people) == Predict(passes=2, threshold=0.51)
    few = replace(people, subsets={**people.subsets, "tune": people.subsets["tune"][:9]})
    assert choose(run, info, few) == Predict(passes=2)  # 126 joints say too little
    nobody = replace(people, subsets={"val": people.subsets["val"]})
    assert choose(run, info, nobody) == info.predict


@pytest.mark.parametrize("best", [1, 2, 4])
def test_how_often_to_look_is_chosen_on_tune(best: int) -> None:
    """Everybody is looked at closer and closer, and found in one of the looks alone."""
    people = figures(200, seed=4, side=64)
    tune = people.subset("tune")
    looks: list[int] = []
    boxes = image_boxes(tune)

    def run(image: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        looks.append(len(image))
        assert len(image) == len(tune)
        reach = 0.3 * np.where(
            np.arange(14) % 2, 1, -1
        )  # of the crop: the next box has 0.75 of its side
        xy = np.broadcast_to(np.stack([reach, reach], -1), (len(image), 14, 2))
        if len(looks) == best:
            side = boxes[:, None, 2:] * 0.75 ** (best - 1)
            middle = boxes[:, None, :2] + boxes[:, None, 2:] / 2
            xy = (tune.joints - middle) / side
        score = np.ones((len(image), 14), np.float32)
        return ((xy + 0.5) * 64 - 0.5).astype(np.float32), score

    info = _info(Predict(passes=3)).model_copy(
        update={"preprocessing": Preprocessing(crop=(64, 64))}
    )
    assert choose(run, info, people).passes == best


def test_who_has_learnt_from_whole_photographs_looks_once() -> None:
    people = figures(200, seed=4, side=64)
    seen: list[int] = []

    def run(image: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        seen.append(len(image))
        middle = np.full((len(image), 14, 2), 31.5, np.float32)
        return middle, np.ones((len(image), 14), np.float32)

    info = _info(Predict(passes=1)).model_copy(update={"recipe": {"box": "image"}})
    assert choose(run, info, people).passes == 1
    assert sum(seen) == len(people.subset("tune"))

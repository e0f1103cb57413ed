"""Resampled photographs are what pycocotools says of photographs that are really there so often."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from vitruvian.measure import oks
from vitruvian.measure.oks import FIGURES, average_precision, precision_with_intervals
from vitruvian.measure.oks_resamples import curve, figures, intervals, matches

Values = dict[str, Any]


@pytest.fixture(scope="module")
def truth(shared: Any) -> Values:
    values: Values = json.loads((shared / "data" / "coco" / "test_coco.json").read_text())
    return values


def noisy(truth: Values, ties: bool = False) -> list[Values]:
    """Two answers a person, blurred by more or less; some are nowhere."""
    rng = np.random.default_rng(3)
    results = []
    for person in truth["annotations"]:
        for off in (3.0, 25.0):
            flat = np.array(person["keypoints"], float).reshape(-1, 3)
            flat[:, :2] += rng.normal(0, off, (len(flat), 2)) + 900 * (rng.random() < 0.2)
            score = float(rng.integers(1, 6) / 5 if ties else rng.random())
            results.append(
                {"image_id": person["image_id"], "keypoints": flat.ravel().tolist(), "score": score}
            )
    return results


def repeated(
    truth: Values, results: list[Values], times: np.ndarray
) -> tuple[Values, list[Values]]:
    """Photographs several times, or not at all, with their persons and results."""
    images: list[Values] = []
    persons: list[Values] = []
    found: list[Values] = []
    for place, image in enumerate(sorted(truth["images"], key=lambda one: one["id"])):
        for time in range(int(times[place])):
            number = 100 * place + time
            images.append({"id": number})
            of = [p for p in truth["annotations"] if p["image_id"] == image["id"]]
            persons += [p | {"image_id": number} for p in of]
            of = [r for r in results if r["image_id"] == image["id"]]
            found += [r | {"image_id": number} for r in of]
    return truth | {"images": images, "annotations": persons}, found


def weighted(truth: Values, results: list[Values], times: np.ndarray) -> Iterator[float]:
    evaluation = oks._evaluated(truth, results, None)
    images, thresholds = len(truth["images"]), len(evaluation.params.iouThrs)
    sizes = [
        matches(evaluation.evalImgs[i * images : (i + 1) * images], thresholds) for i in range(3)
    ]
    return figures(sizes, times.astype(float), evaluation)


def test_once_each_is_the_library_s_own(truth: Values) -> None:
    results = noisy(truth, ties=True)
    expected = average_precision(truth, results)
    ours = list(weighted(truth, results, np.ones(len(truth["images"]), int)))
    assert 0.2 < expected["AP"] < 0.9
    assert len(set(expected.values())) > 6
    np.testing.assert_allclose(ours, [expected[name] for name in FIGURES], rtol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_a_weight_is_a_photograph_several_times(truth: Values, seed: int) -> None:
    results, images = noisy(truth), len(truth["images"])
    times = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images))
    assert times.max() > 1
    expected = average_precision(*repeated(truth, results, times))
    ours = list(weighted(truth, results, times))
    np.testing.assert_allclose(ours, [expected[name] for name in FIGURES], rtol=1e-9)


def test_a_curve_by_hand() -> None:
    """Three results of which the second is wrong; three persons, so that recall stops at two thirds."""
    noted = [
        {"gtIgnore": [0], "dtScores": [0.9], "dtMatches": [[4]], "dtIgnore": [[False]]},
        {
            "gtIgnore": [0, 0, 1],
            "dtScores": [0.8, 0.7],
            "dtMatches": [[0, 5]],
            "dtIgnore": [[0, 0]],
        },
        None,
    ]
    of = matches(noted, 1)
    assert of.persons.tolist() == [1, 2, 0]
    recalls = np.array([0.0, 0.3, 0.5, 0.6, 0.7, 1.0])
    precision, recall = curve(of, np.ones(3), recalls)
    np.testing.assert_allclose(precision, [(1 + 1 + 2 / 3 + 2 / 3) / 6])
    np.testing.assert_allclose(recall, [2 / 3])
    precision, recall = curve(of, np.array([3.0, 0, 5]), recalls)  # the first, three times
    np.testing.assert_allclose((precision, recall), [[1], [1]])
    assert np.isnan(curve(of, np.array([0.0, 0, 5]), recalls)).all()


def test_intervals_hold_the_value_and_shrink_with_certainty(truth: Values) -> None:
    found = precision_with_intervals(truth, noisy(truth), np.random.default_rng(1), resamples=200)
    value, low, high = found["AP"]
    assert 0 < low < value < high < 1
    assert high - low < 0.6
    same = [r | {"keypoints": p["keypoints"]} for r, p in zip(
        noisy(truth)[::2], truth["annotations"], strict=True
    )]  # fmt: skip
    perfect = precision_with_intervals(truth, same, np.random.default_rng(1), resamples=20)
    np.testing.assert_allclose(perfect["AR"], 1)


def test_equal_seeds_give_equal_intervals(truth: Values) -> None:
    evaluation = oks._evaluated(truth, noisy(truth), None)
    one, same, other = (intervals(evaluation, np.random.default_rng(s), 50) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one[0] != other[0]).any()

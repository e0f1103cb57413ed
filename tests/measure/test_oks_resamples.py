"""Resampled photographs are what pycocotools says of photographs that are really there so often."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from vitruvian.measure.oks import average_precision, match
from vitruvian.measure.oks_resamples import (
    FIGURES,
    Matches,
    curve,
    differences,
    estimates,
    figures,
)

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


def test_once_each_is_the_library_s_own(truth: Values) -> None:
    results = noisy(truth, ties=True)
    expected = average_precision(truth, results)
    ours = list(figures(match(truth, results), np.ones(len(truth["images"]))))
    assert 0.2 < expected["AP"] < 0.9
    assert len(set(expected.values())) > 6
    np.testing.assert_allclose(ours, [expected[name] for name in FIGURES], rtol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_a_weight_is_a_photograph_several_times(truth: Values, seed: int) -> None:
    results, images = noisy(truth), len(truth["images"])
    times = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images))
    assert times.max() > 1
    expected = average_precision(*repeated(truth, results, times))
    ours = list(figures(match(truth, results), times.astype(float)))
    np.testing.assert_allclose(ours, [expected[name] for name in FIGURES], rtol=1e-9)


def test_a_curve_by_hand() -> None:
    """Three results of which the second is wrong; three persons, so that recall stops at two thirds."""
    right = (np.array([0, 2]),)
    of = Matches(np.array([0, 1, 1]), right, np.ones((1, 3)), np.array([1.0, 2, 0]))
    recalls = np.array([0.0, 0.3, 0.5, 0.6, 0.7, 1.0])
    precision, recall = curve(of, np.ones(3), recalls)
    np.testing.assert_allclose(precision, [(1 + 1 + 2 / 3 + 2 / 3) / 6])
    np.testing.assert_allclose(recall, [2 / 3])
    precision, recall = curve(of, np.array([3.0, 0, 5]), recalls)  # the first, three times
    np.testing.assert_allclose((precision, recall), [[1], [1]])
    assert np.isnan(curve(of, np.array([0.0, 0, 5]), recalls)).all()


def test_intervals(truth: Values) -> None:
    found = estimates(match(truth, noisy(truth)), 12, 1, resamples=200)
    assert tuple(found) == FIGURES
    assert all(0 <= of.low <= of.value <= of.high <= 1 and of.n == 12 for of in found.values())
    assert 0.05 < found["AP"].high - found["AP"].low < 0.6


def test_one_photograph_alone_has_no_spread(truth: Values) -> None:
    times = np.eye(len(truth["images"]), dtype=int)[1]
    one = match(*repeated(truth, noisy(truth), times))
    found = estimates(one, 1, 0, resamples=5)
    assert found["AP"].low == found["AP"].high == pytest.approx(one.values[0])


def test_differences_are_paired(truth: Values) -> None:
    """The same results but for a few: less uncertain than two intervals side by side."""
    results = noisy(truth)
    better = [dict(row) for row in results]
    for row, person in zip(better[:8:2], truth["annotations"], strict=False):
        row["keypoints"] = person["keypoints"]
    one, other = match(truth, results), match(truth, better)
    gap = differences(one, other, 1, resamples=200)["AP"]
    assert gap.value == pytest.approx(other.values[0] - one.values[0])
    assert gap.value > 0
    assert gap.low <= gap.value <= gap.high
    alone = estimates(one, 12, 1, resamples=200)["AP"]
    assert gap.high - gap.low < alone.high - alone.low
    same = differences(one, one, 1, resamples=20)
    assert {(of.value, of.low, of.high, of.p) for of in same.values()} == {(0, 0, 0, 1)}


def test_no_photographs_no_figures(truth: Values) -> None:
    none = match(truth | {"images": [], "annotations": []}, [])
    found = estimates(none, 0, 1)["AP"]
    assert np.isnan([found.value, found.low, found.high]).all()


def test_other_photographs_cannot_be_paired(truth: Values) -> None:
    one = match(truth, noisy(truth))
    fewer = truth | {"annotations": truth["annotations"][1:]}
    other = match(fewer, noisy(fewer))
    with pytest.raises(ValueError, match="same photographs"):
        differences(one, other, 1)

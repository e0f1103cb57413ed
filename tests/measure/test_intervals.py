"""The bootstrap: what its intervals hold, and what they depend on."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitruvian.measure.intervals import Estimate, bootstrap


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def people(seed: int, N: int = 40, K: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Correct and scored joints (N, K) of made-up persons."""
    rng = draw(seed)
    whole = rng.integers(0, 5, (N, K))
    whole[0] = 1
    return rng.binomial(whole, 0.7), whole


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_the_interval_holds_the_value(seed: int, N: int) -> None:
    part, whole = people(seed, N)
    value, low, high = bootstrap(part, whole, draw(seed), resamples=50)
    np.testing.assert_allclose(value, part.sum(0) / whole.sum(0))
    assert (low <= value).all()
    assert (value <= high).all()
    assert (low >= 0).all()
    assert (high <= 1).all()


@given(st.integers(1, 30), st.integers(0, 14), st.integers(0, 2**32 - 1))
def test_equal_rows_have_no_width(N: int, correct: int, seed: int) -> None:
    part, whole = np.full((N, 2), correct), np.full((N, 2), 14)
    value, low, high = bootstrap(part, whole, draw(seed), resamples=20)
    assert (low == value).all()
    assert (high == value).all()


def test_the_width_is_that_of_the_normal_approximation() -> None:
    N, share = 4000, 0.8
    part = (np.arange(N) < share * N)[:, None].astype(float)
    value, low, high = bootstrap(part, np.ones((N, 1)), draw(1))
    half = 1.96 * np.sqrt(share * (1 - share) / N)
    assert value == [share]
    np.testing.assert_allclose([value - low, high - value], half, rtol=0.1)


def test_persons_of_one_image_are_drawn_together() -> None:
    part, whole = people(3, N=60)
    twice = np.repeat(part, 2, 0), np.repeat(whole, 2, 0)
    group = np.repeat(np.arange(60) * 7 - 100, 2)
    alone, grouped = bootstrap(part, whole, draw(5)), bootstrap(*twice, draw(5), group)
    np.testing.assert_allclose(grouped, alone)
    ungrouped = bootstrap(*twice, draw(5))
    assert (ungrouped[2] - ungrouped[1] < grouped[2] - grouped[1]).all()


def test_the_same_generator_gives_the_same_interval() -> None:
    part, whole = people(8)
    np.testing.assert_array_equal(bootstrap(part, whole, draw(2)), bootstrap(part, whole, draw(2)))
    assert not np.array_equal(bootstrap(part, whole, draw(2)), bootstrap(part, whole, draw(3)))


def test_what_is_never_scored_is_nan() -> None:
    part, whole = people(4, N=6, K=2)
    part[:, 1] = whole[:, 1] = 0
    for figure in bootstrap(part, whole, draw(0)):
        assert np.isnan(figure).tolist() == [False, True]
    assert np.isnan(bootstrap(np.zeros((0, 2)), np.zeros((0, 2)), draw(0))).all()


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="one shape"):
        bootstrap(np.zeros((3, 2)), np.zeros((2, 3)), draw(0))
    with pytest.raises(ValueError, match="group has shape"):
        bootstrap(np.zeros((3, 2)), np.ones((3, 2)), draw(0), np.zeros(2))


def test_estimates_are_plain_values() -> None:
    assert Estimate(0.5, 0.25, 0.75, 8).to_dict() == {"value": 0.5, "low": 0.25, "high": 0.75}
    nothing = Estimate(np.nan, np.nan, np.nan, 0).to_dict()
    assert nothing == {"value": None, "low": None, "high": None}


def test_a_whole_test_set_takes_a_moment() -> None:
    part, whole = people(1, N=9000, K=15)
    start = time.process_time()
    bootstrap(part, whole, draw(0))
    assert time.process_time() - start < 5  # about 0.3 s; the slack is for a busy machine

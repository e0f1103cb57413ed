"""The One Euro filter against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vitruvian.use.smooth import OneEuro, Smoother, smoothing_factor


def test_the_weight_of_a_new_value() -> None:
    assert smoothing_factor(1.0, 1 / (2 * math.pi)) == pytest.approx(0.5)
    assert smoothing_factor(3.0, 1 / (2 * math.pi)) == pytest.approx(0.75)


def test_two_steps_by_hand() -> None:
    """Gaps of 1 / (2 pi) s make every weight f / (f + 1).

    0, then 4: speed 0.5 * 4 * 2 pi = 4 pi, cut-off 1 + 4 pi * 1 / pi = 5, weight 5/6, value 10/3.
    Then 10/3 again: speed 0.5 * 4 pi = 2 pi, and no way to go.
    """
    smooth, gap = Smoother(OneEuro(1.0, 1 / math.pi, 1.0)), 1 / (2 * math.pi)
    assert smooth(np.array([0.0]), 0.0).tolist() == [0]
    np.testing.assert_allclose(smooth(np.array([4.0]), gap), [10 / 3], rtol=1e-6)
    np.testing.assert_allclose(smooth(np.array([10 / 3]), 2 * gap), [10 / 3], rtol=1e-6)
    # speed pi after half of 2 pi and of no movement; cut-off 2, weight 2/3 of 3 more
    step = smooth(np.array([10 / 3 + 3]), 3 * gap)
    speed = 0.5 * 3 * 2 * math.pi + 0.5 * 2 * math.pi
    cutoff = 1 + speed / math.pi
    np.testing.assert_allclose(step, [10 / 3 + 3 * cutoff / (cutoff + 1)], rtol=1e-6)


def test_beta_nought_is_an_exponential_mean() -> None:
    smooth, gap = Smoother(OneEuro(1.0, 0.0)), 1 / (2 * math.pi)
    values = [float(smooth(np.array([[8.0]]) * (n > 0), n * gap)[0, 0]) for n in range(4)]
    assert values == pytest.approx([0, 4, 6, 7])


def test_speed_is_measured_in_units() -> None:
    """Twice the size and twice the way is the same movement."""
    one, two = Smoother(), Smoother()
    for n, place in enumerate((0.0, 3.0, 9.0, 9.0)):
        a = one(np.array([place, -place]), n / 30, unit=100)
        b = two(2 * np.array([place, -place]), n / 30, unit=200)
        np.testing.assert_allclose(b, 2 * a, rtol=1e-6)


def test_time_that_stands_still() -> None:
    smooth = Smoother()
    smooth(np.array([1.0]), 5.0)
    assert smooth(np.array([100.0]), 5.0).tolist() == [1]
    assert smooth(np.array([100.0]), 4.0).tolist() == [1]


def test_less_jitter_and_little_lag() -> None:
    rng = np.random.default_rng(0)
    still = rng.normal(0, 1, 200)
    smooth = Smoother()
    steadied = [float(smooth(np.array([v]), n / 30, 100)[0]) for n, v in enumerate(still)]
    assert np.std(steadied[50:]) < 0.5 * np.std(still[50:])
    smooth = Smoother()
    for n in range(60):  # three sizes a second
        last = float(smooth(np.array([n * 10.0]), n / 30, 100)[0])
    assert 590 - last < 0.15 * 100

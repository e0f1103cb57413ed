"""A base is told from a system's own bias, or nothing is said."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.use.prediction_shift import Offset, offset_evidence, one_pixel


def simulated(seed, persons, shift, spread, joints=15):
    """Predictions as of a heatmap net whose bias grows with the person, and the base's shift."""
    rng = np.random.default_rng(seed)
    length = np.exp(rng.normal(np.log(400), spread, persons))
    truth = rng.random((persons, joints, 2)) * length[:, None, None]
    bias = rng.normal(0, 0.01, 2) + rng.normal(0, 0.003, (joints, 2))
    error = bias + rng.standard_t(3, truth.shape) * 0.015
    lost = rng.random((persons, joints, 1)) < 0.2
    error = np.where(lost, rng.normal(0, 0.4, truth.shape), error) * length[:, None, None]
    return truth + error + rng.normal(0, 1.5, truth.shape) + shift, truth, length


def test_a_shift_is_told_from_a_bias():
    seeds = range(15)
    none = [offset_evidence(*simulated(seed, 2000, 0, 0.5)) for seed in seeds]
    one = [offset_evidence(*simulated(seed, 2000, 1, 0.5)) for seed in seeds]
    assert not any(one_pixel(offset) for offset in none)
    assert all(one_pixel(offset) for offset in one)
    # the interval is one: of the standardised estimates the spread is about 1
    z = [2.576 * (offset.dx + offset.dy) / 2 / offset.margin for offset in none]
    assert 0.6 < np.std(z) < 1.5


@pytest.mark.parametrize(("persons", "spread"), [(100, 0.1), (2000, 0.02), (2000, 0.0), (10, 0.5)])
def test_too_little_evidence_raises_no_alarm(persons, spread):
    """Few persons, or all of a size: bias and shift look alike."""
    for seed in range(10):
        offset = offset_evidence(*simulated(seed, persons, 0, spread))
        assert not one_pixel(offset)
        assert offset.margin > 1


def test_no_evidence_at_all():
    nothing = np.full((60, 5, 2), np.nan)
    assert offset_evidence(nothing, nothing, np.ones(60)) == Offset(0, 0, np.inf)
    assert offset_evidence(nothing[:0], nothing[:0], np.ones(0)) == Offset(0, 0, np.inf)


@pytest.mark.parametrize("larger", [Offset(3, 3, 0.2), Offset(1.6, 0.4, 0.1), Offset(-1, -1, 0.1)])
def test_what_is_no_base(larger):
    assert not one_pixel(larger)

"""Intervals over seeds and photographs: by hand, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.claims.bootstrap import Counts, _over_seeds, _widening, coverage, effect, photographs


def counts(
    part: list[list[float]], weight: float = 1.0, persons: str = "a", whole: float = 2.0
) -> Counts:
    array = np.array(part, float)
    return Counts(persons, array, np.full_like(array, whole), weight)


def test_a_difference_is_that_of_shares_averaged_over_seeds() -> None:
    one, other = [[2, 1, 0], [2, 2, 2]], [[1, 1, 0], [1, 0, 0]]
    found = effect([counts(one), counts(other, -1.0)], margin=0.25)
    # seed 0: 3/6 - 2/6, seed 1: 6/6 - 1/6
    assert found.value == pytest.approx((1 / 6 + 5 / 6) / 2 + 0.25)
    assert (found.n, found.seeds) == (3, 2)
    assert found.low <= found.value <= found.high


def test_what_does_not_vary_has_no_width() -> None:
    same = [[1, 1, 1, 1]] * 3
    found = effect([counts(same), counts([[0, 0, 0, 0]] * 3, -1.0)])
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)


def test_photographs_are_drawn_together_for_all_terms() -> None:
    """The same counts less themselves are nothing, however they vary over photographs and seeds."""
    wild = [[0, 2, 1, 0, 2], [2, 0, 0, 1, 2], [0, 0, 2, 2, 1]]
    paired = effect([counts(wild), counts(wild, -1.0)])
    assert (paired.low, paired.high) == pytest.approx((0, 0), abs=1e-6)
    apart = effect([counts(wild), counts(wild, -1.0, persons="b")])
    assert apart.low < -0.1
    assert apart.high > 0.1


def test_seeds_widen_the_interval_by_what_means_of_so_many_vary() -> None:
    """Seeds at -1, 0 and 1 on equal photographs: drawn means have variance 2/9, stretched to 1/3."""
    drawn = np.tile([-1.0, 0.0, 1.0], (200_000, 1))
    means = _over_seeds(drawn, np.random.default_rng(0))
    assert means.mean() == pytest.approx(0, abs=0.01)
    assert means.var() == pytest.approx(1 / 3, abs=0.005)  # s^2 / S with s^2 = 1
    assert np.array_equal(_over_seeds(drawn[:, :1], np.random.default_rng(0)), drawn[:, 0])


def test_few_seeds_widen_the_interval_as_students() -> None:
    """Equal photographs: only seeds vary, with 2 degrees of freedom; 4.303 is Student's quantile."""
    value = np.array([-1.0, 0.0, 1.0])
    assert _widening(value, np.tile(value, (50, 1))) == pytest.approx(4.303 / 1.960, rel=1e-3)
    # photographs as uncertain as seeds, 1/3: four times the degrees of freedom, 8; 2.306
    moved = np.where(np.arange(50) % 2, 1.0, -1.0)[:, None] * np.sqrt(1 / 3)
    assert _widening(value, value + moved) == pytest.approx(2.306 / 1.960, rel=1e-3)
    assert _widening(value[:1], value[:1] + moved) == 1
    part = np.repeat(value[:, None] + 2, 40, 1)
    found = effect([Counts("a", part, np.ones_like(part))])
    assert found.low < 2 - 1.7  # the lowest mean of three stretched, -1.22, and widened 2.2 times
    assert found.high > 2 + 1.7


def test_photographs_of_any_term_are_counted() -> None:
    part = np.ones((1, 4))
    some, other = np.array([[1.0, 0, 0, 0]]), np.array([[0, 1.0, 1, 0]])
    assert effect([Counts("a", part, some), Counts("a", part, other, -1.0)]).n == 3
    assert effect([Counts("a", part, some), Counts("b", part, other, -1.0)]).n == 2


def test_one_seed_speaks_of_photographs_only() -> None:
    part = np.random.default_rng(1).binomial(1, 0.5, (1, 400)).astype(float)
    found = effect([Counts("a", part, np.ones_like(part))])
    width = 2 * 1.96 * part.std() / np.sqrt(part.size)
    assert found.high - found.low == pytest.approx(width, rel=0.1)


def test_photographs_where_nothing_is_counted_do_not_make_it_uncertain() -> None:
    part, whole = np.array([[1.0, 0.0, 0.0]]), np.array([[1.0, 0.0, 0.0]])
    found = effect([Counts("a", part, whole)])
    assert (found.value, found.n) == (1, 1)
    assert (found.low, found.high) == (1, 1)
    nothing = effect([Counts("a", part, np.zeros_like(whole))])
    assert np.isnan(nothing.value)
    assert np.isnan(nothing.low)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="have shapes"):
        effect([counts([[1, 1]]), counts([[1, 1, 1]])])
    with pytest.raises(ValueError, match="have shapes"):
        effect([counts([[1, 1]]), counts([[1, 1], [1, 1]])])


def test_weights_are_of_as_many_photographs_as_there_are() -> None:
    weights = photographs(7, 50, 3)
    assert weights.shape == (50, 7)
    assert (weights.sum(1) == 7).all()
    assert not np.array_equal(weights, photographs(7, 50, 4))


def test_coverage() -> None:
    """Nominally 95 %: near it, below it where two seeds decide."""
    assert 0.9 < coverage(3, trials=200) < 0.98
    assert 0.9 < coverage(5, trials=200) < 0.98
    assert 0.88 < coverage(3, 10.0, trials=200) < 0.98
    assert 0.8 < coverage(2, 10.0, trials=200) < 0.95

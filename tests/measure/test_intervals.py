"""The bootstrap: what its intervals and its paired test hold, and what they depend on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitruvian.measure.intervals import (
    Difference,
    Estimate,
    Figure,
    Tally,
    differences,
    estimates,
)

SEEDS = st.integers(0, 2**32 - 1)
FIGURES = (Figure("one", (1,)), Figure("micro", (0, 1, 2)), Figure("macro", (0, 2, 1), True))


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def tally(seed: int, G: int = 40, right: float = 0.7) -> Tally:
    """Three columns of made-up images; counts depend on nothing but G."""
    whole = np.random.default_rng(G).integers(0, 5, (G, 3))
    whole[0] = 1
    return Tally(draw(seed).binomial(whole, right), whole, FIGURES)


def yes_or_no(right: np.ndarray) -> Tally:
    """One joint of each image, right or wrong."""
    return Tally(right[:, None].astype(float), np.ones((len(right), 1)), (Figure("joint", (0,)),))


def test_hand_computed_shares() -> None:
    part = np.array([[1, 0, 3], [0, 0, 1.5]])
    whole = np.array([[2, 0, 4], [2, 0, 4]])
    found = estimates(Tally(part, whole, FIGURES), draw(0), resamples=200)
    assert list(found) == ["one", "micro", "macro"]
    assert np.isnan([found["one"].value, found["one"].low, found["one"].high]).all()
    assert found["micro"].value == 5.5 / 12
    assert found["macro"].value == (1 / 4 + 4.5 / 8) / 2  # what is never scored does not count
    assert [found[name].n for name in found] == [0, 12, 12]
    assert (found["micro"].low, found["micro"].high) == (1.5 / 6, 4 / 6)  # one image twice


@given(SEEDS, st.integers(1, 9), st.sampled_from([1, 50]))
def test_the_interval_holds_the_value(seed: int, G: int, resamples: int) -> None:
    made = tally(seed, G)
    found = estimates(made, draw(seed), resamples)
    share = made.part.sum(0) / made.whole.sum(0)
    values = [found[name].value for name in ("one", "micro", "macro")]
    micro = made.part.sum() / made.whole.sum()
    np.testing.assert_allclose(values, [share[1], micro, share.mean()])
    for estimate in found.values():
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert [found[name].n for name in found] == [*made.whole.sum(0)[1:2], *2 * [made.whole.sum()]]


@given(st.integers(1, 30), st.integers(0, 14), SEEDS)
def test_equal_images_have_no_width(G: int, correct: int, seed: int) -> None:
    made = Tally(np.full((G, 3), correct), np.full((G, 3), 14), FIGURES)
    for estimate in estimates(made, draw(seed), resamples=20).values():
        assert estimate.low == estimate.value == estimate.high


@pytest.mark.parametrize(("level", "deviations"), [(0.95, 1.96), (0.8, 1.2816)])
def test_the_width_is_that_of_the_binomial(level: float, deviations: float) -> None:
    G, share = 4000, 0.8
    found = estimates(yes_or_no(np.arange(G) < share * G), draw(1), level=level)["joint"]
    half = deviations * np.sqrt(share * (1 - share) / G)
    assert (found.value, found.n) == (share, G)
    np.testing.assert_allclose([share - found.low, found.high - share], half, rtol=0.1)


def test_joints_of_one_image_are_drawn_together() -> None:
    """Four joints that are right or wrong together say no more than one of them."""
    right = np.arange(500) % 10 < 7
    four = Tally(4 * right[:, None], np.full((500, 1), 4), (Figure("joint", (0,)),))
    alone = estimates(yes_or_no(right), draw(3))["joint"]
    assert estimates(four, draw(3))["joint"] == replace(alone, n=2000)
    by_itself = estimates(yes_or_no(np.repeat(right, 4)), draw(3))["joint"]
    assert (by_itself.high - by_itself.low) < 0.6 * (alone.high - alone.low)


def test_images_without_scored_joints_change_nothing() -> None:
    made, empty = tally(6), np.zeros((25, 3))
    at = np.sort(draw(0).integers(0, 41, 25))
    padded = Tally(np.insert(made.part, at, empty, 0), np.insert(made.whole, at, empty, 0), FIGURES)
    assert padded.part.shape == (65, 3)
    assert estimates(padded, draw(2)) == estimates(made, draw(2))
    better = tally(7, right=0.8)
    other = replace(padded, part=np.insert(better.part, at, empty, 0))
    assert differences(padded, other, draw(2)) == differences(made, better, draw(2))


def test_the_same_generator_gives_the_same_interval() -> None:
    made = tally(8)
    assert estimates(made, draw(2)) == estimates(made, draw(2))
    assert estimates(made, draw(2)) != estimates(made, draw(3))
    other = tally(9)
    assert differences(made, other, draw(2)) == differences(made, other, draw(2))


def test_figures_beside_it_do_not_change_an_interval() -> None:
    made = tally(5)
    alone = Tally(made.part[:, 1:2], made.whole[:, 1:2], (Figure("one", (0,)),))
    both = Tally(made.part, np.maximum(made.whole, 1), FIGURES)
    alone = replace(alone, whole=both.whole[:, 1:2])
    assert estimates(both, draw(4))["one"] == estimates(alone, draw(4))["one"]


def test_nothing_is_scored() -> None:
    nothing = np.zeros((4, 3))
    for empty in (Tally(nothing, nothing, FIGURES), Tally(nothing[:0], nothing[:0], FIGURES)):
        for estimate in estimates(empty, draw(0)).values():
            assert np.isnan([estimate.value, estimate.low, estimate.high]).all()
            assert estimate.n == 0
        for gap in differences(empty, empty, draw(0)).values():
            assert np.isnan([gap.value, gap.low, gap.high]).all()
            assert not gap.certain


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Tally(np.zeros((3, 2)), np.zeros((2, 3)), ())
    with pytest.raises(ValueError, match="one shape"):
        Tally(np.zeros(3), np.zeros(3), ())
    made = tally(0)
    with pytest.raises(ValueError, match="same persons, images and figures"):
        differences(made, tally(0, G=41), draw(0))
    with pytest.raises(ValueError, match="same persons, images and figures"):
        differences(made, replace(made, figures=FIGURES[:2]), draw(0))


@given(SEEDS)
def test_equal_predictions_do_not_differ(seed: int) -> None:
    made = tally(seed)
    for gap in differences(made, replace(made, part=made.part.copy()), draw(seed), 30).values():
        assert gap == Difference(0, 0, 0, 1)
        assert not gap.certain


def test_what_always_helps_is_certain() -> None:
    whole = np.full((30, 3), 10)
    worse, better = (Tally(np.full((30, 3), n), whole, FIGURES) for n in (4, 7))
    for gap in differences(worse, better, draw(0)).values():
        assert (gap.value, gap.low, gap.high) == pytest.approx((0.3, 0.3, 0.3))
        assert gap.certain
        assert gap.p == pytest.approx(
            2 / 2001
        )  # never zero: no resample says less than one in 2001


@given(SEEDS)
def test_exchanged_rows_change_the_sign(seed: int) -> None:
    one, other = tally(seed), tally(seed + 1, right=0.75)
    there, back = differences(one, other, draw(1), 60), differences(other, one, draw(1), 60)
    first, second = estimates(one, draw(1), 60), estimates(other, draw(1), 60)
    for name, gap in there.items():
        assert gap.value == pytest.approx(second[name].value - first[name].value)
        assert (gap.value, gap.p) == pytest.approx((-back[name].value, back[name].p))
        assert (gap.low, gap.high) == pytest.approx((-back[name].high, -back[name].low))
        assert gap.low <= gap.high
        assert 2 / 61 <= gap.p <= 1


def test_the_paired_test_is_that_of_the_normal_approximation() -> None:
    """Of 2,000 images 110 change for the better and 70 for the worse: 2 % of them, give or take."""
    G = 2000
    one = np.arange(G) % 10 < 7
    other = one.copy()
    other[np.flatnonzero(~one)[:110]] = True
    other[np.flatnonzero(one)[:70]] = False
    gap = differences(yes_or_no(one), yes_or_no(other), draw(5))["joint"]
    deviation = np.sqrt((180 / G - 0.02**2) / G)
    assert gap.value == pytest.approx(0.02)
    np.testing.assert_allclose([0.02 - gap.low, gap.high - 0.02], 1.96 * deviation, rtol=0.1)
    assert gap.certain
    assert 0.0005 < gap.p < 0.008  # 2 (1 - Phi(0.02 / deviation)) = 0.0028
    apart = Tally(yes_or_no(other).part[::-1], np.ones((G, 1)), (Figure("joint", (0,)),))
    unpaired = differences(yes_or_no(one), apart, draw(5))["joint"]
    assert unpaired.value == pytest.approx(0.02)
    assert not unpaired.certain  # the same shares, but of other images


@pytest.mark.parametrize("true_share", [0.5, 0.9])
def test_p_is_uniform_where_nothing_differs(true_share: float) -> None:
    rng, trials = draw(11), 300

    def p_of_one_trial() -> float:
        one, other = (yes_or_no(rng.random(200) < true_share) for _ in range(2))
        return differences(one, other, rng, resamples=200)["joint"].p

    p = np.array([p_of_one_trial() for _ in range(trials)])
    for level in (0.05, 0.2, 0.5):
        spread = np.sqrt(level * (1 - level) / trials)
        assert abs((p <= level).mean() - level) < 4 * spread


def test_macro_differences() -> None:
    """A rare joint weighs as much as a common one in a macro average, and little in a micro one."""
    whole = np.zeros((50, 2))
    whole[:, 0], whole[:10, 1] = 9, 1
    figures = (Figure("micro", (0, 1)), Figure("macro", (0, 1), True))
    part = whole / 3
    better = part.copy()
    better[:10, 1] = 1
    gaps = differences(Tally(part, whole, figures), Tally(better, whole, figures), draw(0))
    assert gaps["macro"].value == pytest.approx(1 / 3)
    assert gaps["micro"].value == pytest.approx(10 * (2 / 3) / 460)
    assert gaps["macro"].certain
    assert gaps["micro"].certain


# ---- one part against another ---------------------------------------------------------------------
PARTS = (Figure("more", (0,), minus=(1,)), Figure("macro", (0, 1), True, minus=(2,)))


def test_a_part_minus_another_by_hand() -> None:
    whole = np.array([[4, 2, 10], [4, 2, 10]])
    part = np.array([[1, 2, 6], [3, 0, 6]])
    found = estimates(Tally(part, whole, PARTS), draw(0), resamples=200)
    assert found["more"].value == pytest.approx(4 / 8 - 2 / 4)
    assert found["macro"].value == pytest.approx((4 / 8 + 2 / 4) / 2 - 12 / 20)
    assert (found["more"].low, found["more"].high) == (1 / 4 - 1, 3 / 4)  # one image twice
    assert (found["more"].n, found["macro"].n) == (8, 12)


def test_a_difference_of_differences_by_hand() -> None:
    """One system rises from 2 to 6 of 8 on the one part, and from 2 to 3 of 4 on the other."""
    whole = np.array([[4, 2, 10], [4, 2, 10]])
    one = Tally(np.array([[1, 1, 5], [1, 1, 5]]), whole, PARTS)
    other = Tally(np.array([[3, 1, 5], [3, 2, 5]]), whole, PARTS)
    gap = differences(one, other, draw(0), resamples=200)["more"]
    assert gap.value == pytest.approx(4 / 8 - 1 / 4)
    # the first image alone gains 2 of 4 and nothing, the second 2 of 4 and 1 of 2
    assert (gap.low, gap.high) == pytest.approx((0, 1 / 2))
    assert not gap.certain
    same = differences(one, one, draw(0), resamples=200)["more"]
    assert same == Difference(0, 0, 0, 1)


def test_gains_are_paired() -> None:
    """Images are of very different difficulty, and each gains two joints of ten on the first part."""
    rng = draw(4)
    easy = rng.integers(0, 8, (60, 1))
    whole = np.full((60, 2), 10)
    figures = (Figure("more", (0,), minus=(1,)),)
    one = Tally(np.repeat(easy, 2, 1), whole, figures)
    other = Tally(np.concatenate([easy + 2, easy], 1), whole, figures)
    gap = differences(one, other, draw(5))["more"]
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.2, 0.2, 0.2))
    assert gap.certain


def test_a_part_that_nobody_has() -> None:
    whole = np.array([[4, 0, 1], [4, 0, 1]])
    found = estimates(Tally(whole / 2, whole, PARTS), draw(0), resamples=20)["more"]
    assert np.isnan([found.value, found.low, found.high]).all()


def test_plain_values() -> None:
    whole = {"value": 0.5, "low": 0.25, "high": 0.75}
    assert Estimate(0.5, 0.25, 0.75, 8).to_dict() == whole | {"n": 8}
    assert Difference(0.5, 0.25, 0.75, 0.125).to_dict() == whole | {"p": 0.125}
    nothing = Estimate(np.nan, np.nan, np.nan, 0).to_dict()
    assert nothing == {"value": None, "low": None, "high": None, "n": 0}


def test_nothing_scored_has_no_p() -> None:
    none = Tally(np.zeros((4, 1)), np.zeros((4, 1)), (Figure("joint", (0,)),))
    assert np.isnan(differences(none, none, np.random.default_rng(0))["joint"].p)

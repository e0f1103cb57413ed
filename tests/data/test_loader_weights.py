"""Weighted persons: how often one comes, and that it is drawn anew each time."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from painted import GEOMETRY, H, W, assert_same, crowd, first, training
from vitruvian.data.augment import draw_matrices
from vitruvian.data.loader import epoch_rows, extents
from vitruvian.types import UserError


def weighted(weights, **options):
    return dataclasses.replace(crowd(len(weights), **options), weight=np.array(weights, float))


def test_without_weights_orders_and_draws_are_what_they_were():
    people = crowd(7)
    batches = first(training(people, batch=7, augment=GEOMETRY), 3)
    for epoch, crops in enumerate(batches):
        rows = np.random.default_rng([3, epoch]).permutation(7)
        draws = [np.random.default_rng([3, epoch, key]) for key in people.key[rows]]
        matrices = draw_matrices(GEOMETRY, draws, people.box[rows], extents(people)[rows], H, W)
        np.testing.assert_array_equal(crops.key, people.key[rows])
        np.testing.assert_array_equal(crops.to_image, matrices.astype(np.float32))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 50) | st.integers(0, 3), min_size=1, max_size=40).filter(any),
    st.integers(0, 5),
    st.integers(0, 2**60),
)
def test_a_row_comes_as_often_as_its_weight_says(weights, epoch, seed):
    weight = np.array(weights, float)
    rows, before = epoch_rows(len(weight), weight, seed, epoch)
    assert len(rows) == len(before) == len(weight)
    times = np.bincount(rows, minlength=len(weight))
    expected = len(weight) * weight / weight.sum()
    assert (np.abs(times - expected) < 1 + 1e-9).all()
    assert (times[weight == 0] == 0).all()
    for value in set(weights):  # parts of a union keep their share in every epoch
        assert abs(times[weight == value].sum() - expected[weight == value].sum()) < 1 + 1e-6
    for row, count in enumerate(times):
        assert sorted(before[rows == row].tolist()) == list(range(count))


def test_equal_weights_are_permutations():
    for epoch in range(5):
        rows, before = epoch_rows(30, np.full(30, 0.1), 4, epoch)
        assert sorted(rows.tolist()) == list(range(30))
        assert not before.any()


def test_shares_are_right_over_epochs():
    """Expected 0.4, 0.8, 1.2 and 1.6 times; and who comes together is another every time."""
    weight = np.repeat([1.0, 2, 3, 4], 5)
    times = [np.bincount(epoch_rows(20, weight, 9, e)[0], minlength=20) for e in range(4000)]
    np.testing.assert_allclose(np.mean(times, 0), np.repeat([0.4, 0.8, 1.2, 1.6], 5), atol=0.03)
    pairs = Counter(tuple(np.flatnonzero(t[:5]).tolist()) for t in times)
    assert set(map(len, pairs)) == {2}  # of five with 0.4 two come
    assert len(pairs) == 10
    assert min(pairs.values()) > 300


def test_a_person_that_comes_again_is_drawn_anew():
    people, plain = weighted([1, 1, 6], noise=True), crowd(3, noise=True)
    (crops,) = first(training(people, batch=3), 1)
    person = crops.key % 2**55
    again = people.key[2]
    assert (times := (person == again).sum()) >= 2
    assert len(set(crops.key.tolist())) == 3  # what a system draws differs, too
    seen = crops.to_image[person == again].reshape(-1, 6)
    assert len(np.unique(seen, axis=0)) == times
    (once,) = first(training(plain, batch=3), 1)
    match = (seen == once.to_image[once.key == again].reshape(6)).all(1)
    assert match.sum() == 1  # the first time as without weights


def test_keys_stay_above_0_however_often_a_person_comes():
    people = weighted([1] + [0] * 399)  # 400 draws of one person; 2^55 fits 256 times below 2^63
    crops = next(training(people, batch=400))
    times = Counter(crops.key.tolist())
    assert min(times) == 1000  # as often as before the numbers ran out
    assert max(times) == 1000 + 255 * 2**55
    assert set(times.values()) == {1, 2}


def test_weighted_batches_depend_on_seed_and_step_alone():
    people = weighted([1, 5, 1, 0, 2.5], noise=True)
    whole = first(training(people, batch=6), 5)
    assert people.key[3] not in np.concatenate([c.key for c in whole])
    for crops, other in zip(
        whole[2:], first(training(people, 6, start=2, workers=3), 3), strict=True
    ):
        assert_same(crops, other)
    shares = [first(training(people, 6, rank=r, processes=2), 5) for r in (0, 1)]
    for step, crops in enumerate(whole):
        for rank in (0, 1):
            np.testing.assert_array_equal(crops.image[rank::2], shares[rank][step].image)
            np.testing.assert_array_equal(crops.key[rank::2], shares[rank][step].key)


@pytest.mark.parametrize("weights", [[1, -1, 1], [0, 0, 0], [1, np.nan, 1], [np.inf, 1, 1]])
def test_weights_that_nobody_is_drawn_by(weights):
    with pytest.raises(UserError, match="'crowd' has weights that nobody can be drawn by"):
        next(training(weighted(weights)))

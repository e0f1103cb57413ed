"""Second peaks on maps made by hand: what is one, what is only uneven, and how often it occurs."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitruvian.measure.peaks import ALL, count_peaks, reach, second_peaks

H, W = 40, 48  # so that a peak reaches 3 cells


def bump(x: float, y: float, height: float = 1.0, sigma: float = 1.5) -> np.ndarray:
    """A Gaussian (H, W)."""
    across, down = np.arange(W) - x, np.arange(H)[:, None] - y
    return height * np.exp((across**2 + down**2) / (-2 * sigma**2))


def cells(**heights: float) -> np.ndarray:
    """A map with single cells, named x_y, above 0."""
    made = np.zeros((H, W))
    for place, height in heights.items():
        x, y = map(int, place.removeprefix("at_").split("_"))
        made[y, x] = height
    return made


def second(made: np.ndarray) -> float:
    return float(second_peaks(made[None, None])[0, 0])


def test_reach() -> None:
    sizes = (H, W), (64, 64), (12, 24), (8, 8), (256, 192)
    assert [reach(*size) for size in sizes] == [3, 4, 2, 1, 16]


def test_one_peak() -> None:
    assert second(bump(20, 11)) == 0
    assert second(bump(0, 39)) == second(bump(47, 0)) == 0  # corners
    assert second(bump(20, 11, sigma=12)) == 0  # broad: its slope is no peak
    assert second(np.zeros((H, W))) == second(np.full((H, W), 0.7)) == 0
    assert second(-bump(20, 11)) == 0


def test_two_peaks() -> None:
    assert second(np.maximum(bump(10, 11), bump(40, 30, 0.6))) == pytest.approx(0.6)
    assert second(np.maximum(bump(10, 11), bump(40, 30, 0.49))) == 0
    assert second(5 * np.maximum(bump(10, 11, 0.8), bump(10, 30))) == pytest.approx(0.8)
    assert second(bump(10, 11) + bump(30, 11)) == pytest.approx(1)
    three = np.stack([bump(10, 11, 0.6), bump(10, 30), bump(40, 5, 0.7)]).max(0)
    assert second(three) == pytest.approx(0.7)  # the second highest, not the last
    assert second(bump(10, 11) - bump(40, 30, 2)) == 0  # a hole


def test_how_far_apart() -> None:
    """A cell 3 away along both axes is the same peak; 4 away along one axis it is another."""
    assert second(cells(at_20_20=1, at_23_23=0.9)) == 0
    assert second(cells(at_20_20=1, at_24_20=0.9)) == pytest.approx(0.9)
    assert second(cells(at_20_20=1, at_20_16=0.9)) == pytest.approx(0.9)
    # within reach of a higher cell, though not of the highest one
    assert second(cells(at_20_20=1, at_24_20=0.9, at_26_20=0.7)) == pytest.approx(0.9)
    assert second(cells(at_20_20=1, at_22_20=0.9, at_24_20=0.8)) == 0
    assert second_peaks(cells(at_20_20=1, at_22_20=0.9)[None], 1)[0] == pytest.approx(0.9)


def test_what_is_joined_is_one_peak() -> None:
    """Two cells and a bridge between them, straight or over a corner, above half of them or at it."""
    two = {"at_20_20": 1.0, "at_24_20": 0.9}
    bridge = {"at_21_20": 0.6, "at_22_21": 0.6, "at_23_21": 0.6}
    assert second(cells(**two, **bridge)) == 0
    assert second(cells(**two, **bridge | {"at_22_21": 0.5})) == pytest.approx(0.9)
    assert second(np.maximum(bump(20, 11), bump(24, 11, 0.9, 3))) == 0  # a shoulder


def test_uneven_on_top_is_no_second_peak() -> None:
    """Discs of radius 2 with noise, as a detector has them."""
    rng = np.random.default_rng(0)
    across, down = np.arange(W) - 20, np.arange(H)[:, None] - 11
    disc = (across**2 + down**2 <= 4).astype(float)
    assert second(disc) == 0
    for _ in range(20):
        assert second(disc * rng.uniform(0.6, 1, disc.shape)) == 0


def test_nothing_is_known_where_nothing_is_a_number() -> None:
    made = np.maximum(bump(10, 11), bump(40, 30, 0.6))
    made[0, 47] = np.nan
    assert second(made) == pytest.approx(0.6)
    assert second(np.full((H, W), np.nan)) == 0


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.booleans(), st.booleans())
def test_scale_and_mirror_change_nothing(seed: int, factor: float, x: bool, y: bool) -> None:
    maps = np.random.default_rng(seed).random((2, 3, 17, 23)) ** 6
    turned = maps[..., :: -1 if y else 1, :: -1 if x else 1]
    found = second_peaks(maps)
    assert found.shape == (2, 3)
    assert ((found == 0) | (found > 0.5) & (found <= 1)).all()
    np.testing.assert_allclose(second_peaks(factor * turned), found)
    np.testing.assert_allclose(second_peaks(maps[1:, :2]), found[1:, :2])
    np.testing.assert_allclose(second_peaks(maps.swapaxes(2, 3)), found)


def by_the_rule(made: np.ndarray, cells: int) -> float:
    """Cell by cell, without filters."""
    h, w = made.shape
    top = divmod(int(made.argmax()), w)
    joined, waiting = {top}, [top]
    while waiting:
        y, x = waiting.pop()
        for there in itertools.product((y - 1, y, y + 1), (x - 1, x, x + 1)):
            on_map = 0 <= there[0] < h and 0 <= there[1] < w
            if on_map and there not in joined and made[there] > made.max() / 2:
                joined.add(there)
                waiting.append(there)
    best = 0.0
    for y, x in set(np.ndindex(h, w)) - joined:
        window = made[max(y - cells, 0) : y + cells + 1, max(x - cells, 0) : x + cells + 1]
        far = max(abs(y - top[0]), abs(x - top[1])) > cells
        if far and made[y, x] == window.max() and made[y, x] > made.max() / 2:
            best = max(best, made[y, x])
    return best / made.max()


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([1, 3, 8]))
def test_as_the_rule_says(seed: int, cells: int, power: int) -> None:
    made = (np.random.default_rng(seed).integers(0, 30, (4, 9, 11)) / 29) ** power
    expected = [by_the_rule(one, cells) for one in made]
    np.testing.assert_allclose(second_peaks(made, cells), expected)


def test_no_maps() -> None:
    assert second_peaks(np.zeros((0, 14, 9, 11))).shape == (0, 14)


# ---- shares --------------------------------------------------------------------------------------
def test_shares_by_hand() -> None:
    """Three persons on two photographs, two joints; a joint of the last one is not located."""
    before = np.array([[0.6, 0.2], [0.9, 0.51], [0.7, 1.0]])
    after = np.array([[0.0, 0.2], [0.6, 0.5], [0.7, 1.0]])
    located = np.array([[True, True], [True, True], [True, False]])
    made = count_peaks(
        {"detection": before, "regression": after}, located, ("wrist", "knee"),
        np.array([7, 7, 3]), np.random.default_rng(0),
    )  # fmt: skip
    shares = {name: {j: (e.value, e.n) for j, e in s.items()} for name, s in made.shares.items()}
    assert shares == {
        "detection": {ALL: (4 / 5, 5), "wrist": (1, 3), "knee": (1 / 2, 2)},
        "regression": {ALL: (2 / 5, 5), "wrist": (2 / 3, 3), "knee": (0, 2)},
    }
    assert list(made.gaps) == ["regression"]
    assert made.gaps["regression"][ALL].value == pytest.approx(-2 / 5)
    detection = made.shares["detection"][ALL]
    assert (detection.low, detection.high) == (3 / 4, 1)  # the one photograph twice, or the other
    plain = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert plain["sets"]["regression"]["knee"]["value"] == 0
    assert plain["against_the_set_before"]["regression"]["wrist"]["value"] == pytest.approx(-1 / 3)
    assert "0.5 x the highest" in plain["rule"]
    assert "1/16 of the map's longer side" in plain["rule"]


def test_one_set_has_nothing_before_it() -> None:
    made = count_peaks({"heatmaps": np.ones((4, 1))}, np.ones((4, 1), bool), ("neck",),
                       np.arange(4), np.random.default_rng(0))  # fmt: skip
    assert made.gaps == {}
    assert made.shares["heatmaps"][ALL].low == 1

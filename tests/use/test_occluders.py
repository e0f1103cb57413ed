"""Shapes pasted on photographs: the truth knows them, and every model sees the same ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import drawn
from vitruvian import geometry
from vitruvian.data.boxes import as_learnt
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.synthetic import figures
from vitruvian.measure.intervals import differences
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import check_comparable
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import evaluate, truth_of
from vitruvian.use.occluders import Occluders, occlude, occluded
from vitruvian.use.scores import score_people

SIDE = 96
FOUR = Occluders(4)


@pytest.fixture(scope="module")
def people():
    """Figures of whose joints none is hidden, as in a data set that does not say."""
    made = figures(24, seed=5, side=SIDE)
    return replace(made, state=np.full_like(made.state, State.VISIBLE))


def changed(people, seen, row):
    """Where the photograph of a row was painted over: (H, W)."""
    return (people.photo(row, 1)[0] != seen.photo(row, 1)[0]).any(-1)


# ---- what is hidden ------------------------------------------------------------------------------
def test_hidden_is_what_was_painted_over(people):
    """A joint at every pixel: its state says whether its pixel was changed."""
    y, x = np.mgrid[:SIDE, :SIDE]
    everywhere = np.stack([x.ravel(), y.ravel()], -1).astype(np.float32)
    N, J = len(people), SIDE * SIDE
    dense = replace(
        people,
        joints=np.tile(everywhere, (N, 1, 1)),
        state=np.full((N, J), State.VISIBLE, np.uint8),
    )
    seen = occlude(dense, FOUR)
    shares = []
    for row in range(N):
        under = (seen.state[row] == State.OCCLUDED).reshape(SIDE, SIDE)
        painted = changed(people, seen, row)
        assert not (painted & ~under).any()
        assert (under & ~painted).sum() <= 0.02 * under.sum()  # a colour that was there already
        shares.append(under.mean())
    assert min(shares) > 0
    assert 0.05 < np.mean(shares) < 0.3
    assert len(set(shares)) == N


def test_the_data_set_is_left_as_it_was(people):
    before, photo = people.state.copy(), people.photo(3, 1)[0].copy()
    seen = occlude(people, FOUR)
    np.testing.assert_array_equal(people.state, before)
    np.testing.assert_array_equal(people.photo(3, 1)[0], photo)
    assert seen.state.dtype == before.dtype
    assert set(np.unique(seen.state)) == {State.OCCLUDED, State.VISIBLE}
    assert "4 pasted on each person, seed 0" in seen.provenance
    assert occlude(people, None) is people


def test_shapes_lie_where_the_person_is_wherever_it_is_looked_for(people):
    """As `compare` pastes them, so `eval` of a model that looks in whole photographs."""
    plain, whole = occlude(people, FOUR), occlude(as_learnt(people, "image"), FOUR)
    assert (whole.box != plain.box).any()
    for row in range(3):
        np.testing.assert_array_equal(whole.photo(row, 1)[0], plain.photo(row, 1)[0])


def test_only_visible_joints_become_hidden(people):
    state = people.state.copy()
    state[:, :6:2], state[:, 1:6:2] = State.MISSING, State.UNDEFINED
    seen = occlude(replace(people, state=state), FOUR)
    np.testing.assert_array_equal(seen.state[:, :6], state[:, :6])
    assert (seen.state[:, 6:] == State.OCCLUDED).any()


def test_outside_of_the_photograph_nothing_is_hidden(people):
    """Persons so far to the left that half of each box lies outside."""
    shift = people.box[:, 0] + people.box[:, 2] / 2
    joints = people.joints.copy()
    joints[..., 0] -= shift[:, None]
    box = people.box.copy()
    box[:, 0] -= shift
    seen = occlude(replace(people, joints=joints, box=box), FOUR)
    hidden = joints[seen.state == State.OCCLUDED]
    assert len(hidden) > 5
    assert (hidden[:, 0] >= -0.5).all()


def test_who_has_no_box_or_no_photograph_is_left_alone(people):
    box = people.box.copy()
    box[2] = np.nan

    def size(row):
        if row == 5:
            raise UserError("it is not there: copy it again")
        return SIDE, SIDE

    seen = occlude(replace(people, box=box, size=size), FOUR)
    assert (seen.state[[2, 5]] == State.VISIBLE).all()
    assert not changed(people, seen, 2).any()
    assert (seen.state == State.OCCLUDED).any(1).sum() > 15


# ---- the same for everybody ----------------------------------------------------------------------
def test_shapes_depend_on_seed_and_key_alone(people):
    seen, rows = occlude(people, FOUR), np.array([9, 4, 17])
    some = occlude(people.rows(rows), FOUR)
    np.testing.assert_array_equal(some.state, seen.state[rows])
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(some.photo(place, 1)[0], seen.photo(row, 1)[0])
    for other in (Occluders(4, 1), Occluders(5)):
        again = occlude(people, other)
        assert sum((again.photo(r, 1)[0] != seen.photo(r, 1)[0]).any() for r in range(24)) > 20
    renamed = occlude(replace(people, key=people.key + 100), FOUR)
    assert (renamed.state != seen.state).any()


@pytest.mark.parametrize("factor", [2, 4])
def test_a_photograph_that_was_decoded_smaller_has_them_too(people, factor):
    """Joints at the middles of the smaller photograph's pixels: hidden where those are painted."""

    def photo(row, factor):
        rng = np.random.default_rng(row)
        return rng.integers(0, 256, (SIDE // factor, SIDE // factor, 3), np.uint8), factor

    y, x = np.mgrid[: SIDE // factor, : SIDE // factor]
    middles = geometry.cell_to_px(np.stack([x.ravel(), y.ravel()], -1), factor)
    N, J = len(people), len(middles)
    dense = replace(
        people,
        photo=photo,
        joints=np.tile(middles, (N, 1, 1)),
        state=np.full((N, J), State.VISIBLE, np.uint8),
    )
    seen = occlude(dense, FOUR)
    for row in range(N):
        painted = (photo(row, factor)[0] != seen.photo(row, factor)[0]).any(-1).ravel()
        np.testing.assert_array_equal(painted, seen.state[row] == State.OCCLUDED)


def test_crops_of_two_sizes_show_the_same(people):
    """Back on the photograph, what was painted lies in the same places."""
    seen = occlude(people, FOUR)
    for height, width in ((96, 64), (128, 160)):
        plain, pasted = (
            next(plain_crops(of, people.box, height, width, 24, Skipped(), 0))
            for of in (people, seen)
        )
        np.testing.assert_array_equal(pasted.state, seen.state)
        np.testing.assert_allclose(pasted.joints, plain.joints)
        for row in range(24):
            painted = changed(people, seen, row)
            differs = (plain.image[row] != pasted.image[row]).any(-1)
            y, x = differs.nonzero()
            xy = geometry.apply(pasted.to_image[row].astype(float), np.stack([x, y], -1))
            column, line = np.rint(np.clip(xy, 0, SIDE - 1)).astype(int).T
            near = np.stack([np.roll(painted, s, a) for s in (-1, 0, 1) for a in (0, 1)]).any(0)
            assert near[line, column].mean() > 0.95


# ---- figures -------------------------------------------------------------------------------------
def test_the_protocol_says_it():
    plain = PROTOCOLS["lspet-pck-pc"]
    assert occluded(plain, None) is plain
    one = occluded(plain, Occluders(3, 7))
    assert one.name == "lspet-pck-pc-occluded"
    assert "; occluders: 3 pasted on each person, seed 7;" in one.describe()
    check_comparable(one, occluded(plain, Occluders(3, 7)))
    for other in (plain, occluded(plain, Occluders(3)), occluded(plain, Occluders(4, 7))):
        with pytest.raises(UserError, match="cannot be compared: occluders is '"):
            check_comparable(one, other)


def test_a_model_that_misses_what_is_hidden(people):
    state = occlude(people, FOUR).state
    xy = people.joints.astype(float)
    xy[state == State.OCCLUDED] += 1000
    result = evaluate(drawn.answering(people, xy), people, drawn.CROP, occluders=FOUR)
    cut = result.cuts["occlusion"]
    assert (cut["visible"].value, cut["occluded"].value) == (1, 0)
    assert cut["occluded, inferable"].value == 0
    assert cut["occluded"].n == (state == State.OCCLUDED).sum() > 20
    assert 0 < cut["occluded, inferable"].n < cut["occluded"].n
    assert cut["occluded, inferable"].n + cut["all others"].n == result.total.n
    plain = evaluate(drawn.answering(people, xy), people, drawn.CROP)
    assert plain.total == result.total
    assert "occlusion" not in plain.cuts


def test_models_of_two_crop_sizes_are_paired(people):
    """One misses every fourth visible joint, the other every fourth hidden one."""
    state = occlude(people, FOUR).state
    results = []
    for crop, missed in (((96, 64), State.VISIBLE), ((64, 128), State.OCCLUDED)):
        xy = people.joints.astype(float)
        places = np.argwhere(state == missed)[::4]
        xy[tuple(places.T)] += 1000
        runner = drawn.answering(people, xy, crop=crop)
        results.append(evaluate(runner, people, crop, occluders=FOUR))
    check_comparable(*(result.protocol for result in results))
    one, other = (result.tally for result in results)
    gaps = differences(one, other, np.random.default_rng(0))
    assert gaps["cut: occlusion/visible"].value == pytest.approx(1 / 4, abs=0.01)
    assert gaps["cut: occlusion/occluded"].value == pytest.approx(-1 / 4, abs=0.02)
    gain = gaps["gain: occluded minus visible"]
    assert gain.value == pytest.approx(-1 / 2, abs=0.03)
    assert gain.certain


def test_every_look_of_a_model_has_them(people):
    model = drawn.model_of(drawn.answering(people, people.joints))
    for result in score_people(model, people, "all", occluders=FOUR, workers=0):
        assert result.protocol.occluders == str(FOUR)
        assert "-occluded" in result.protocol.name
        assert result.cuts["occlusion"]["occluded"].n > 20


def test_joints_that_are_marked_hidden_stay_so(people):
    marked = figures(24, seed=5, side=SIDE)
    seen = occlude(marked, FOUR)
    both = truth_of(seen).state == State.OCCLUDED
    pasted = occlude(people, FOUR).state == State.OCCLUDED
    np.testing.assert_array_equal(both, (marked.state == State.OCCLUDED) | pasted)

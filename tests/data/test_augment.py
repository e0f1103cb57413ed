"""Augmentation: limits of every draw, colours by hand, and occluders that hide what they paint over."""

import numpy as np
import pytest
from pydantic import ValidationError

from vitruvian import geometry
from vitruvian.data.augment import (
    Augment,
    Occluder,
    change_colour,
    draw_matrices,
    draw_occluders,
    hidden,
    paint_occluder,
    paste_occluders,
)
from vitruvian.types import State

H, W = 48, 36
BOX = np.array([20.0, 30.0, 30.0, 40.0])  # already of the crop's aspect
CENTRE = BOX[:2] + BOX[2:] / 2


def draws(augment, count=400, box=BOX, extent=25.0, size=(H, W)):
    generators = [np.random.default_rng([7, i]) for i in range(count)]
    boxes, lengths = np.tile(box, (count, 1)), np.full(count, extent)
    return draw_matrices(augment, generators, boxes, lengths, *size)


def parts_of(matrices, size=(H, W)):
    """Scale, degrees, mirrored and centre (N, 2) in image px of `to_image` matrices."""
    mirrored = np.linalg.det(matrices[:, :, :2]) < 0
    scale = np.linalg.norm(matrices[:, :, 1], axis=1)
    degrees = np.rad2deg(np.arctan2(matrices[:, 0, 1], matrices[:, 1, 1]))
    middle = np.array([[(size[1] - 1) / 2, (size[0] - 1) / 2]])
    return scale, degrees, mirrored, geometry.apply(matrices, middle)[:, 0]


def test_defaults_change_nothing():
    plain = geometry.crop_to_image(BOX, H, W)
    np.testing.assert_allclose(draws(Augment(), 3), np.stack([plain] * 3), atol=1e-6)
    square = np.array([10.0, 10, 30, 30])
    fitted = geometry.crop_to_image(geometry.fit_aspect(square, H, W), H, W)
    np.testing.assert_allclose(draws(Augment(), 1, square)[0], fitted, atol=1e-5)


def test_scale():
    scale, degrees, mirrored, centre = parts_of(draws(Augment(scale=(0.75, 1.25))))
    unit = BOX[2] / W
    assert 0.75 * unit <= scale.min() < 0.77 * unit
    assert 1.23 * unit < scale.max() <= 1.25 * unit
    assert np.abs(degrees).max() < 1e-6
    assert not mirrored.any()
    np.testing.assert_allclose(centre, np.broadcast_to(CENTRE, centre.shape), atol=1e-4)


def test_scale_and_rotation_in_steps():
    augment = Augment(scale=(0.7, 1.3), scale_step=0.1, rotation=40, rotation_step=10)
    scale, degrees, *_ = parts_of(draws(augment))
    steps, counts = np.unique(np.round(scale / (BOX[2] / W), 4), return_counts=True)
    np.testing.assert_allclose(steps, [0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3], atol=1e-4)
    assert counts.min() > 30  # of 400, 57 expected
    angles, counts = np.unique(np.round(degrees).astype(int), return_counts=True)
    assert angles.tolist() == [-40, -30, -20, -10, 0, 10, 20, 30, 40]
    assert counts.min() > 22  # of 400, 44 expected


def test_scale_sigma_is_clipped_at_two():
    scale = parts_of(draws(Augment(scale_sigma=0.25)))[0] / (BOX[2] / W)
    exponent = np.log2(scale)
    assert exponent.min() == pytest.approx(-0.5, abs=1e-5)
    assert exponent.max() == pytest.approx(0.5, abs=1e-5)
    assert (np.abs(exponent) > 0.4999).mean() < 0.12
    assert exponent.std() == pytest.approx(0.25, rel=0.15)


@pytest.mark.parametrize("size", [(48, 36), (36, 48), (40, 40)])
def test_fill_is_a_share_of_the_shorter_side(size):
    extent = 25.0
    matrices = draws(Augment(fill=(0.5, 0.8)), extent=extent, size=size)
    share = extent / parts_of(matrices, size)[0] / min(size)
    assert 0.5 <= share.min() + 1e-6 < 0.51
    assert 0.79 < share.max() - 1e-6 <= 0.8


@pytest.mark.parametrize("extent", [0.0, np.nan])
def test_fill_without_an_extent_keeps_the_box(extent):
    scale = parts_of(draws(Augment(fill=(0.5, 0.8)), 5, extent=extent))[0]
    np.testing.assert_allclose(scale, BOX[2] / W, rtol=1e-6)


def test_uniform_rotation():
    scale, degrees, _, centre = parts_of(draws(Augment(rotation=30)))
    assert -30 <= degrees.min() < -28
    assert 28 < degrees.max() <= 30
    assert np.abs(degrees).mean() == pytest.approx(15, abs=1.5)
    np.testing.assert_allclose(scale, BOX[2] / W, rtol=1e-6)
    np.testing.assert_allclose(centre, np.broadcast_to(CENTRE, centre.shape), atol=1e-4)


def test_normal_rotation_of_a_share():
    augment = Augment(rotation=30, rotation_law="normal", rotation_clip=2, rotation_chance=0.4)
    degrees = parts_of(draws(augment, 800))[1]
    turned = np.abs(degrees) > 1e-6
    assert turned.mean() == pytest.approx(0.4, abs=0.06)
    assert np.abs(degrees).max() == pytest.approx(60, abs=1e-4)
    assert degrees[turned].std() == pytest.approx(29, rel=0.12)


def test_translation_and_flip():
    _, _, mirrored, centre = parts_of(draws(Augment(translation=0.1, flip=0.25), 800))
    moved = np.abs(centre - CENTRE)
    assert 0.097 * BOX[2] < moved[:, 0].max() <= 0.1 * BOX[2] + 1e-4
    assert 0.097 * BOX[3] < moved[:, 1].max() <= 0.1 * BOX[3] + 1e-4
    assert mirrored.mean() == pytest.approx(0.25, abs=0.05)
    assert parts_of(draws(Augment(flip=1), 20))[2].all()


def test_draws_do_not_disturb_each_other():
    everything = Augment(scale=(0.8, 1.2), rotation=20, translation=0.1, flip=0.5)
    one = parts_of(draws(everything))
    no_flip = parts_of(draws(everything.model_copy(update={"flip": 0.0})))
    np.testing.assert_allclose(one[0], no_flip[0])
    np.testing.assert_allclose(one[1], no_flip[1], atol=1e-6)
    np.testing.assert_allclose(one[3], no_flip[3], atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"flip": 1.5},
        {"fill": (0, 1)},
        {"scale": (1, 0)},
        {"colour": 1},
        {"rotation": -1},
        {"zoom": 2},
    ],
)
def test_bad_values(change):
    with pytest.raises(ValidationError):
        Augment(**change)


# colour


def test_colour_by_hand():
    crop = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    augment = Augment(colour=0.4)
    gain = 1 + 0.4 * (2 * np.random.default_rng(3).random(3) - 1)
    changed = change_colour(augment, np.random.default_rng(3), crop)
    np.testing.assert_array_equal(changed, np.clip(crop * gain, 0, 255).astype(np.uint8))
    assert len(set(gain)) == 3
    np.testing.assert_array_equal(change_colour(Augment(), np.random.default_rng(3), crop), crop)


def test_colour_draws_as_much_when_it_is_off():
    on, off = np.random.default_rng(0), np.random.default_rng(0)
    crop = np.zeros((2, 2, 3), np.uint8)
    change_colour(Augment(colour=0.3), on, crop)
    change_colour(Augment(), off, crop)
    assert on.random() == off.random()


# occluders


def everywhere(margin):
    """A joint at each pixel of the crop and of a margin about it: (J, 2)."""
    y, x = np.mgrid[-margin : H + margin, -margin : W + margin]
    return np.stack([x.ravel(), y.ravel()], -1).astype(np.float32)


def pasted(seed, occluders=2):
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 256, (H, W, 3)).astype(np.uint8)
    joints = everywhere(12)
    state = np.full(len(joints), State.VISIBLE, np.uint8)
    crop = before.copy()
    new = paste_occluders(Augment(occluders=occluders), rng, crop, joints, state)
    assert (state == State.VISIBLE).all()  # the caller's is left as it was
    return before, crop, joints.astype(int), new


@pytest.mark.parametrize("seed", range(25))
def test_hidden_is_exactly_what_was_painted_over(seed):
    before, crop, joints, state = pasted(seed)
    changed = (before != crop).any(-1)
    x, y = joints.T
    on_crop = (x >= 0) & (x < W) & (y >= 0) & (y < H)
    expected = np.full(len(joints), State.VISIBLE)
    expected[on_crop] = np.where(changed[y[on_crop], x[on_crop]], State.OCCLUDED, State.VISIBLE)
    np.testing.assert_array_equal(state, expected)


def test_occluders_come_in_every_kind():
    changed = [(b != c).any(-1) for b, c, _, _ in (pasted(seed, 1) for seed in range(80))]
    share = np.array([mask.any() for mask in changed])
    assert 0.3 < share.mean() < 0.7  # none or one
    boxes = ellipses = 0
    for mask in (mask for mask in changed if mask.any()):
        y, x = mask.nonzero()
        height, width = np.ptp(y) + 1, np.ptp(x) + 1
        assert width <= 0.4 * W + 1
        assert height <= 0.4 * H + 1
        filled = mask.sum() / (height * width)
        boxes += filled == 1
        ellipses += filled < 0.9
    assert boxes > 8
    assert ellipses > 8


def test_only_visible_joints_change():
    joints = np.tile(everywhere(0), (4, 1))
    state = np.repeat(np.arange(4, dtype=np.uint8), H * W)
    crop = np.zeros((H, W, 3), np.uint8)
    rng = np.random.default_rng(1)
    new = state
    while (new == state).all():
        new = paste_occluders(Augment(occluders=3), rng, crop, joints, state)
    assert new.dtype == np.uint8
    np.testing.assert_array_equal(new[state != State.VISIBLE], state[state != State.VISIBLE])
    assert set(np.unique(new[state == State.VISIBLE])) == {State.OCCLUDED, State.VISIBLE}


def test_no_occluders():
    before, crop, _, state = pasted(0, occluders=0)
    np.testing.assert_array_equal(before, crop)
    assert (state == State.VISIBLE).all()


RED = np.array([200, 30, 20], np.uint8)


def shape(centre, half, ellipse=False, shift=None):
    shift = None if shift is None else np.array(shift, float)
    return Occluder(np.array(centre, float), np.array(half, float), ellipse, RED, shift)


def painted(one, picture=None):
    """Where a shape changes a picture: (H, W)."""
    picture = np.zeros((H, W, 3), np.uint8) if picture is None else picture
    paint_occluder(one, picture)
    return (picture == RED).all(-1)


def test_a_rectangle_and_an_ellipse_by_hand():
    box = painted(shape((10, 20), (3, 1.5)))
    assert box.sum() == 7 * 3
    assert box[19:22, 7:14].all()
    round_one = painted(shape((10, 20), (3, 2), ellipse=True))
    rows = [round_one[y].nonzero()[0].tolist() for y in (18, 19, 20)]
    assert rows == [[10], [8, 9, 10, 11, 12], [7, 8, 9, 10, 11, 12, 13]]
    edge = painted(shape((0, H - 1), (2, 2)))
    assert edge.sum() == edge[H - 3 :, :3].sum() == 9
    assert not painted(shape((-5, 5), (3, 3))).any()
    assert not painted(shape((10.5, 5), (0.4, 3))).any()  # between two columns


def test_a_part_of_the_picture_fills_a_shape():
    picture = np.arange(H * W, dtype=np.uint16).reshape(H, W, 1).repeat(3, 2).astype(np.uint8)
    before = picture.copy()
    paint_occluder(shape((10, 20), (2, 1), shift=(5, -7)), picture)
    np.testing.assert_array_equal(picture[19:22, 8:13], before[12:15, 13:18])
    picture = before.copy()
    paint_occluder(shape((10, 20), (2, 1), shift=(500, -500)), picture)  # the nearest that there is
    np.testing.assert_array_equal(picture[19:22, 8:13], before[0:3, W - 5 :])


def test_a_shape_on_a_picture_of_another_size():
    matrix = np.array([[2.0, 0, 7], [0, 2.0, -3]])
    one = shape((10, 20), (3, 2), ellipse=True, shift=(5, -7))
    moved = one.moved(matrix)
    assert (moved.centre.tolist(), moved.half.tolist()) == ([27, 37], [6, 4])
    assert moved.shift.tolist() == [10, -14]
    points = np.random.default_rng(0).uniform(5, 25, (200, 2))
    np.testing.assert_array_equal(moved.hides(geometry.apply(matrix, points)), one.hides(points))
    assert 5 < one.hides(points).sum() < 50
    assert shape((1, 2), (3, 4)).moved(matrix).shift is None


def test_what_is_under_a_shape_is_hidden():
    joints = np.array([[10, 20], [14, 20], [10, 20], [10, 20], [-1, 20]], float)
    state = np.array([3, 3, 2, 1, 3], np.uint8)
    shapes = [shape((10, 20), (3, 2)), shape((-1, 20), (3, 3))]
    assert hidden(shapes, joints, state, H, W).tolist() == [2, 3, 2, 1, 3]  # the last: not on it
    assert hidden([], joints, state, H, W).tolist() == state.tolist()


def test_draws_stay_as_they_are():
    """A run that is resumed goes on as it began: sizes, place, kind, colour, filling, in this order."""
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    (one,) = draw_occluders(rng, 1, 480, 360)
    half = (0.05 + 0.15 * again.random(2)) * (360, 480)
    centre = again.random(2) * (360, 480) - 0.5
    ellipse = again.random() < 0.5
    colour = again.integers(0, 256, 3)
    assert one.half.tolist() == half.tolist()
    assert one.centre.tolist() == centre.tolist()
    assert (one.ellipse, one.colour.tolist()) == (ellipse, colour.tolist())
    assert (one.shift is not None) == (again.random() < 0.5)

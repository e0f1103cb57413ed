"""Frames: numbers by hand, laws over random matrices, and a white pixel that is followed."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vitruvian import geometry
from vitruvian.skeleton import LSP, MPII

COORDINATES = st.floats(-1000, 1000)
SCALES = st.floats(0.1, 10)
LINEAR = st.tuples(SCALES, SCALES, st.floats(-180, 180), st.booleans())


def matrix_of(linear, shift=(0.0, 0.0)):
    """A 2x3 matrix from scales, degrees and a flip."""
    x, y, degrees, flip = linear
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn @ np.diag([-x if flip else x, y]), shift])


def centroid(picture):
    """Where the light of a picture (H, W) lies: (2,) xy."""
    y, x = np.indices(picture.shape)
    light = picture.astype(float)
    return np.array([(x * light).sum(), (y * light).sum()]) / light.sum()


# cells and norm


@pytest.mark.parametrize(
    ("px", "stride", "cell"),
    [(0, 4, -0.375), (1.5, 4, 0), (3.5, 4, 0.5), (13.5, 4, 3), (-0.5, 8, -0.5), (7, 1, 7)],
)
def test_cells_by_hand(px, stride, cell):
    assert geometry.px_to_cell(px, stride) == cell
    assert geometry.cell_to_px(cell, stride) == px


@given(COORDINATES, st.sampled_from([1, 2, 4, 8, 32]))
def test_cells_and_back(px, stride):
    assert geometry.cell_to_px(geometry.px_to_cell(px, stride), stride) == pytest.approx(px)


def test_flip_agrees_in_pixels_and_cells():
    width, stride = 48, 4
    px = np.array([-3.0, 0.0, 11.25, 47.0])
    flipped_then_cell = geometry.px_to_cell(geometry.flip_x(px, width), stride)
    cell_then_flipped = geometry.flip_x(geometry.px_to_cell(px, stride), width // stride)
    np.testing.assert_array_equal(flipped_then_cell, cell_then_flipped)
    np.testing.assert_array_equal(geometry.flip_x(geometry.flip_x(px, width), width), px)
    assert geometry.flip_x(0, 7) == 6


def test_norm_by_hand():
    size = np.array([40.0, 20.0])  # width, height
    xy = np.array([[-0.5, -0.5], [39.5, 19.5], [19.5, 9.5], [9.5, 14.5]])
    norm = np.array([[-0.5, -0.5], [0.5, 0.5], [0.0, 0.0], [-0.25, 0.25]])
    np.testing.assert_allclose(geometry.px_to_norm(xy, size), norm, atol=1e-12)
    np.testing.assert_allclose(geometry.norm_to_px(norm, size), xy, atol=1e-12)


def test_formulas_serve_tensors():
    xy = torch.tensor([[3.0, 5.0], [0.0, 1.0]])
    size = torch.tensor([8.0, 16.0])
    assert torch.equal(geometry.px_to_cell(xy, 2), torch.tensor([[1.25, 2.25], [-0.25, 0.25]]))
    assert torch.equal(geometry.norm_to_px(geometry.px_to_norm(xy, size), size), xy)


@pytest.mark.parametrize("skeleton", [LSP, MPII], ids=lambda s: s.name)
def test_flipping_a_pose_twice_changes_nothing(skeleton):
    xy = np.random.default_rng(0).random((3, len(skeleton), 2)) * 64

    def flipped(xy):
        mirrored = np.stack([geometry.flip_x(xy[..., 0], 64), xy[..., 1]], -1)
        return mirrored[:, skeleton.swap]

    np.testing.assert_allclose(flipped(flipped(xy)), xy)


# matrices


def test_apply_by_hand():
    matrix = np.array([[2.0, 0.0, 1.0], [1.0, -1.0, 5.0]])
    np.testing.assert_array_equal(
        geometry.apply(matrix, np.array([[3.0, 4.0], [0, 0], [1, 2]])), [[7, 4], [1, 5], [3, 4]]
    )


@given(LINEAR, COORDINATES, COORDINATES)
def test_inverse_undoes(linear, x, y):
    matrix = matrix_of(linear, (x, y))
    points = np.array([[0.0, 0.0], [3.0, -7.0], [100.0, 40.0]])
    back = geometry.apply(geometry.invert(matrix), geometry.apply(matrix, points))
    np.testing.assert_allclose(back, points, atol=1e-6)


@given(LINEAR, LINEAR, COORDINATES, COORDINATES)
def test_compose_does_the_first_first(one, other, x, y):
    first, second = matrix_of(one, (x, 2.0)), matrix_of(other, (-3.0, y))
    points = np.array([[1.0, 2.0], [30.0, -4.0]])
    both = geometry.apply(geometry.compose(second, first), points)
    step_by_step = geometry.apply(second, geometry.apply(first, points))
    np.testing.assert_allclose(both, step_by_step, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("lead", [(), (1,), (5,), (2, 3), (3, 3), (2, 3, 4)])
def test_matrices_of_any_batch(lead):
    rng = np.random.default_rng(1)
    triple = np.array([[3.0, 0, 0], [0, 3, 0]])  # keeps the random ones invertible
    first = rng.normal(size=(*lead, 2, 3)) + triple
    second = rng.normal(size=(*lead, 2, 3)) + triple
    points = rng.normal(size=(*lead, 7, 2))
    inverse = geometry.invert(first)
    both = geometry.compose(second, first)
    moved = geometry.apply(first, points)
    assert inverse.shape == both.shape == (*lead, 2, 3)
    assert moved.shape == points.shape
    for at in np.ndindex(*lead):
        square = np.vstack([first[at], [0, 0, 1]])
        np.testing.assert_allclose(inverse[at], np.linalg.inv(square)[:2], atol=1e-9)
        np.testing.assert_allclose(both[at], second[at] @ square, atol=1e-9)
        homogeneous = np.column_stack([points[at], np.ones(7)])
        np.testing.assert_allclose(moved[at], homogeneous @ first[at].T, atol=1e-9)


# boxes


def test_whole_image_and_boxes_of_pixels():
    np.testing.assert_array_equal(geometry.whole_image(20, 30), [-0.5, -0.5, 30, 20])
    np.testing.assert_array_equal(
        geometry.boxes_of_pixels(np.array([3, 4, 5, 6])), [2.5, 3.5, 5, 6]
    )


def test_beyond_edges_by_hand():
    xy = np.array([[49.5, 29.5], [-0.5, 10], [99.5, 59.5], [-50.5, 10], [10, 179.5], [np.nan, 1]])
    found = geometry.beyond_edges(xy, 60, 100)
    np.testing.assert_allclose(found, [-0.5, 0, 0, 0.5, 2, np.nan])


def test_what_boxes_share_by_hand():
    a = np.array([[0, 0, 10, 4], [0, 0, 10, 4], [0, 0, 10, 4]], np.float32)
    b = np.array([[6, 1, 8, 8], [10, 0, 2, 2], [2, 1, 5, 2]], np.float32)
    np.testing.assert_array_equal(geometry.common_area(a, b), [12, 0, 10])
    np.testing.assert_allclose(geometry.overlap(a, b), [12 / 92, 0, 10 / 40])


def test_box_of_joints_by_hand():
    xy = np.array(
        [
            [[10.0, 20.0], [30.0, 28.0], [500.0, 500.0]],
            [[0.0, 0.0], [5.0, 6.0], [0.0, 0.0]],
            [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]],
        ]
    )
    located = np.array([[True, True, False], [False, True, False], [False, False, False]])
    boxes = geometry.box_of_joints(xy, located)
    assert boxes.dtype == np.float32
    np.testing.assert_allclose(boxes[0], [7.5, 11.5, 25, 25])
    np.testing.assert_allclose(boxes[1], [2.5, 3.5, 5, 5])  # the extent is at least 4 px
    assert np.isnan(boxes[2]).all()
    tight = geometry.box_of_joints(xy[0], located[0], margin=1.0)
    np.testing.assert_allclose(tight, [10, 14, 20, 20])
    nested = geometry.box_of_joints(xy[None, :2], located[None, :2])
    np.testing.assert_array_equal(nested, boxes[None, :2])


def test_fit_aspect_by_hand():
    boxes = np.array([[0.0, 0.0, 10.0, 40.0], [0.0, 0.0, 40.0, 10.0], [1.0, 2.0, 60.0, 30.0]])
    fitted = geometry.fit_aspect(boxes, height=30, width=60)
    np.testing.assert_allclose(fitted, [[-35, 0, 80, 40], [0, -5, 40, 20], [1, 2, 60, 30]])
    np.testing.assert_allclose(geometry.fit_aspect(boxes[0], 30, 60), fitted[0])


# crops


@pytest.mark.parametrize(
    ("rotation", "flip", "expected"),
    [
        (0, False, [[2, 0, 10.5], [0, 2, 20.5]]),
        (0, True, [[-2, 0, 48.5], [0, 2, 20.5]]),
        (90, False, [[0, 2, 20.5], [-2, 0, 48.5]]),
        (90, True, [[0, 2, 20.5], [2, 0, 10.5]]),
        (180, False, [[-2, 0, 48.5], [0, -2, 38.5]]),
    ],
)
def test_crop_to_image_by_hand(rotation, flip, expected):
    box = np.array([9.5, 19.5, 40, 20])  # 20 x 10 px of crop, each 2 px wide
    matrix = geometry.crop_to_image(box, height=10, width=20, rotation=rotation, flip=flip)
    np.testing.assert_allclose(matrix, expected, atol=1e-12)


def test_positive_rotation_turns_the_picture_clockwise():
    box = geometry.whole_image(41, 41)
    to_crop = geometry.invert(geometry.crop_to_image(box, 41, 41, rotation=30))
    top = geometry.apply(to_crop, np.array([[20.0, 0.0]]))[0]  # the top moves to the right
    np.testing.assert_allclose(top, [20 + 20 * 0.5, 20 - 20 * np.sqrt(3) / 2])


def test_a_box_of_another_aspect_is_stretched():
    box = np.array([-0.5, -0.5, 30, 20])
    matrix = geometry.crop_to_image(box, height=40, width=15)
    np.testing.assert_allclose(matrix, [[2, 0, 0.5], [0, 0.5, -0.25]])
    turned = geometry.crop_to_image(box, height=40, width=15, rotation=90)
    corners = np.array([[-0.5, -0.5], [14.5, -0.5], [14.5, 39.5], [-0.5, 39.5]])
    # the box itself is turned about its centre (14.5, 9.5), then stretched
    np.testing.assert_allclose(
        geometry.apply(turned, corners), [[4.5, 24.5], [4.5, -5.5], [24.5, -5.5], [24.5, 24.5]]
    )


def test_crops_of_a_batch_are_those_of_one():
    rng = np.random.default_rng(2)
    boxes = np.concatenate([rng.normal(size=(4, 2)) * 50, 20 + 60 * rng.random((4, 2))], 1)
    angles, flips = rng.normal(size=4) * 40, np.array([True, False, True, False])
    together = geometry.crop_to_image(boxes, 24, 40, angles, flips)
    assert together.shape == (4, 2, 3)
    for i in range(4):
        alone = geometry.crop_to_image(boxes[i], 24, 40, angles[i], bool(flips[i]))
        np.testing.assert_allclose(together[i], alone)
    one_box = geometry.crop_to_image(boxes[0], 24, 40, angles, flips)
    np.testing.assert_allclose(one_box[0], together[0])
    one_angle = geometry.crop_to_image(boxes, 24, 40, 15.0, flips)
    np.testing.assert_allclose(one_angle[1], geometry.crop_to_image(boxes[1], 24, 40, 15.0, False))


def test_after_reduction_by_hand():
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    reduced = geometry.after_reduction(identity, 4)
    np.testing.assert_array_equal(reduced, [[0.25, 0, -0.375], [0, 0.25, -0.375]])
    np.testing.assert_array_equal(identity, [[1, 0, 0], [0, 1, 0]])  # left as it was
    centre_of_a_cell = geometry.apply(reduced, np.array([[1.5, 5.5]]))
    np.testing.assert_array_equal(centre_of_a_cell, [[0, 1]])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(22, 48),
    st.integers(12, 26),
    st.floats(-180, 180),
    st.booleans(),
    st.sampled_from([(96, 64), (64, 112), (80, 80)]),
    st.booleans(),
)
def test_white_pixel_lands_where_the_matrix_says(x, y, rotation, flip, size, stretched):
    height, width = size
    photo = np.zeros((40, 70), np.uint8)
    photo[y, x] = 255
    box = np.array([x - 13.0, y - 10.0, 24.0, 21.0])
    if not stretched:
        box = geometry.fit_aspect(box, height, width)
    to_image = geometry.crop_to_image(box, height, width, rotation, flip)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(photo, to_image, (width, height), flags=flags)
    expected = geometry.apply(geometry.invert(to_image), np.array([[x, y]]))[0]
    assert np.abs(centroid(crop) - expected).max() < 0.2


@settings(max_examples=30, deadline=None)
@given(st.floats(-180, 180), st.booleans(), st.sampled_from([2, 4]))
def test_white_block_of_a_reduced_photograph(rotation, flip, factor):
    photo = np.zeros((120, 200), np.uint8)
    photo[56 : 56 + factor, 88 : 88 + factor] = 255
    block = np.array([[88.0, 56.0]]) + (factor - 1) / 2
    box = geometry.fit_aspect(np.array([80.0, 45, 26, 20]), 90, 120)
    to_image = geometry.crop_to_image(box, 90, 120, rotation, flip)
    small = cv2.resize(photo, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    matrix = geometry.after_reduction(to_image, factor)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(small, matrix, (120, 90), flags=flags)
    expected = geometry.apply(geometry.invert(to_image), block)[0]
    assert np.abs(centroid(crop) - expected).max() < 0.3

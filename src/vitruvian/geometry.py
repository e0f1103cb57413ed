"""Every change of frame. The formulas serve NumPy arrays and torch tensors alike.

      px   |  0  |  1  |  2  |  3  |        integer coordinates are pixel centres;
           |-----|-----|-----|-----|        a cell of stride 2 covers two pixels and its
      cell |     0     |     1     |        centre lies between theirs:
          -0.5        1.5         3.5 px    cell = (px + 0.5) / stride - 0.5

What was done to a photograph to make a crop is one 2x3 matrix (a flip is part of it). `to_image` maps
xy_crop to xy_image and `to_crop` is its inverse. Frames and boxes are defined in `types`.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def px_to_cell(xy_px: Any, stride: float) -> Any:
    """Pixels of the crop -> cells of a map whose cells are `stride` px wide; any shape."""
    return (xy_px + 0.5) / stride - 0.5


def cell_to_px(xy_cell: Any, stride: float) -> Any:
    """Cells of a map -> pixels of the crop; any shape."""
    return (xy_cell + 0.5) * stride - 0.5


def px_to_norm(xy_px: Any, size_wh: Any) -> Any:
    """Pixels -> crop sizes, -0.5 at the left or top edge and 0.5 at the right or bottom one.

    `size_wh` is (width, height) in px, broadcast against (..., 2), of the kind that `xy_px` is.
    """
    return (xy_px + 0.5) / size_wh - 0.5


def norm_to_px(xy_norm: Any, size_wh: Any) -> Any:
    """The inverse of `px_to_norm`."""
    return (xy_norm + 0.5) * size_wh - 0.5


def flip_x(x: Any, width: int) -> Any:
    """The x coordinate (px or cell) in an image or map of `width` that was mirrored."""
    return width - 1 - x


def apply(matrix: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Points (..., K, 2) through 2x3 matrices (..., 2, 3)."""
    return xy @ matrix[..., :2].swapaxes(-1, -2) + matrix[..., None, :, 2]


def invert(matrix: np.ndarray) -> np.ndarray:
    """The inverse of 2x3 matrices (..., 2, 3)."""
    a, b, c, d = (matrix[..., row, column] for row in (0, 1) for column in (0, 1))
    det = a * d - b * c
    linear = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], -2) / det[..., None, None]
    shift = -linear @ matrix[..., 2:]
    return np.concatenate([linear, shift], -1)


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The 2x3 matrix that does `first`, then `second`."""
    linear = second[..., :2] @ first[..., :2]
    shift = second[..., :2] @ first[..., 2:] + second[..., 2:]
    return np.concatenate([linear, shift], -1)


def whole_image(height: int, width: int) -> np.ndarray:
    """The box (4,) that covers an image."""
    return np.array([-0.5, -0.5, width, height], np.float32)


def beyond_edges(xy: np.ndarray, height: int, width: int) -> np.ndarray:
    """How far points (..., 2) lie outside of an image, in its widths or heights (...); below 0: inside."""
    share = (xy + 0.5) / np.array([width, height])  # 0 to 1 within the image
    return np.maximum(-share, share - 1).max(-1)


def boxes_of_pixels(first_and_size: np.ndarray) -> np.ndarray:
    """Boxes (..., 4) from x, y, width, height where (x, y) is the first pixel: as in COCO files."""
    return (first_and_size - np.array([0.5, 0.5, 0, 0])).astype(np.float32)


def box_of_joints(xy: np.ndarray, located: np.ndarray, margin: float = 1.25) -> np.ndarray:
    """Square boxes around joints, `margin` times their longer extent.

    Args:
        xy: (..., J, 2) px.
        located: (..., J) bool; where none is True the box is NaN.
        margin: side of the box in extents; the extent is at least 4 px.

    Returns:
        (..., 4) float32.
    """
    where = located[..., None]
    low = np.where(where, xy, np.inf).min(-2)
    high = np.where(where, xy, -np.inf).max(-2)
    with np.errstate(invalid="ignore"):
        centre = (low + high) / 2
        side = margin * np.maximum((high - low).max(-1, keepdims=True), 4.0)
        box = np.concatenate([centre - side / 2, side, side], -1)
    return np.where(located.any(-1, keepdims=True), box, np.nan).astype(np.float32)


def grow(box: np.ndarray, factor: float) -> np.ndarray:
    """Boxes (..., 4) made `factor` times longer and wider about their centres."""
    size = box[..., 2:] * factor
    return np.concatenate([box[..., :2] - (size - box[..., 2:]) / 2, size], -1).astype(np.float32)


def common_area(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What boxes (..., 4) share, in px by px (...)."""
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    area: np.ndarray = np.clip(high - low, 0, None).astype(np.float64).prod(-1)
    return area


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union (...) of boxes (..., 4)."""
    common = common_area(a, b)
    area = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common
    return common / np.maximum(area, 1e-9)


def fit_aspect(box: np.ndarray, height: int, width: int) -> np.ndarray:
    """Boxes (..., 4) grown about their centres to the aspect of a crop of `height` x `width`."""
    centre, size = box[..., :2] + box[..., 2:] / 2, box[..., 2:]
    grown = np.maximum(size, size[..., ::-1] * np.array([width / height, height / width]))
    return np.concatenate([centre - grown / 2, grown], -1).astype(np.float32)


def crop_to_image(
    box: np.ndarray,
    height: int,
    width: int,
    rotation: float | np.ndarray = 0.0,
    flip: bool | np.ndarray = False,
) -> np.ndarray:
    """`to_image` (..., 2, 3) of a crop of `height` x `width` px that shows `box` (..., 4).

    The crop is turned about its centre by `rotation` degrees (positive: the picture turns clockwise) and
    mirrored when `flip`. A box of another aspect is stretched; see `fit_aspect`.
    """
    box = np.asarray(box, np.float64)
    angle = np.deg2rad(np.asarray(rotation, np.float64))
    scale_x, scale_y = box[..., 2] / width, box[..., 3] / height
    sign = np.where(flip, -1.0, 1.0)
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.stack(
        [
            np.stack([scale_x * cos * sign, scale_y * sin + 0 * sign], -1),
            np.stack([-scale_x * sin * sign, scale_y * cos + 0 * sign], -1),
        ],
        -2,
    )
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    centre = box[..., :2] + box[..., 2:] / 2
    shift = centre - linear @ middle
    return np.concatenate([linear, shift[..., None]], -1)


def after_reduction(to_image: np.ndarray, factor: int) -> np.ndarray:
    """`to_image` for a photograph that was decoded `factor` times smaller."""
    reduced = to_image / factor
    reduced[..., 2] += 0.5 / factor - 0.5
    return reduced

"""Faces, to start from when nobody gives a box: scikit-image's own frontal cascade, extra [face]."""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np

from vitruvian.types import UserError

_LONGEST = 640  # px of the photograph that is searched; a face must be a 25th of that at least
_SMALLEST = 25


def find_face(photo: np.ndarray) -> np.ndarray | None:
    """The box (4,) px of the largest frontal face, x and y at the edge; None: there is none.

    Args:
        photo: RGB (H, W, 3) uint8.

    Raises:
        UserError: scikit-image is not installed.
    """
    height, width = photo.shape[:2]
    shrink = min(1.0, _LONGEST / max(height, width))
    small = photo
    if shrink < 1:
        size = (max(round(width * shrink), 1), max(round(height * shrink), 1))
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    shorter = min(small.shape[:2])
    if shorter < _SMALLEST:
        return None
    found = _cascade().detect_multi_scale(
        img=np.ascontiguousarray(small), scale_factor=1.2, step_ratio=1.0,
        min_size=(_SMALLEST, _SMALLEST), max_size=(shorter, shorter),
    )  # fmt: skip
    if not found:
        return None
    face = max(found, key=lambda one: one["width"])
    scale = np.array([width / small.shape[1], height / small.shape[0]] * 2)
    box = np.array([face["c"], face["r"], face["width"], face["height"]], float) * scale
    return (box - [0.5, 0.5, 0, 0]).astype(np.float32)


@functools.cache
def _cascade() -> Any:
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ImportError:
        raise UserError(
            "faces are found by scikit-image: install vitruvian with its extra [face], or give --box"
        ) from None
    return Cascade(lbp_frontal_face_cascade_filename())

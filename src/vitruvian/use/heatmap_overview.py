"""All joints' heatmaps at once on their photograph, for a quick look."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw

from vitruvian import geometry
from vitruvian.skeleton import Skeleton
from vitruvian.use.heatmap_pictures import INK, PAPER, font, in_greys, scale_end
from vitruvian.use.heatmaps import Seen

_COVER = 0.9  # of the photograph's grey, at most
_FULL = 0.6  # share of the scale at which a colour is as strong as it gets
_LINE, _SWATCH = 22, 12  # px


class Overview:
    """A photograph on which persons' maps are laid, one person after the other.

    Of each person the last set counts. A pixel has the hue of the joint whose map is highest there.

    Args:
        photo: RGB uint8 (H, W, 3).
        longest: px that no side of the picture exceeds.
    """

    def __init__(self, photo: np.ndarray, skeleton: Skeleton, longest: int = 1024) -> None:
        H, W = photo.shape[:2]
        factor = min(1.0, longest / max(H, W))
        self._size = h, w = max(1, round(H * factor)), max(1, round(W * factor))
        self._grey = in_greys(photo, h, w)
        self._skeleton = skeleton
        self._best = np.zeros((h, w), np.float32)
        self._joint = np.zeros((h, w), np.intp)
        whole = geometry.whole_image(H, W)
        self._from_image = geometry.invert(geometry.crop_to_image(whole, h, w))

    def add(self, seen: Seen) -> None:
        """Lays a person's maps on the photograph, a share of the person's own scale."""
        maps = list(seen.maps.values())[-1][: len(self._skeleton)]
        top = max(scale_end(maps), 1e-12)
        h, w = maps.shape[1:]
        to_crop = geometry.crop_to_image(geometry.whole_image(*seen.crop.shape[:2]), h, w)
        matrix = geometry.compose(self._from_image, geometry.compose(seen.to_image, to_crop))
        left, upper, right, lower = self._covered(matrix, h, w)
        if left >= right or upper >= lower:
            return
        matrix = matrix - [[0, 0, left], [0, 0, upper]]
        best = self._best[upper:lower, left:right]
        joint = self._joint[upper:lower, left:right]
        for j, values in enumerate(maps):
            share = np.clip(values / top, 0, 1).astype(np.float32)
            there = cv2.warpAffine(share, matrix, (right - left, lower - upper))
            joint[there > best] = j
            np.maximum(best, there, out=best)

    def picture(self) -> np.ndarray:
        """RGB uint8, with the joints' names under the photograph."""
        colours = hues(len(self._skeleton))
        colour = colours.astype(np.float32)[self._joint]
        cover = (_COVER * np.minimum(self._best / _FULL, 1))[..., None]
        shown = np.rint(self._grey[..., None] * (1 - cover) + colour * cover).astype(np.uint8)
        return np.concatenate([shown, _names(self._skeleton, colours, shown.shape[1])])

    def _covered(self, matrix: np.ndarray, h: int, w: int) -> tuple[int, int, int, int]:
        """The part of the picture under a map: left, top, right, bottom in px, ends excluded."""
        corners = np.array([[-1, -1], [w, -1], [-1, h], [w, h]], np.float64)
        xy = geometry.apply(matrix, corners)
        height, width = self._size
        low = np.clip(np.floor(xy.min(0)), 0, (width, height)).astype(int).tolist()
        high = np.clip(np.ceil(xy.max(0)) + 1, 0, (width, height)).astype(int).tolist()
        return low[0], low[1], high[0], high[1]


def hues(count: int) -> np.ndarray:
    """Colours (count, 3) RGB uint8, evenly around the circle of hues."""
    hsv = np.stack([360 * np.arange(count) / count, np.full(count, 0.8), np.ones(count)], -1)
    rgb = cv2.cvtColor(hsv[None].astype(np.float32), cv2.COLOR_HSV2RGB)[0]
    return np.rint(255 * rgb).astype(np.uint8)


def _names(skeleton: Skeleton, colours: np.ndarray, width: int) -> np.ndarray:
    """A strip as wide as the picture with each joint's name beside its colour."""
    words = [name.replace("_", " ") for name in skeleton.joint_names]
    column = round(max(font(13).getlength(name) for name in words)) + _SWATCH + 18
    across = max(1, width // column)
    strip = Image.new("RGB", (width, _LINE * -(-len(words) // across) + 8), PAPER)
    brush = ImageDraw.Draw(strip)
    for place, (name, colour) in enumerate(zip(words, colours.tolist(), strict=True)):
        x, y = place % across * column + 6, place // across * _LINE + 8
        brush.rectangle((x, y, x + _SWATCH, y + _SWATCH), tuple(colour))
        brush.text((x + _SWATCH + 6, y + _SWATCH / 2), name, INK, font(13), "lm")
    return np.array(strip)

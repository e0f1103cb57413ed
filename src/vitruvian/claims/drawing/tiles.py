"""Figures made of photographs: tiles in rows, with a title, a caption and heads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw

from vitruvian import geometry
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.people import People
from vitruvian.draw import draw_poses
from vitruvian.skeleton import Skeleton
from vitruvian.types import Poses, State
from vitruvian.use.heatmap_pictures import INK, PAPER, QUIET, blend, font, in_greys, moved
from vitruvian.use.heatmaps import Seen, peak

SIDE = 200  # px of a tile
TRUE, FOUND = (240, 228, 66), (0, 114, 230)  # RGB of points: yellow labels, blue answers
_EDGE, _GAP, _NAMES = 18, 8, 110  # px: around all, between tiles, for rows' names
_LINES = {22: 29, 15: 21, 14: 19, 13: 18}  # font size -> px a line takes
_LEAST = 720  # px, so that captions are not folded into many lines
_BITS = 4  # after the point in OpenCV's coordinates


@dataclass(frozen=True)
class Tile:
    """A picture and the words under it."""

    pixels: np.ndarray  # (H, W, 3) uint8 RGB
    below: str = ""


@dataclass(frozen=True)
class View:
    """A person cut out of the photograph."""

    pixels: np.ndarray  # (SIDE, SIDE, 3) uint8 RGB; black where it cannot be read
    from_image: np.ndarray  # (2, 3)
    true: np.ndarray  # (J, 2) px of the tile, NaN where not located
    state: np.ndarray  # (J,)


def views(people: People, rows: np.ndarray, side: int = SIDE) -> list[View]:
    """Rows of a data set, each in the box in which the person is looked for."""
    some = people.rows(rows)
    found = []
    for crops in plain_crops(some, some.box, side, side, max(1, len(some)), Skipped(), workers=0):
        for i in range(len(crops.image)):
            located = crops.state[i] >= State.OCCLUDED
            true = np.where(located[:, None], crops.joints[i], np.nan)
            from_image = geometry.invert(crops.to_image[i].astype(np.float64))
            found.append(View(crops.image[i], from_image, true, crops.state[i]))
    return found


def pose_tile(view: View, xy_image: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The person with an answer (J, 2) drawn on it."""
    return _drawn(view.pixels, geometry.apply(view.from_image, xy_image), None, skeleton)


def label_tile(view: View, skeleton: Skeleton) -> np.ndarray:
    """The person with the labels drawn on it, hidden joints hollow and their limbs dashed."""
    return _drawn(view.pixels, view.true, view.state == State.VISIBLE, skeleton)


def points_tile(view: View, xy_image: np.ndarray) -> np.ndarray:
    """Labels as yellow points, the answer as blue ones."""
    tile = view.pixels.copy()
    for xy, colour in ((view.true, TRUE), (geometry.apply(view.from_image, xy_image), FOUND)):
        for point in xy[np.isfinite(xy).all(-1)]:
            at = _fixed(point)
            cv2.circle(tile, at, 5 << _BITS, INK, -1, cv2.LINE_AA, _BITS)
            cv2.circle(tile, at, 4 << _BITS, colour, -1, cv2.LINE_AA, _BITS)
    return tile


def map_tile(seen: Seen, values: np.ndarray, top: float, side: int = SIDE) -> np.ndarray:
    """A heatmap (h, w) in colour from 0 to `top` over the crop in grey, its highest cell crossed."""
    H, W = seen.crop.shape[:2]
    height, width = (max(1, round(size * side / max(H, W))) for size in (H, W))
    tile = blend(in_greys(seen.crop, height, width), values, top)
    at = moved(peak(values, (H, W))[0], (H, W), (height, width))
    x, y = np.rint(at).astype(int).tolist()
    for colour, wide in ((INK, 3), (PAPER, 1)):
        cv2.drawMarker(tile, (x, y), colour, cv2.MARKER_TILTED_CROSS, 11, wide, cv2.LINE_AA)
    return tile


def sheet(
    title: str,
    caption: Sequence[str],
    rows: Sequence[Sequence[Tile]],
    heads: Sequence[str] = (),
    names: Sequence[str] = (),
) -> np.ndarray:
    """The whole figure, RGB uint8: title, tiles under their columns' heads, and the caption below.

    Args:
        rows: may be of different lengths.
        heads: of columns, perhaps none.
        names: of rows, perhaps none.
    """
    across = max(len(row) for row in rows)
    widths = [
        max(row[k].pixels.shape[1] for row in rows if len(row) > k) + _GAP for k in range(across)
    ]
    left = _EDGE + (_NAMES if names else 0)
    width = max(left + sum(widths) - _GAP + _EDGE, _LEAST)
    room = width - 2 * _EDGE
    words: list[tuple[int, int, str, int, tuple[int, int, int]]] = []  # x, y, line, size, colour
    pasted: list[tuple[int, int, np.ndarray]] = []

    def write(x: int, y: int, text: str, size: int, within: float, colour: tuple[int, ...]) -> int:
        """Writes folded lines; the y under them."""
        for line in folded(text, size, within):
            words.append((x, y, line, size, (colour[0], colour[1], colour[2])))
            y += _LINES[size]
        return y

    y = write(_EDGE, _EDGE - 4, title, 22, room, INK) + 4
    x, below = left, y
    for head, column in zip(heads[:across], widths, strict=False):
        below = max(below, write(x, y, head, 15, column - _GAP, INK))
        x += column
    y = below + 4
    for number, row in enumerate(rows):
        if names:
            write(_EDGE, y + 4, names[number], 14, _NAMES - _GAP, INK)
        x, under = left, y
        for tile, column in zip(row, widths, strict=False):
            pasted.append((x, y, tile.pixels))
            foot = y + tile.pixels.shape[0]
            if tile.below:
                foot = write(x, foot + 1, tile.below, 13, column - _GAP, QUIET)
            under, x = max(under, foot), x + column
        y = under + _GAP
    for line in caption:
        y = write(_EDGE, y + 2, line, 14, room, QUIET)
    image = Image.new("RGB", (width, y + _EDGE), PAPER)
    for x, top, pixels in pasted:
        image.paste(Image.fromarray(pixels), (x, top))
    brush = ImageDraw.Draw(image)
    for x, top, line, size, colour in words:
        brush.text((x, top), line, colour, font(size))
    return np.array(image)


def folded(text: str, size: int, width: float) -> list[str]:
    """Lines of words that are at most `width` px long; a longer word stands alone, % never does."""
    lines: list[str] = []
    for word in filter(None, re.split(r"\s+(?!%)", text)):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _drawn(
    pixels: np.ndarray, xy_tile: np.ndarray, sure: np.ndarray | None, skeleton: Skeleton
) -> np.ndarray:
    score = np.ones(len(xy_tile)) if sure is None else sure.astype(float)
    pose = Poses(xy_tile[None].astype(np.float32), score[None], np.zeros((1, 4), np.float32))
    return draw_poses(pixels, pose, skeleton, 0.5)


def _fixed(xy: np.ndarray) -> tuple[int, int]:
    x, y = np.rint(np.clip(xy, -1e4, 1e4) * 2**_BITS).astype(int).tolist()
    return x, y

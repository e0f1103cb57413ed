"""A person's heatmaps as one picture: a row for each set of maps, a column for each joint."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitruvian import geometry
from vitruvian.draw import draw_poses
from vitruvian.skeleton import Skeleton
from vitruvian.types import Poses, State
from vitruvian.use.heatmaps import Seen, Truth, channels, peak

STEPS = (0.25, 0.5, 0.75, 1.0)  # where a scale may end: no faint map is made to look sure
INK, QUIET, PAPER = (27, 27, 27), (86, 86, 86), (255, 255, 255)
_TILE = 144  # px, the longer side of a map
_ACROSS = 9  # maps in a line, at most
_GAP, _EDGE, _GUTTER = 6, 16, 26  # px: between tiles, around the picture, for a row's name
_HEAD = 36  # px above tiles: a joint's name and its score
_LINE = 22  # px of text
_FAINT = 0.2  # share of the scale from which on a colour covers the crop
_COVER = 0.85  # of the crop's grey, at most
_BITS = 4  # after the point in the coordinates that OpenCV draws at


@dataclass(frozen=True)
class _Text:
    """Words that are written when all pixels are there."""

    xy: tuple[float, float]
    words: str
    size: int
    anchor: str  # Pillow's
    colour: tuple[int, int, int]
    rim: bool  # for words on a photograph


@dataclass(frozen=True)
class _Page:
    """The picture in the making."""

    pixels: np.ndarray  # (H, W, 3) uint8
    texts: list[_Text] = field(default_factory=list)

    def write(
        self,
        xy: tuple[float, float],
        words: str,
        size: int = 13,
        anchor: str = "la",
        colour: tuple[int, int, int] = INK,
        rim: bool = False,
    ) -> None:
        self.texts.append(_Text(xy, words, size, anchor, colour, rim))

    def paste(self, x: int, y: int, tile: np.ndarray) -> None:
        self.pixels[y : y + tile.shape[0], x : x + tile.shape[1]] = tile

    def finished(self) -> np.ndarray:
        image = Image.fromarray(self.pixels)
        brush = ImageDraw.Draw(image)
        for text in self.texts:
            width = 2 if text.rim else 0
            brush.text(
                text.xy, text.words, text.colour, font(text.size), text.anchor,
                stroke_width=width, stroke_fill=INK,
            )  # fmt: skip
        return np.array(image)


@dataclass(frozen=True)
class _Shown:
    """What a picture shows, and how large."""

    seen: Seen
    skeleton: Skeleton
    truth: Truth | None
    tops: dict[str, float]  # set -> the value where its scale ends
    grey: np.ndarray  # (height, width) float32, the crop as a tile

    def on_tile(self, xy_crop: np.ndarray) -> np.ndarray:
        """Places (..., 2) of the crop in px of a tile."""
        return moved(xy_crop, self.seen.crop.shape, self.grey.shape)

    def state(self, joint: int) -> int:
        return State.UNDEFINED if self.truth is None else int(self.truth.state[joint])


def sheet(
    seen: Seen,
    skeleton: Skeleton,
    title: Sequence[str] = (),
    threshold: float = 0.3,
    truth: Truth | None = None,
) -> np.ndarray:
    """A person's maps, RGB uint8; joints are wrapped where there are many.

    A tile is the crop in grey under the map in colour, with the map's highest cell marked and its value;
    above it stand the joint and the answer's score. On the left the answer is drawn on the crop, over the
    legend. Where a truth is given its places are ringed, and tiles of hidden joints have a dashed frame.

    Args:
        title: lines of text.
        threshold: of the score, below which the answer's joint is drawn hollow.
    """
    H, W = seen.crop.shape[:2]
    height, width = (max(1, round(side * _TILE / max(H, W))) for side in (H, W))
    grey = in_greys(seen.crop, height, width)
    shown = _Shown(seen, skeleton, truth, _scales(seen, len(skeleton)), grey)
    names = channels(skeleton, max(len(maps) for maps in seen.maps.values()))
    blocks = -(-len(names) // _ACROSS)
    across = -(-len(names) // blocks)
    block = _HEAD + len(seen.maps) * (height + _GAP) + _GAP
    left = _EDGE + 2 * width + 2 * _GAP
    words = len(title) + len(set(shown.tops.values())) + (1 if truth is None else 3)
    under = 2 * height + _GAP + _LINE * (words + 1)
    size = (
        2 * _EDGE + max(blocks * block, under),
        left + _GUTTER + across * (width + _GAP) + _EDGE,
    )
    page = _Page(np.full((*size, 3), 255, np.uint8))
    _legend(page, shown, title, _answer(page, shown, threshold))
    for number in range(blocks):
        top = _EDGE + number * block
        _block(page, shown, names, range(len(names))[number * across :][:across], left, top)
    return page.finished()


def scale_end(maps: np.ndarray) -> float:
    """Where the scale of joints' maps (J, h, w) ends: at a step, or for densities at their highest value.

    A density sums to 1 over its cells, so that its height says how narrow it is, not how sure.
    """
    highest = float(maps.max(initial=0))
    if maps.min() >= 0 and np.abs(maps.sum((1, 2)) - 1).max() < 0.01:
        return highest
    return next((step for step in STEPS if highest <= step), STEPS[-1])


def blend(grey: np.ndarray, values: np.ndarray, top: float) -> np.ndarray:
    """Values (h, w) from 0 to `top` in colour over grey (H, W) float32: RGB uint8 (H, W, 3)."""
    H, W = grey.shape
    way = cv2.INTER_LINEAR if values.shape[0] <= H else cv2.INTER_AREA
    share = cv2.resize(values.astype(np.float32), (W, H), interpolation=way)
    share = np.clip(share / max(top, 1e-12), 0, 1)
    colour = _plasma()[np.rint(255 * share).astype(np.uint8)]
    cover = (_COVER * np.minimum(share / _FAINT, 1))[..., None]
    return np.rint(grey[..., None] * (1 - cover) + colour * cover).astype(np.uint8)


def in_greys(photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """A photograph (H, W, 3) in light greys, float32 (height, width), on which dark colours stand out."""
    grey = cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_RGB2GRAY)
    way = cv2.INTER_LINEAR if height >= photo.shape[0] else cv2.INTER_AREA
    return 75 + 0.65 * cv2.resize(grey, (width, height), interpolation=way).astype(np.float32)


def moved(xy: np.ndarray, size: tuple[int, ...], other: tuple[int, ...]) -> np.ndarray:
    """Places (..., 2) in px of an image of height, width `size` -> in px of one resized to `other`."""
    x = geometry.px_to_cell(xy[..., 0], size[1] / other[1])
    y = geometry.px_to_cell(xy[..., 1], size[0] / other[0])
    return np.stack([x, y], -1)


def _scales(seen: Seen, J: int) -> dict[str, float]:
    """One scale for all sets, which are there to be compared; densities keep their own."""
    ends = {name: scale_end(maps[:J]) for name, maps in seen.maps.items()}
    common = max((end for end in ends.values() if end in STEPS), default=1.0)
    return {name: common if end in STEPS else end for name, end in ends.items()}


def _answer(page: _Page, shown: _Shown, threshold: float) -> int:
    """The answer on the crop, twice as large as a tile; the y where text goes on under it."""
    height, width = (2 * side + _GAP for side in shown.grey.shape)
    seen = shown.seen
    large = cv2.resize(seen.crop, (width, height), interpolation=cv2.INTER_CUBIC)
    xy = moved(seen.xy_crop, seen.crop.shape, large.shape)
    pose = Poses(xy[None].astype(np.float32), seen.score[None], np.zeros((1, 4), np.float32))
    page.paste(_EDGE, _EDGE, draw_poses(large, pose, shown.skeleton, threshold))
    return _EDGE + height + 10


def _legend(page: _Page, shown: _Shown, title: Sequence[str], y: int) -> None:
    """The title, where scales end, and what the marks mean."""
    middle = np.array([9.0, 9.0])  # of a swatch
    for line in title:
        page.write((_EDGE, y), line, _fitting(line, 13, 2 * shown.grey.shape[1]))
        y += _LINE
    y += _LINE // 2
    for top in dict.fromkeys(shown.tops.values()):
        sets = [name.replace("_", " ") for name, end in shown.tops.items() if end == top]
        page.write((_EDGE, y), "0")
        ramp = np.repeat(np.linspace(0, top, 100, dtype=np.float32)[None], 13, 0)
        page.paste(_EDGE + 12, y + 1, blend(np.full(ramp.shape, 170, np.float32), ramp, top))
        of = "the map, over the crop" if len(sets) == len(shown.tops) else ", ".join(sets)
        page.write((_EDGE + 117, y), f"{top:.2g}   {of}")
        y += _LINE
    marks: list[tuple[Callable[[np.ndarray], None], str]] = [
        (lambda swatch: _cross(swatch, middle), "its highest cell, whose value stands below")
    ]
    if shown.truth is not None:
        marks.append((lambda swatch: _ring(swatch, middle), "the labelled place"))
        marks.append((_dashed_frame, "a hidden joint"))
    for draw, words in marks:
        swatch = np.full((19, 19, 3), 170, np.uint8)
        draw(swatch)
        page.paste(_EDGE, y - 1, swatch)
        page.write((_EDGE + 26, y), words, colour=QUIET)
        y += _LINE


def _block(
    page: _Page, shown: _Shown, names: Sequence[str], part: range, left: int, top: int
) -> None:
    """Some of the columns under their names, with the sets' names beside the rows."""
    height, width = shown.grey.shape
    rows = {name: top + _HEAD + i * (height + _GAP) for i, name in enumerate(shown.seen.maps)}
    for name, y in rows.items():
        _sideways(page, left + _GUTTER // 2, y + height // 2, name.replace("_", " "), height)
    for column, k in enumerate(part):
        x = left + _GUTTER + column * (width + _GAP)
        words = names[k].replace("_", " ")
        page.write((x + width / 2, top), words, _fitting(words, 14, width), "ma")
        if k < len(shown.skeleton):
            score = f"score {shown.seen.score[k]:.2f}{_known(shown, k)}"
            size = _fitting(score, 12, width)
            page.write((x + width / 2, top + 17), score, size, "ma", QUIET)
        for name, y in rows.items():
            if k < len(shown.seen.maps[name]):
                _map(page, shown, name, k, x, y)


def _known(shown: _Shown, joint: int) -> str:
    if shown.truth is None or shown.state(joint) == State.VISIBLE:
        return ""
    return ", hidden" if shown.state(joint) == State.OCCLUDED else ", no label"


def _map(page: _Page, shown: _Shown, name: str, k: int, x: int, y: int) -> None:
    """One tile; that of the background has no marks."""
    values = shown.seen.maps[name][k]
    tile = blend(shown.grey, values, shown.tops[name])
    if k < len(shown.skeleton):
        if shown.truth is not None and shown.state(k) >= State.OCCLUDED:
            _ring(tile, shown.on_tile(shown.truth.xy_crop[k]))
        if shown.state(k) == State.OCCLUDED:
            _dashed_frame(tile)
        highest, value = peak(values, shown.seen.crop.shape[:2])
        _cross(tile, shown.on_tile(highest))
        page.write((x + 6, y + len(tile) - 6), f"{value:.2f}", 13, "ls", PAPER, rim=True)
    page.paste(x, y, tile)


def _cross(tile: np.ndarray, xy: np.ndarray) -> None:
    """Four arms about a place that stays free."""
    for colour, width in ((INK, 3), (PAPER, 1)):
        for towards in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            start, end = (_fixed(xy + reach * np.array(towards)) for reach in (4, 9))
            cv2.line(tile, start, end, colour, width, cv2.LINE_AA, _BITS)


def _ring(tile: np.ndarray, xy: np.ndarray) -> None:
    for colour, width in ((INK, 3), (PAPER, 1)):
        cv2.circle(tile, _fixed(xy), 6 << _BITS, colour, width, cv2.LINE_AA, _BITS)


def _fixed(xy: np.ndarray) -> tuple[int, int]:
    x, y = np.rint(np.clip(xy, -1e4, 1e4) * 2**_BITS).astype(int).tolist()
    return x, y


def _dashed_frame(tile: np.ndarray, dash: int = 8) -> None:
    H, W = tile.shape[:2]
    y, x = np.indices((H, W))
    edge = np.minimum(np.minimum(y, H - 1 - y), np.minimum(x, W - 1 - x)) < 3
    dark = (x + y) // dash % 2 == 0
    tile[edge & dark] = INK
    tile[edge & ~dark] = PAPER


def _sideways(page: _Page, x: int, y: int, words: str, height: int) -> None:
    """Text about (x, y) that reads upwards, beside a row of tiles."""
    size = _fitting(words, 15, height)
    strip = Image.new("RGB", (int(font(size).getlength(words)) + 3, _GUTTER - 4), PAPER)
    ImageDraw.Draw(strip).text((1, strip.height / 2), words, INK, font(size), "lm")
    turned = np.rot90(np.array(strip))[:height]
    page.paste(x - turned.shape[1] // 2, y - turned.shape[0] // 2, turned)


def _fitting(words: str, size: int, width: float) -> int:
    """The font's size at which text fits into `width` px, at least 8."""
    while size > 8 and font(size).getlength(words) > width:
        size -= 1
    return size


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font that comes with Pillow."""
    return ImageFont.load_default(size)  # type: ignore[return-value]


@functools.cache
def _plasma() -> np.ndarray:
    """(256, 3) RGB float32: colours that are even to the eye, in grey and for the colour-blind too."""
    colour = cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_PLASMA)
    return colour[:, 0, ::-1].astype(np.float32)

"""Labelled persons side by side, to look at; a legend above them says which joint is which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vitruvian import geometry
from vitruvian.data.pack import MARGIN
from vitruvian.data.people import People
from vitruvian.data.photos import cut, reduction_for
from vitruvian.draw import SIDE_COLOURS, side_colour, words_size, write_beside, write_words
from vitruvian.skeleton import Skeleton
from vitruvian.types import State, UserError

_KEY = 300  # px of a person whose joints are numbered
_KEYS = 2  # such persons, where there is room
_TRIED = 8  # persons, for that
_WORDS = 600  # px that the legend's words take at least
_LETTERS = 15  # px
_LINE = 24  # px from line to line
_GAP = 24  # px between columns
_DOT = 18  # px that a dot takes before its words
GROUND = 40  # grey between pictures
_SIDES_MEAN = {
    "PC": "left and right are the person's own",
    "OC": "left and right as of people who face the observer",
    "": "joints have no sides",
}


def contact_sheet(
    people: People, rows: Iterable[int], columns: int = 8, side: int = 160
) -> np.ndarray:
    """Persons with their labels in a grid below a legend, RGB uint8 (H, columns x side, 3).

    Right and left have the colours of `draw`; an occluded joint is dark. A tile bears the row's number;
    see `draw_tile`. The persons with most labels stand large in the legend, their joints numbered.
    """
    chosen = [int(row) for row in rows]
    down = -(-len(chosen) // columns)
    grid = np.zeros((down * side, columns * side, 3), np.uint8)
    for place, row in enumerate(chosen):
        y, x = place // columns * side, place % columns * side
        tile = draw_tile(people, row, side).picture
        _number(tile, row)
        grid[y : y + side, x : x + side] = tile
    keys = _key_persons(people, chosen, columns * side)
    words = ("dark: hidden; in the corner: the row",)
    return np.concatenate([legend(people, words, columns * side, keys), grid])


@dataclass(frozen=True)
class Tile:
    """A person cut out of its photograph."""

    picture: np.ndarray  # (size, size, 3) RGB uint8
    to_tile: (
        np.ndarray | None
    )  # (2, 3) xy_image -> px of the picture; None: grey, it cannot be read


def draw_tile(people: People, row: int, size: int) -> Tile:
    """One person with limbs below joints; `MARGIN` boxes, grey where the photograph cannot be read."""
    try:
        box = people.box[row].astype(float)
        if not np.isfinite(box).all():
            box = geometry.whole_image(*people.size(row)).astype(float) / MARGIN
        box = geometry.fit_aspect(box, 1, 1).astype(float)
        margin = (MARGIN - 1) * box[2:]
        shown = np.concatenate([box[:2] - margin / 2, box[2:] + margin])
        to_image = geometry.crop_to_image(shown, size, size)
        photo, factor = people.photo(row, reduction_for(to_image))
    except UserError:
        return Tile(np.full((size, size, 3), 128, np.uint8), None)
    picture = cut(photo, geometry.after_reduction(to_image, factor), size, size)
    to_tile = geometry.invert(to_image)
    _draw(picture, geometry.apply(to_tile, people.joints[row].astype(float)), people, row)
    return Tile(picture, to_tile)


def _draw(picture: np.ndarray, xy: np.ndarray, people: People, row: int) -> None:
    """Limbs and joints of a person at xy (J, 2) px, in place."""
    state, names = people.state[row], people.skeleton.joint_names
    points = np.rint(np.clip(xy, -1e4, 1e4) * 16).astype(int).tolist()

    def colour(*joints: int) -> tuple[int, ...]:
        light = 1.0 if all(state[joint] == State.VISIBLE for joint in joints) else 0.4
        return tuple(int(light * value) for value in side_colour(*(names[j] for j in joints)))

    for limb in people.skeleton.limbs:
        a, b = people.skeleton.index(*limb)
        if min(state[a], state[b]) >= State.OCCLUDED:
            cv2.line(picture, points[a], points[b], colour(a, b), 1, cv2.LINE_AA, 4)
    for joint in np.flatnonzero(state >= State.OCCLUDED).tolist():
        cv2.circle(picture, points[joint], 40, colour(joint), -1, cv2.LINE_AA, 4)


def _number(tile: np.ndarray, row: int) -> None:
    at = (3, len(tile) - 4)
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(tile, str(row), at, cv2.FONT_HERSHEY_SIMPLEX, 0.35, colour, width, cv2.LINE_AA)


# ---- the legend ----------------------------------------------------------------------------------


def legend(
    people: People, words: Sequence[str], width: int, key: np.ndarray | None = None
) -> np.ndarray:
    """What the colours and numbers are, RGB uint8 (H, width, 3).

    Whose left is meant; then every joint's number (from 1), colour and name, and after "/" the joint that
    takes its place in a mirror where names do not say sides.

    Args:
        words: lines below that.
        key: a picture to stand on the left.
    """
    left = 0 if key is None else key.shape[1]
    entries = _entries(people.skeleton)
    column = max(words_size(name, _LETTERS)[0] for name, _ in entries) + _DOT + _GAP
    down = -(-len(entries) // max(1, (width - left - _GAP) // column))
    height = max(0 if key is None else len(key), (down + len(words) + 2) * _LINE)
    band = np.full((height, width, 3), GROUND, np.uint8)
    if key is not None:
        band[: len(key), :left] = key
    first, line = left + _GAP, _LINE
    x = float(first)
    for name, colour in SIDE_COLOURS.items():
        x = _entry(band, x, line, "no side" if name == "middle" else name, colour)
    write_words(band, (x, line), _SIDES_MEAN[people.convention], _LETTERS)
    for text in words:
        line += _LINE
        write_words(band, (first, line), text, _LETTERS)
    line += _LINE + _LINE // 3
    for place, (name, colour) in enumerate(entries):
        across, below = divmod(place, down)
        _entry(band, first + across * column, line + below * _LINE, name, colour)
    return band


def _entries(skeleton: Skeleton) -> list[tuple[str, tuple[int, int, int]]]:
    names = skeleton.joint_names
    entries = []
    for number, (name, other) in enumerate(zip(names, skeleton.swap, strict=True), 1):
        colour = side_colour(name)
        unsaid = colour == SIDE_COLOURS["middle"] and names[other] != name
        entries.append((f"{number} {name}{f' / {names[other]}' if unsaid else ''}", colour))
    return entries


def _entry(band: np.ndarray, x: float, y: float, words: str, colour: tuple[int, int, int]) -> float:
    """A dot and words from x on; where the next ones may begin."""
    cv2.circle(band, (round(x) + 5, round(y)), 5, colour, -1, cv2.LINE_AA)
    write_words(band, (x + _DOT, y), words, _LETTERS)
    return x + _DOT + words_size(words, _LETTERS)[0] + _GAP


def _key_persons(people: People, rows: Sequence[int], width: int) -> np.ndarray | None:
    """The persons with most labels, and of these with the least crowded ones, their joints numbered."""
    size = min(_KEY, width // 2)
    located = people.state[rows] >= State.OCCLUDED  # (n, J)
    apart = [_apart(people, row) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (-int(located[i].sum()), -apart[i]))
    pictures = []
    for i in order[:_TRIED]:
        tile = draw_tile(people, rows[i], size)
        if tile.to_tile is None:
            continue
        joints = np.flatnonzero(located[i])
        xy = geometry.apply(tile.to_tile, people.joints[rows[i]].astype(float))[joints]
        write_beside(tile.picture, xy, [str(joint + 1) for joint in joints.tolist()], 4, _LETTERS)
        _number(tile.picture, rows[i])
        pictures.append(tile.picture)
        if len(pictures) == _KEYS or (len(pictures) + 1) * size > width - _WORDS:
            break
    return np.concatenate(pictures, axis=1) if pictures else None


def _apart(people: People, row: int) -> float:
    """How far joints are from the next one, in boxes: the mean."""
    xy = people.joints[row, people.state[row] >= State.OCCLUDED].astype(float)
    if len(xy) < 2:
        return 0.0
    far = np.linalg.norm(xy[:, None] - xy, axis=-1) + np.diag(np.full(len(xy), np.inf))
    return float(np.nan_to_num(far.min(1).mean() / max(people.box[row, 2:].max(), 1)))

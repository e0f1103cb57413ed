"""The persons with suspect labels as a picture: labels, a model's answers, and the suspects' names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from vitruvian import geometry
from vitruvian.data.people import People
from vitruvian.data.sheet import GROUND, draw_tile, legend
from vitruvian.data.suspects import Suspect
from vitruvian.draw import RIM, words_size, write_beside, write_words
from vitruvian.types import State
from vitruvian.use.contradicted import Looked

_ACROSS = 3  # persons
_SIDE = 240  # px of a tile
_LINE = 18  # px
_LETTERS = 13  # px
_RING = 7  # px, radius
_PINK = (255, 60, 220)  # of rings: the colour of no side
_WORDS = (
    "on the left labels, on the right the model's answers, bright where they contradict a label",
    "ring: a suspect label; a line leads from it to where the model sees that joint",
    "beside them the photograph and the suspects, with their distances in extents of the person;",
    "other side: at the label the model sees the joint of the other side",
)


def suspect_sheet(looked: Looked, count: int) -> np.ndarray:
    """The persons with the surest suspects below a legend, RGB uint8 (H, W, 3).

    Of each the labels, the answers and words side by side. A ring is about each suspect label, and a line
    leads from it to where the model sees the joint.

    Raises:
        ValueError: nothing is suspect.
    """
    people = looked.people
    suspects: dict[int, list[Suspect]] = defaultdict(list)
    for suspect in looked.suspects.suspects:
        suspects[suspect.key].append(suspect)
    if not suspects:
        raise ValueError("no label is suspect")
    surest = sorted(suspects, key=lambda key: -sum(one.score for one in suspects[key]))[:count]
    place = {int(key): row for row, key in enumerate(people.key)}
    labelled, answered = _labels_and_answers(looked, place)
    longest = max(people.skeleton.joint_names, key=lambda name: words_size(name, _LETTERS)[0])
    width = 2 * _SIDE + words_size(f"00 {longest} 0.00 other side", _LETTERS)[0] + 10
    down = -(-len(surest) // _ACROSS)
    grid = np.full((down * _SIDE, _ACROSS * width, 3), GROUND, np.uint8)
    for number, key in enumerate(surest):
        y, x = number // _ACROSS * _SIDE, number % _ACROSS * width
        worst = sorted(suspects[key], key=lambda one: -one.error)
        cell = grid[y : y + _SIDE, x : x + width]
        cell[:, :_SIDE] = _ringed(labelled, place[key], worst)
        cell[:, _SIDE : 2 * _SIDE] = _numbered(answered, place[key], worst)
        names = [f"{people.skeleton.index(one.joint)[0] + 1} {one.joint}" for one in worst]
        _write(cell[:, 2 * _SIDE + 5 :], people.label(place[key]), names, worst)
    return np.concatenate([legend(people, _WORDS, grid.shape[1]), grid])


def _labels_and_answers(looked: Looked, place: dict[int, int]) -> tuple[People, People]:
    """The data set with its labels and with the answers in their place, to draw."""
    people, names = looked.people, looked.people.skeleton.joint_names
    answers = np.where(np.isfinite(looked.xy).all(-1), State.OCCLUDED, State.MISSING)
    for suspect in looked.suspects.suspects:
        answers[place[suspect.key], names.index(suspect.joint)] = State.VISIBLE
    labels = np.where(people.state >= State.OCCLUDED, np.uint8(State.VISIBLE), 0)
    return replace(people, state=labels), replace(
        people, joints=np.nan_to_num(looked.xy), state=answers.astype(np.uint8)
    )


def _ringed(labelled: People, row: int, suspects: Sequence[Suspect]) -> np.ndarray:
    tile = draw_tile(labelled, row, _SIDE)
    if tile.to_tile is None:
        return tile.picture
    at = geometry.apply(tile.to_tile, np.array([one.at for one in suspects]))
    answer = geometry.apply(tile.to_tile, np.array([one.answer for one in suspects]))
    for colour, width in ((RIM, 3), (_PINK, 1)):
        for start, end in zip(at, answer, strict=True):
            _ring_and_line(tile.picture, start, end, colour, width)
    _number(tile.picture, at, labelled.skeleton.index(*(one.joint for one in suspects)))
    return tile.picture


def _ring_and_line(
    picture: np.ndarray,
    at: np.ndarray,
    answer: np.ndarray,
    colour: tuple[int, int, int],
    width: int,
) -> None:
    """A ring about a label, and from its edge a line that ends in a small dot."""

    def fixed(xy: np.ndarray) -> tuple[int, int]:
        x, y = np.rint(np.clip(xy, -1e4, 1e4) * 16).astype(int).tolist()
        return x, y

    cv2.circle(picture, fixed(at), _RING * 16, colour, width, cv2.LINE_AA, 4)
    away = answer - at
    if (far := float(np.linalg.norm(away))) > _RING:
        start = fixed(at + away * _RING / far)
        cv2.line(picture, start, fixed(answer), colour, width, cv2.LINE_AA, 4)
        cv2.circle(picture, fixed(answer), 16 + 8 * width, colour, -1, cv2.LINE_AA, 4)


def _numbered(answered: People, row: int, suspects: Sequence[Suspect]) -> np.ndarray:
    tile = draw_tile(answered, row, _SIDE)
    if tile.to_tile is not None:
        answer = geometry.apply(tile.to_tile, np.array([one.answer for one in suspects]))
        _number(tile.picture, answer, answered.skeleton.index(*(one.joint for one in suspects)))
    return tile.picture


def _number(picture: np.ndarray, xy: np.ndarray, joints: Sequence[int]) -> None:
    """The joints' numbers in the legend beside those of the points (K, 2) px that lie in the picture."""
    inside = np.flatnonzero(((xy >= 0) & (xy < _SIDE)).all(1)).tolist()
    write_beside(picture, xy[inside], [str(joints[i] + 1) for i in inside], _RING, _LETTERS)


def _write(
    beside: np.ndarray, photograph: str, names: Sequence[str], suspects: Sequence[Suspect]
) -> None:
    """The photograph's name and a line for each suspect, as many as there is room for."""
    lines = [photograph.rpartition("/")[2]]
    for name, one in zip(names, suspects, strict=True):
        lines.append(f"{name} {one.error:.2f}{' other side' if one.mirrored else ''}")
    most = len(beside) // _LINE - 1
    if len(lines) > most:
        lines[most - 1 :] = [f"and {len(lines) - most + 1} more"]
    for number, line in enumerate(lines):
        write_words(beside, (0, (number + 0.8) * _LINE), line, _LETTERS)

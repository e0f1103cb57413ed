"""What `predict` is told, looked over before a net runs: what is meant, and what cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.box_files import read_boxes
from vitruvian.data.photos import SUFFIXES
from vitruvian.types import UserError
from vitruvian.use.capture import is_capture
from vitruvian.use.detect import FACE, LEAST_SCORE, NOBODY, taken_by_auto
from vitruvian.use.files import Passed, list_photos
from vitruvian.use.look import BATCH
from vitruvian.use.reading import named_boxes
from vitruvian.use.video import VIDEO_SUFFIXES, Video, is_video

_IN_WORDS = {
    FACE: "takes faces: the weights of no detector are here",
    NOBODY: "finds no detector here: a photograph without a box is one person's",
}


@dataclass(frozen=True)
class Request:
    """What `vitruvian predict` is told."""

    model: str
    photos: tuple[Path | str, ...]  # files, folders, patterns, videos, cameras, streams
    out: Path
    box: str | None = None
    boxes: Path | None = None
    passes: int | None = None
    flip: bool = False
    device: str = "auto"
    quiet: bool = False
    overlays: bool = True
    heatmaps: bool = False
    detector: str | None = None
    detector_score: float = LEAST_SCORE
    detect_every: int = 10  # frames
    smooth: bool = False
    every: int = 1
    frames: int | None = None  # of a camera, at most
    formats: tuple[str, ...] = ("json",)
    again: bool = False
    batch: int = BATCH


@dataclass(frozen=True)
class Given:
    """What is known before anything runs."""

    detector: str | None  # as it was given, or what "auto" is here
    boxes: Mapping[str, Any] | None
    pictures: int | None  # photographs and frames; None: nobody knows
    lines: tuple[str, ...]  # to say
    skipped: int = 0  # folders


def look_over(request: Request, leave_out: Iterable[Path] = ()) -> Given:
    """Reads the boxes and goes through the inputs, once; opens no photograph.

    A quiet request's are gone through only as far as boxes are looked for, and not counted.

    Args:
        leave_out: folders that no photograph is taken from.

    Raises:
        UserError: an input does not exist, a box is none, or the boxes are of none of the inputs and
            nothing else looks.
    """
    detector = taken_by_auto() if request.detector == "auto" else request.detector
    boxes = _boxes(request)
    named = request.boxes is None or detector not in (None, FACE, NOBODY)
    passed = Passed()
    first, pictures = None, None if request.quiet else 0
    for name in list_inputs(request, leave_out, passed):
        first = first or name
        named = named or named_boxes(Path(name), boxes or {}, else_none=True) is not None
        if named and request.quiet:
            break
        if pictures is not None:
            count = _pictures(name, request)
            pictures = None if count is None else pictures + count
    if not named:
        but = f", but {next(iter(boxes))}" if boxes else ""
        raise UserError(
            f"{request.boxes} names nothing that was given, as {first}{but}: give the file of its boxes"
        )
    lines = []
    if request.detector == "auto":
        lines.append(f"--detector auto {_IN_WORDS.get(str(detector), f'takes {detector}')}")
    if passed.heic:
        lines.append(f"passed over {passed.heic} of HEIC, which is not read: convert them to JPEG")
    if passed.drawn:
        folders = "1 folder" if passed.drawn == 1 else f"{passed.drawn} folders"
        lines.append(f"passed over {folders} of pictures that predict drew")
    lines += [f"skipped: {why}" for why in passed.skipped]
    return Given(detector, boxes, pictures, tuple(lines), len(passed.skipped))


def list_inputs(
    request: Request, leave_out: Iterable[Path] = (), passed: Passed | None = None
) -> Iterator[str]:
    """Names in order, of photographs each `every`-th; what does not exist is said at once.

    Args:
        leave_out, passed: as of `files.list_photos`.

    Raises:
        UserError: an input does not exist or fits nothing, or none has photographs.
    """
    if request.every < 1:
        raise UserError(f"every {request.every}th picture: give 1 or more")
    out, known = tuple(leave_out), SUFFIXES | VIDEO_SUFFIXES
    parts: list[Iterator[str]] = [
        iter((given,)) if is_capture(given) else map(str, list_photos([given], out, known, passed))
        for given in map(str, request.photos)
    ]
    names = chain.from_iterable(parts)
    first = list(islice(names, 1))
    if not first and passed is not None and passed.skipped:
        more = len(passed.skipped) - 1
        raise UserError(passed.skipped[0] + (f"; and {more} more likewise" if more else ""))
    return _thinned(chain(first, names), request.every)


def _thinned(names: Iterator[str], every: int) -> Iterator[str]:
    number = 0
    for name in names:
        moving = is_capture(name) or is_video(name)
        if moving or number % every == 0:
            yield name
        number += not moving


def _pictures(name: str, request: Request) -> int | None:
    """How many an input has; None: nobody knows."""
    if is_capture(name):
        return request.frames
    if not is_video(name):
        return 1
    try:
        with Video(name) as video:
            return -(-video.count // request.every) or None
    except UserError:
        return 0


class _Everywhere(Mapping[str, np.ndarray]):
    """The same boxes for every photograph."""

    def __init__(self, boxes: np.ndarray) -> None:
        self.boxes = boxes

    def __getitem__(self, name: str) -> np.ndarray:
        return self.boxes

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, name: object) -> bool:
        return True


def _boxes(request: Request) -> Mapping[str, Any] | None:
    if request.box is not None and request.boxes is not None:
        raise UserError("give --box or --boxes, not both")
    if request.box is not None:
        return _Everywhere(_parse_box(request.box))
    return None if request.boxes is None else read_boxes(request.boxes, request.detector_score)


def _parse_box(text: str) -> np.ndarray:
    """ "x,y,width,height" in px -> (1, 4).

    Raises:
        UserError: it is not four numbers, or no box.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise UserError(f"--box {text}: write four numbers, x,y,width,height")
    with np.errstate(over="ignore"):
        box = np.array([values], np.float32)
    if not np.isfinite(box).all() or box[0, 2:].min() <= 0:
        raise UserError(f"--box {text}: give x, y, width, height in px, the last two above 0")
    return box

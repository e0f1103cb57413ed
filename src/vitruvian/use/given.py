"""What `predict` is given, looked over before a net runs: what is meant, and what cannot be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from vitruvian.data.photos import SUFFIXES
from vitruvian.types import UserError
from vitruvian.use.capture import is_capture
from vitruvian.use.detect import FACE, NOBODY, taken_by_auto
from vitruvian.use.files import list_photos, passed_over, read_boxes
from vitruvian.use.reading import named_boxes
from vitruvian.use.video import VIDEO_SUFFIXES

_IN_WORDS = {
    FACE: "takes faces: the weights of no detector are here",
    NOBODY: "finds no detector here: a photograph without a box is one person's",
}


@dataclass(frozen=True)
class Given:
    """What is known before anything runs."""

    detector: str | None  # as it was given, or what "auto" is here
    lines: tuple[str, ...]  # to say


def look_over(
    inputs: Sequence[str],
    boxes: Path | None,
    detector: str | None,
    leave_out: Collection[Path] = (),
) -> Given:
    """What to say of inputs, a file of boxes and a detector.

    Args:
        inputs: photographs, videos, folders, patterns, cameras and streams.
        leave_out: folders that no photograph is taken from.

    Raises:
        UserError: an input does not exist, or the boxes are of none of them and nothing else looks.
    """
    lines = []
    taken = taken_by_auto() if detector == "auto" else detector
    files = [name for name in inputs if not is_capture(name)]
    photos = list_photos(files, leave_out, SUFFIXES | VIDEO_SUFFIXES)
    if boxes is not None and taken in (None, FACE, NOBODY):
        moving = (Path(name) for name in inputs if is_capture(name))
        _check_named(chain(photos, moving), read_boxes(boxes), boxes)
    if detector == "auto":
        lines.append(f"--detector auto {_IN_WORDS.get(str(taken), f'takes {taken}')}")
    if count := passed_over(files):
        lines.append(f"passed over {count} of HEIC, which is not read: convert them to JPEG")
    return Given(taken, tuple(lines))


def _check_named(paths: Iterable[Path], boxes: Mapping[str, Any], file: Path) -> None:
    """That boxes are of one of the inputs at least."""
    first = None
    for path in paths:
        if named_boxes(path, boxes, else_none=True) is not None:
            return
        first = first or path
    but = f", but {next(iter(boxes))}" if boxes else ""
    raise UserError(
        f"{file} names nothing that was given, as {first}{but}: give the file of its boxes"
    )

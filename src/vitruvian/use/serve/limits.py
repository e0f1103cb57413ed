"""What is refused before a photograph is decoded: the header says how much memory it would take."""

from __future__ import annotations

import io
import json
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.data.photos import size_in
from vitruvian.types import UserError
from vitruvian.use.reading import check_on_photo, checked_boxes
from vitruvian.use.serve.settings import RefusedError

_STARTS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
_MOST_SCANS = 50  # of a JPEG; each costs the time of a whole picture, and cameras write ten
# bytes that the decoders hold for each pixel while they work
_WORKING = {"JPEG": 6, "PNG": 11, "WEBP": 11}


@dataclass(frozen=True)
class Header:
    """What the first bytes of a photograph say."""

    kind: str  # JPEG, PNG or WEBP
    height: int  # px, when the EXIF orientation is honoured
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.height, self.width

    def working(self, factor: int) -> int:
        """Bytes that it takes to decode the photograph `factor` times smaller."""
        pixels = self.height * self.width
        return _WORKING[self.kind] * pixels + 3 * pixels // factor**2


def read_header(data: bytes, name: str, pixels: int) -> Header:
    """The header of a photograph that may be decoded.

    Args:
        data: a whole file, JPEG, PNG or WebP.
        name: what an error calls it.
        pixels: most that it may have.

    Raises:
        RefusedError: it is none of these, is damaged, or has too many pixels or scans.
    """
    kind = next((kind for start, kind in _STARTS.items() if data.startswith(start)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "WEBP"
    if kind is None:
        what = "is no JPEG, PNG or WebP: send one of these"
        empty = "is empty: send the bytes of a JPEG, PNG or WebP"
        raise RefusedError(422, f"{name} {what if data else empty}")
    try:
        height, width = size_in(io.BytesIO(data), name)
    except UserError as error:
        raise RefusedError(422, str(error)) from None
    if height * width == 0:
        raise RefusedError(422, f"{name} is damaged: its height or width is 0")
    if height * width > pixels:
        mega = f"{height * width / 1e6:.4g} megapixels, more than {pixels / 1e6:.4g}"
        raise RefusedError(413, f"{name} has {mega}: send it smaller")
    if kind == "JPEG" and data.count(b"\xff\xda") > _MOST_SCANS:
        raise RefusedError(422, f"{name} has more than {_MOST_SCANS} scans: save it anew")
    return Header(kind, height, width)


def parse_boxes(text: str, what: str = "boxes") -> Any:
    """JSON of boxes; what they are is checked later.

    Raises:
        RefusedError: it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedError(
            422, f"{what} is no JSON: send rows of four numbers, [[x, y, width, height], ...]"
        ) from None


def boxes_in(boxes: Any, size: tuple[int, int], most: int) -> np.ndarray:
    """Boxes (N, 4) as in COCO -> boxes (N, 4) as in `types`, all of them on the photograph.

    Args:
        boxes: rows of four numbers.
        size: height, width in px of the photograph.
        most: rows.

    Raises:
        RefusedError: no boxes, too many, or one that lies outside.
    """
    count_boxes(boxes, most)
    try:
        checked = checked_boxes(boxes, scores=False)
        check_on_photo(checked, size)
    except UserError as error:
        raise RefusedError(422, str(error)) from None
    return checked


def count_boxes(boxes: Any, most: int) -> int:
    """How many persons boxes stand for; None is one, the whole photograph's.

    Raises:
        RefusedError: more than `most`.
    """
    count = 1 if boxes is None else len(boxes) if isinstance(boxes, list) else 1
    if count > most:
        raise RefusedError(
            413, f"{count} boxes are more than {most}: send them in several requests"
        )
    return count


class Memory:
    """A number of bytes that threads share; who needs more than is left waits, the first first.

    One that needs more than there ever is comes alone.
    """

    def __init__(self, most: int):
        self._most, self._held = most, 0
        self._changed, self._turn = threading.Condition(), threading.Lock()

    @property
    def held(self) -> int:
        """Bytes that are taken now."""
        return self._held

    def take(self, nbytes: int) -> None:
        """Waits for bytes."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + nbytes <= self._most)
            self._held += nbytes

    def give(self, nbytes: int) -> None:
        """Gives bytes back."""
        with self._changed:
            self._held -= nbytes
            self._changed.notify_all()

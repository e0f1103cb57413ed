"""Frames of a camera or a network stream, through OpenCV."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Self
from urllib.parse import urlsplit

import cv2

from vitruvian.data.photos import SUFFIXES
from vitruvian.types import UserError
from vitruvian.use.video import Frame

CAMERA, STREAM = "camera:", "stream:"
WEB = ("http://", "https://")
STREAMS = ("rtsp://", "rtmp://", "udp://", *WEB)
TIME_BASE = Fraction(1, 90_000)
_USUAL_RATE = 30


def is_capture(name: str) -> bool:
    """Whether an input is "camera:0" or the address of a stream.

    That of a photograph is none, but for "stream:" before it: cameras have such addresses, too.
    """
    if name.startswith(WEB) and os.path.splitext(urlsplit(name).path)[1].lower() in SUFFIXES:
        return False
    return name.startswith((CAMERA, STREAM, *STREAMS))


class Capture:
    """A camera, "camera:" and its number, or the address of a stream; a context that lets it go.

    Args:
        name: "camera:0", "rtsp://...", "stream:http://.../video.jpg".
        opener: what opens a number or an address, as cv2.VideoCapture does.
        clock: seconds; frames have the time of their arrival.

    Raises:
        UserError: it cannot be opened.
    """

    def __init__(
        self,
        name: str,
        opener: Callable[[int | str], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.name, self._clock = name, clock
        source: int | str = name.removeprefix(STREAM)
        if name.startswith(CAMERA):
            number = name.removeprefix(CAMERA)
            if not number.isdecimal():
                raise UserError(f"{name} is no camera: number it from 0, as in camera:0")
            source = int(number)
        self._capture = (opener or cv2.VideoCapture)(source)
        if not self._capture.isOpened():
            self._capture.release()
            photo = "; download a photograph first" if name.startswith(WEB) else ""
            raise UserError(
                f"{name} cannot be opened: check that it is connected and not in use{photo}"
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # late pictures are worth less than new ones
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = (
            Fraction(round(rate * 1000), 1000) if 1 <= rate <= 1000 else Fraction(_USUAL_RATE)
        )
        self.count = 0  # nobody knows

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Every `every`-th frame, numbered from 0, RGB.

        Raises:
            UserError: it gives no more pictures.
        """
        number, started = 0, None
        while True:
            try:
                there, pixels = self._capture.read()
            except cv2.error:
                there, pixels = False, None
            if not there or pixels is None or not pixels.size:
                raise UserError(
                    f"{self.name} gave no picture after {number} frames: connect it again"
                )
            now = self._clock()
            started = now if started is None else started
            if number % every == 0:
                pts = round((now - started) / TIME_BASE)
                yield Frame(number, pts, TIME_BASE, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            number += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

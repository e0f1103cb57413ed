"""Video files -> upright frames with their times, and frames -> a video file; PyAV, extra [video]."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from vitruvian.types import UserError

VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".webm", ".wmv"}
)

_TURNS = {  # FFmpeg's angle is counter-clockwise
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_CLOCKWISE,
}
_USUAL_RATE = Fraction(25)
_CLOCK = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
_WHOLE = 0.95  # of the frames that a file announces; some announce a few too many


@dataclass(frozen=True)
class Frame:
    """One picture of a video, as it is to be shown."""

    number: int  # of the video's frames, from 0
    pts: int  # when it is shown, in `time_base`
    time_base: Fraction  # s
    pixels: np.ndarray  # RGB (H, W, 3) uint8, upright

    @property
    def seconds(self) -> float:
        """When it is shown."""
        return float(self.pts * self.time_base)


def is_video(name: str | Path) -> bool:
    """Whether a file is named as a video."""
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


class Video:
    """A video file; a context that closes it.

    `rate` is its mean number of frames a second, `count` how many it announces, or about how many its
    length makes (0: it says neither).

    Raises:
        UserError: PyAV is absent, or there is no such file, or it is no video.
    """

    def __init__(self, path: Path | str):
        av = _av()
        self.name = str(path)
        try:
            self._file = av.open(self.name)
        except FileNotFoundError:
            raise UserError(f"{path} does not exist: check the name") from None
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UserError(
                f"{path} is no video that can be read ({type(error).__name__}): copy it again"
            ) from None
        if not self._file.streams.video:
            self._file.close()
            raise UserError(f"{path} has no pictures: give a video, not sound alone")
        self._stream = self._file.streams.video[0]
        self._stream.thread_type = "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate or _USUAL_RATE
        self.rate = Fraction(rate)
        self._announced = int(self._stream.frames or 0)
        self._length = 0.0 if self._announced else _length(self._file, self._stream)
        self.count = self._announced or round(self._length * self.rate)

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Every `every`-th frame, turned upright as the file says, in memory that does not grow.

        Raises:
            UserError: there is no frame, or the file breaks off; after the frames that there are.
        """
        av = _av()
        number, last, gap, base = 0, None, 0, self._stream.time_base
        base = Fraction(base) if base else 1 / self.rate
        try:
            for frame in self._file.decode(self._stream):
                pts = frame.pts
                if pts is None:  # some files have no times
                    pts = round(number / self.rate / base)
                gap = 0 if last is None else max(gap, pts - last)
                last = pts if last is None else max(pts, last + 1)
                if number % every == 0:
                    yield Frame(number, last, base, _upright(frame))
                number += 1
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._broken(number, type(error).__name__) from None
        if number < _WHOLE * self._announced or not number:
            raise self._broken(number, f"of {self._announced}" if self._announced else "no more")
        # two gaps: the last picture of a slide show may stand as long as those before
        end = float(((last or 0) + 2 * gap) * base)
        if end < _WHOLE * self._length:
            raise self._broken(number, f"{end:.1f} of {self._length:.1f} s")

    def _broken(self, number: int, why: str) -> UserError:
        if not number:
            return UserError(f"{self.name} has no frame that can be read: copy it again")
        return UserError(f"{self.name} breaks off after {number} frames ({why}): copy it again")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class VideoWriter:
    """An MP4 (H.264 where PyAV has it) that is in its place when closed, and not before.

    Frames keep their times to the tick. Odd sizes get a row or column more, a copy of the last: the
    format has even ones only.

    Args:
        path: ends in .mp4.
        rate: frames a second, about.
        time_base: s, what `write` counts in.

    Raises:
        UserError: PyAV is absent, or the file cannot be written.
    """

    def __init__(self, path: Path | str, rate: Fraction | int, time_base: Fraction):
        self.path = Path(path)
        self._beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._rate, self._base, self._last = Fraction(rate), time_base, -(2**62)
        self._av = _av()
        try:
            self._beside.touch()  # PyAV opens it with the first frame alone
            self._file = self._av.open(str(self._beside), "w", format="mp4")
        except (self._av.FFmpegError, OSError) as error:
            raise self._no(error) from None
        self._stream: Any = None

    def write(self, pixels: np.ndarray, pts: int) -> None:
        """Appends RGB (H, W, 3) uint8; all get the size of the first."""
        H, W = pixels.shape[:2]
        if self._stream is None:
            self._open(H + H % 2, W + W % 2)
        height, width = self._stream.height, self._stream.width
        if (height, width) != (H, W):
            if height != H + H % 2 or width != W + W % 2:
                pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
            else:
                pixels = np.pad(pixels, ((0, H % 2), (0, W % 2), (0, 0)), "edge")
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        self._last = max(pts, self._last + 1)
        frame.pts, frame.time_base = self._last, self._base
        try:
            self._file.mux(self._stream.encode(frame))
        except (self._av.FFmpegError, OSError) as error:
            raise self._no(error) from None

    def close(self) -> None:
        """Puts the file in its place; a video without frames is not written."""
        if self._stream is None:
            self.discard()
            return
        try:
            self._file.mux(self._stream.encode(None))
            self._file.close()
            os.replace(self._beside, self.path)
        except (self._av.FFmpegError, OSError) as error:
            self._beside.unlink(missing_ok=True)
            raise self._no(error) from None

    def discard(self) -> None:
        """Leaves what was in its place."""
        self._file.close()
        self._beside.unlink(missing_ok=True)

    def _open(self, height: int, width: int) -> None:
        good = "libx264" in self._av.codecs_available
        stream = self._file.add_stream("libx264" if good else "mpeg4", rate=self._rate)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.time_base = self._base
        if good:
            stream.options = {"crf": "20", "preset": "veryfast"}
        else:
            stream.bit_rate = 8 * height * width
        self._stream = stream

    def _no(self, error: Exception) -> UserError:
        return UserError(
            f"{self.path} cannot be written ({type(error).__name__}): check the folder"
        )


def _length(file: Any, stream: Any) -> float:
    """Seconds that the head of a Matroska or WebM file says, which counts no frames; 0: it says none."""
    if "matroska" not in file.format.name:
        return 0.0
    said = _CLOCK.fullmatch(stream.metadata.get("DURATION", ""))
    if said is not None:
        return 3600 * float(said[1]) + 60 * float(said[2]) + float(said[3])
    alone = len(file.streams) == 1  # sound may last longer
    return float(file.duration or 0) / 1e6 if alone else 0.0


def _upright(frame: Any) -> np.ndarray:
    pixels: np.ndarray = frame.to_ndarray(format="rgb24")
    turn = _TURNS.get(round(frame.rotation) % 360)
    return pixels if turn is None else cv2.rotate(pixels, turn)


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise UserError(
            "videos are read by PyAV: install vitruvian with its extra [video]"
        ) from None
    return av

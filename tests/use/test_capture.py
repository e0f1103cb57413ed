"""A camera that is a stand-in with the interface of cv2.VideoCapture."""

from __future__ import annotations

from itertools import count
from typing import Any

import cv2
import numpy as np
import pytest

from vitruvian.types import UserError
from vitruvian.use.capture import Capture, is_capture
from vitruvian.use.video import Frame


class Camera:
    """Gives so many blue pictures, then none, as a camera whose cable is pulled."""

    def __init__(self, source: int | str, pictures: int, rate: float = 15.0):
        self.source, self.left, self.rate = source, pictures, rate
        self.released = False
        self.asked: dict[int, float] = {}

    def isOpened(self) -> bool:  # noqa: N802
        return self.left >= 0

    def set(self, what: int, value: float) -> bool:
        self.asked[what] = value
        return True

    def get(self, what: int) -> float:
        return self.rate if what == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, Any]:
        if self.left == 0:
            return False, None
        self.left -= 1
        return True, np.full((6, 8, 3), (255, 0, 10), np.uint8)

    def release(self) -> None:
        self.released = True


def opener(pictures: int, made: list[Camera], rate: float = 15.0) -> Any:
    def opened(source: int | str) -> Camera:
        made.append(Camera(source, pictures, rate))
        return made[-1]

    return opened


def test_frames_have_the_times_of_their_arrival() -> None:
    made: list[Camera] = []
    ticks = count(100.0, 0.5)
    frames: list[Frame] = []
    with Capture("camera:2", opener(5, made), lambda: next(ticks)) as capture:
        assert capture.rate == 15
        with pytest.raises(UserError, match="gave no picture after 5 frames") as caught:
            frames.extend(capture.frames(2))
    assert "camera:2" in str(caught.value)
    assert [frame.number for frame in frames] == [0, 2, 4]
    assert [frame.seconds for frame in frames] == [0, 1, 2]
    assert frames[0].pixels[0, 0].tolist() == [10, 0, 255]
    assert made[0].source == 2
    assert made[0].asked == {cv2.CAP_PROP_BUFFERSIZE: 1}
    assert made[0].released


def test_streams_go_by_their_address() -> None:
    made: list[Camera] = []
    for name in ("rtsp://there/one", "stream:http://there/video.jpg", "stream:rtsp://there/one"):
        Capture(name, opener(1, made))
        assert made[-1].source == name.removeprefix("stream:")


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e9, float("nan")])
def test_a_rate_that_is_none(rate: float) -> None:
    assert Capture("camera:0", opener(1, [], rate)).rate == 30


def test_cameras_that_cannot_be_opened() -> None:
    made: list[Camera] = []
    with pytest.raises(UserError, match="cannot be opened"):
        Capture("camera:0", opener(-1, made))
    assert made[0].released
    with pytest.raises(UserError, match="camera:front is no camera"):
        Capture("camera:front", opener(1, made))


def test_names() -> None:
    assert is_capture("camera:0")
    assert is_capture("rtsp://x")
    assert is_capture("http://x/live")
    assert not is_capture("cameras/a.jpg")
    assert not is_capture("https://x/a.JPG?size=9")
    assert is_capture("stream:https://x/a.JPG?size=9")

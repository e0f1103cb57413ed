"""Persons followed through frames in which three bright squares are a person."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from dots import MODEL, dots
from vitruvian.types import UserError
from vitruvian.use.detect import Found
from vitruvian.use.moving import Watching, watch
from vitruvian.use.smooth import OneEuro
from vitruvian.use.video import Frame


def place(x: float, y: float) -> np.ndarray:
    """The joints of a person who stands at x, y."""
    return np.array([[x, y], [x + 20, y + 10], [x + 4, y + 40]])


def frames(*persons: Sequence[tuple[float, float]], rate: int = 10) -> list[Frame]:
    """A video of 160 x 300 px with these persons, each by its places."""
    made = []
    for number, at in enumerate(zip(*persons, strict=True)):
        pixels = np.zeros((160, 300, 3), np.uint8)
        for x, y in at:
            pixels |= dots((160, 300), *place(x, y).tolist())
        made.append(Frame(number, number, Fraction(1, rate), pixels))
    return made


class Seer:
    """A detector that knows where persons stand, in an order of its own in each frame."""

    name = "seer"

    def __init__(self, *persons: Sequence[tuple[float, float]]):
        self.persons, self.calls = persons, 0
        self.frame = 0

    def __call__(self, images: Sequence[np.ndarray]) -> list[Found]:
        self.calls += 1
        at = [one[self.frame] for one in self.persons]
        if self.calls % 2 == 0:
            at.reverse()
        boxes = np.array([[x - 6, y - 6, 32, 52] for x, y in at], np.float32).reshape(-1, 4)
        return [(boxes, np.ones(len(boxes), np.float32))]

    def seeing(self, of: list[Frame]) -> list[Frame]:
        """The frames, each noted when it is taken."""

        def taken():
            for number, frame in enumerate(of):
                self.frame = number
                yield frame

        return taken()  # type: ignore[return-value]


LEFT = [(30 + 4 * n, 40 + n) for n in range(12)]
RIGHT = [(240 - 4 * n, 60.0) for n in range(12)]


def test_one_person_without_a_detector() -> None:
    found = list(watch(MODEL, frames(LEFT), name="a.mp4"))
    assert [poses.source for _, poses in found] == [("image+pass2",)] + [("track",)] * 11
    assert {poses.identity for _, poses in found} == {(1,)}
    for (x, y), (frame, poses) in zip(LEFT, found, strict=True):
        assert np.abs(poses.xy[0] - place(x, y)).max() < 0.5
        assert (poses.frame, poses.name) == (frame.number, "a.mp4")
        assert poses.seconds == pytest.approx(0.1 * frame.number)


def test_persons_keep_their_identity_from_detection_to_detection() -> None:
    seer = Seer(LEFT, RIGHT)
    watching = Watching(detect_every=4)
    found = [p for _, p in watch(MODEL, seer.seeing(frames(LEFT, RIGHT)), None, seer, watching)]
    assert seer.calls == 3
    detected = [n for n, poses in enumerate(found) if poses.source == ("detector:seer",) * 2]
    assert detected == [0, 4, 8]
    assert all(p.source == ("track",) * 2 for n, p in enumerate(found) if n % 4)
    assert found[4].identity == (2, 1)  # the detector's order has changed
    for n, poses in enumerate(found):
        assert poses.identity is not None
        by = dict(zip(poses.identity, poses.xy, strict=True))
        assert np.abs(by[1] - place(*LEFT[n])).max() < 0.6
        assert np.abs(by[2] - place(*RIGHT[n])).max() < 0.6


def test_nobody_in_sight_asks_the_detector_again() -> None:
    seer = Seer()
    found = list(watch(MODEL, frames(LEFT)[:5], None, seer, Watching(detect_every=100)))
    assert seer.calls == 5
    assert [len(poses) for _, poses in found] == [0] * 5


def test_the_lost_are_looked_for_in_the_whole_frame() -> None:
    some = frames(LEFT)
    dark = Frame(5, 5, Fraction(1, 10), np.zeros((160, 300, 3), np.uint8))
    found = [p.source[0] for _, p in watch(MODEL, [*some[:5], dark, *some[6:]])]
    assert found[4:8] == ["track", "track", "image+pass2", "track"]


def test_boxes_that_are_given_are_looked_at_in_every_frame() -> None:
    boxes = np.array([[20, 30, 100, 70], [200, 0, 50, 50]])
    found = [p for _, p in watch(MODEL, frames(LEFT)[:4], boxes, Seer())]
    assert all(p.source == ("user", "user") for p in found)
    assert all(np.allclose(p.box, boxes - [0.5, 0.5, 0, 0]) for p in found)
    with pytest.raises(UserError, match="box 1"):
        list(watch(MODEL, frames(LEFT)[:1], np.zeros((1, 4))))


def test_smoothed_poses_lag_a_little_and_jitter_less() -> None:
    rng = np.random.default_rng(1)
    shaky = [(100 + rng.integers(-3, 4), 60 + rng.integers(-3, 4)) for _ in range(30)]
    plain, steady = (
        np.array([p.xy[0, 0] for _, p in watch(MODEL, frames(shaky, rate=30), watching=how)])
        for how in (Watching(), Watching(smooth=OneEuro()))
    )
    assert np.std(np.diff(steady[5:, 0])) < 0.5 * np.std(np.diff(plain[5:, 0]))
    assert np.abs(steady - [100, 60]).max() < 4


def test_no_frames_between() -> None:
    with pytest.raises(UserError, match="every 0 frames"):
        next(watch(MODEL, frames(LEFT), watching=Watching(detect_every=0)))

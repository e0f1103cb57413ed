"""Videos made here: times, turns, sizes, and what is broken."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitruvian.types import UserError
from vitruvian.use.video import Video, VideoWriter, is_video

av: Any = pytest.importorskip("av")


def marked(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Grey by its number, with a red top left corner."""
    pixels = np.full((height, width, 3), 10 * number, np.uint8)
    pixels[:12, :12] = (250, 0, 0)
    return pixels


def write(path: Path, times: list[int], size: tuple[int, int] = (48, 64)) -> Path:
    writer = VideoWriter(path, 10, Fraction(1, 600))
    for number, pts in enumerate(times):
        writer.write(marked(number, *size), pts)
    writer.close()
    return path


def turned(path: Path, degrees: int) -> Path:
    """A file whose frames are to be turned so many degrees, counter-clockwise, to be upright."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(degrees)
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(marked(number), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def test_times_are_kept(tmp_path: Path) -> None:
    """A variable frame rate, exactly."""
    times = [0, 20, 40, 100, 130, 600]
    with Video(write(tmp_path / "a.mp4", times)) as video:
        assert video.count == 6
        frames = list(video.frames())
    assert [frame.number for frame in frames] == [0, 1, 2, 3, 4, 5]
    assert [frame.pts * frame.time_base * 600 for frame in frames] == times
    assert frames[3].seconds == pytest.approx(1 / 6)
    for number, frame in enumerate(frames):
        assert abs(int(frame.pixels[40, 40, 1]) - 10 * number) < 6
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_every_third_frame(tmp_path: Path) -> None:
    with Video(write(tmp_path / "a.mp4", [60 * n for n in range(8)])) as video:
        found = [(frame.number, round(10 * frame.seconds)) for frame in video.frames(3)]
    assert found == [(0, 0), (3, 3), (6, 6)]


@pytest.mark.parametrize(
    ("degrees", "shape", "corner"),
    [(0, (48, 64), (4, 4)), (90, (64, 48), (-4, 4)), (-90, (64, 48), (4, -4)),
     (180, (48, 64), (-4, -4))],
)  # fmt: skip
def test_frames_are_turned_upright(
    tmp_path: Path, degrees: int, shape: tuple[int, int], corner: tuple[int, int]
) -> None:
    with Video(turned(tmp_path / "a.mp4", degrees)) as video:
        pixels = next(video.frames()).pixels
    assert pixels.shape[:2] == shape
    assert pixels[corner][0] > 200
    assert sum(pixels[y, x, 0] > 128 for y in (4, -4) for x in (4, -4)) == 1


def test_odd_sizes_get_even_and_keep_their_places(tmp_path: Path) -> None:
    with Video(write(tmp_path / "a.mp4", [0, 60], (47, 61))) as video:
        pixels = next(video.frames()).pixels
    assert pixels.shape == (48, 62, 3)
    assert pixels[4, 4, 0] > 200


def test_frames_of_another_size_get_the_first_ones(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", 10, Fraction(1, 10))
    writer.write(marked(0), 0)
    writer.write(marked(1, 96, 128), 1)
    writer.close()
    with Video(tmp_path / "a.mp4") as video:
        assert [frame.pixels.shape for frame in video.frames()] == [(48, 64, 3)] * 2


def test_a_video_is_there_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("old")
    writer = VideoWriter(tmp_path / "a.mp4", 10, Fraction(1, 10))
    writer.write(marked(0), 0)
    assert (tmp_path / "a.mp4").read_text() == "old"
    writer.discard()
    VideoWriter(tmp_path / "a.mp4", 10, Fraction(1, 10)).close()  # no frames: no video
    assert (tmp_path / "a.mp4").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    with pytest.raises(UserError, match="cannot be written"):
        VideoWriter(tmp_path / "no" / "a.mp4", 10, Fraction(1, 10))


def test_files_that_are_no_videos(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("not a video")
    for name, words in (
        ("none.mp4", "does not exist"), ("empty.mp4", "is no video"), ("text.mp4", "is no video")
    ):  # fmt: skip
        with pytest.raises(UserError, match=words) as caught:
            Video(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_with_sound_alone(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        file.mux(stream.encode(sound))
        file.mux(stream.encode(None))
    with pytest.raises(UserError, match="has no pictures"):
        Video(tmp_path / "a.mp4")


def test_a_video_without_frames(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        file.start_encoding()
    with Video(tmp_path / "a.avi") as video, pytest.raises(UserError, match="no frame"):
        list(video.frames())


def test_a_video_that_breaks_off_gives_what_there_is(tmp_path: Path) -> None:
    """The index stands in front, so that the file opens, and half of the pictures are gone."""
    path = tmp_path / "a.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(40):
            noise = rng.integers(0, 255, (48, 64, 3), np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        file.mux(stream.encode(None))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    frames: list[int] = []
    with Video(path) as video, pytest.raises(UserError, match="breaks off after") as caught:
        frames.extend(frame.number for frame in video.frames())
    assert 5 < len(frames) < 38
    assert f"after {len(frames)} frames" in str(caught.value)


def matroska(path: Path, times: list[int], cut: float = 1.0) -> Path:
    """A file that counts no frames, shown at `times` (1/10 s), of which the first part is left."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for pts in times:
            noise = rng.integers(0, 255, (48, 64, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * cut)])
    return path


def test_a_file_that_counts_no_frames_breaks_off_by_its_length(tmp_path: Path) -> None:
    with Video(matroska(tmp_path / "whole.mkv", list(range(40)))) as video:
        assert (video.count, len(list(video.frames()))) == (40, 40)
    with Video(matroska(tmp_path / "slides.mkv", [0, 30, 33, 60])) as video:
        assert len(list(video.frames())) == 4
    frames = []
    with (
        Video(matroska(tmp_path / "cut.mkv", list(range(40)), 0.5)) as video,
        pytest.raises(
            UserError, match=r"breaks off after \d+ frames \(.* of 4\.0 s\): copy it again"
        ),
    ):
        frames.extend(frame.number for frame in video.frames())
    assert 5 < len(frames) < 30


def test_names() -> None:
    assert is_video("x/A.MP4")
    assert is_video(Path("b.webm"))
    assert not is_video("c.jpg")


def test_without_pyav(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"extra \[video\]"):
        Video(tmp_path / "a.mp4")

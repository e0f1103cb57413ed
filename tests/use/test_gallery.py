"""Files, folders, patterns, videos and cameras to a folder of results; twice; and what fails."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest

from dots import MODEL, dots, save
from vitruvian.types import UserError
from vitruvian.use import gallery, gallery_run, predict
from vitruvian.use.capture import Capture
from vitruvian.use.gallery import predict_to_folder
from vitruvian.use.given import Request
from vitruvian.use.video import Video, VideoWriter

Rows = list[dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rows]:
    """Predicts with the net that finds the brightest pixels; the rows of poses.json."""
    monkeypatch.setattr(gallery, "load", lambda name, device: MODEL)

    def predicted(*inputs: Path | str, **more: Any) -> Rows:
        predict_to_folder(Request("dots", inputs, tmp_path / "out", **more))
        path = tmp_path / "out" / "poses.json"
        rows: Rows = json.loads(path.read_text()) if path.exists() else []
        return rows

    return predicted


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the photographs that are decoded."""
    names: list[str] = []
    original = predict.read

    def noted(want: Any) -> Any:
        names.append(want.path.name)
        return original(want)

    monkeypatch.setattr(predict, "read", noted)
    return names


def photo(path: Path, x: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(dots((90, 120), (x, 30), (x + 22, 34), (x + 6, 61)), path)


def film(path: Path, count: int = 12) -> Path:
    pytest.importorskip("av")
    writer = VideoWriter(path, 10, Fraction(1, 600))
    for n in range(count):
        x = 20 + 4 * n
        writer.write(dots((96, 160), (x, 30), (x + 22, 34), (x + 6, 61), side=7), 60 * n)
    writer.close()
    return path


def names(rows: Rows) -> list[str]:
    return [Path(row["file_name"]).name for row in rows]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_patterns_folders_and_every_nth(tmp_path: Path, run: Callable[..., Rows]) -> None:
    for name in ("a/1.png", "a/2.png", "a/deep/3.png", "b.jpg"):
        photo(tmp_path / name)
    everywhere = str(tmp_path / "a" / "**" / "*.png")
    assert names(run(everywhere, tmp_path / "b.jpg")) == ["1.png", "2.png", "3.png", "b.jpg"]
    assert names(run(tmp_path / "a", tmp_path / "b.jpg", every=2)) == ["1.png", "3.png"]
    assert names(run(str(tmp_path / "?.jpg"))) == ["b.jpg"]
    with pytest.raises(UserError, match="fits no file"):
        run(str(tmp_path / "*.webp"))


def test_a_name_that_is_not_utf_8(
    tmp_path: Path, run: Callable[..., Rows], read: list[str]
) -> None:
    try:
        path = photo(tmp_path / "in" / os.fsdecode(b"bad\xff.png"))
    except OSError:
        pytest.skip("the file system takes no such name")
    for _ in range(2):
        rows = run(tmp_path / "in", formats=("json", "jsonl", "csv"))
        assert [row["file_name"] for row in rows] == [str(path)]
        assert read == [path.name]  # once
        for end in ("jsonl", "csv"):
            assert r"bad\udcff.png" in (tmp_path / "out" / f"poses.{end}").read_text("utf-8")
    (overlay,) = (tmp_path / "out" / "overlays").iterdir()
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert r"<strong>bad\udcff.png" in page
    (link,) = set(re.findall(r'src="([^"]*)"', page))
    assert os.fsdecode(unquote_to_bytes(link)) == f"overlays/{overlay.name}"


def test_folders_that_give_nothing_are_counted(
    tmp_path: Path, run: Callable[..., Rows], capfd: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "in" / "a.png")
    (tmp_path / "empty").mkdir()
    assert names(run(tmp_path / "empty", tmp_path / "in")) == ["a.png"]
    said = capfd.readouterr().err
    assert said.startswith(f"skipped: {tmp_path / 'empty'} has no photographs (")
    assert "1 photograph, 1 skipped in" in said


def test_a_second_run_skips_what_is_finished(
    tmp_path: Path, run: Callable[..., Rows], read: list[str]
) -> None:
    folder = tmp_path / "in"
    for name in ("1.png", "2.png", "x/2.png"):
        photo(folder / name)
    first = run(folder)
    assert len(read) == 3
    read.clear()
    assert run(folder) == first
    assert read == []
    photo(folder / "0.png")
    photo(folder / "2.png", x=60)
    (tmp_path / "out" / "overlays" / "1.jpg").unlink()
    rows = run(folder)
    assert sorted(read) == ["0.png", "1.png", "2.png"]
    assert names(rows) == ["0.png", "1.png", "2.png", "2.png"]
    assert [row["image_id"] for row in rows] == [1, 2, 3, 4]
    assert rows[2]["keypoints"][0] == pytest.approx(60, abs=1)
    assert rows[3] == first[2] | {"image_id": 4}
    overlays = {path.name for path in (tmp_path / "out" / "overlays").iterdir()}
    assert overlays == {"0.jpg", "1.jpg", "2.jpg", "2-2.jpg"}
    read.clear()
    run(folder, flip=True)
    run(folder, flip=True, again=True)
    assert len(read) == 8


def test_an_interrupted_run_goes_on(
    tmp_path: Path,
    run: Callable[..., Rows],
    read: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for n in range(6):
        photo(tmp_path / "in" / f"{n}.png")
    with monkeypatch.context() as patch:
        original = gallery_run.write_image

        def stopped(path: Path, pixels: np.ndarray) -> None:
            if path.stem == "4":
                raise KeyboardInterrupt
            original(path, pixels)

        patch.setattr(gallery_run, "write_image", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "in", batch=2, quiet=False)
    assert f"stopped after 4 pictures, which are in {tmp_path / 'out'}" in capsys.readouterr().err
    partly = json.loads((tmp_path / "out" / "poses.json").read_text())
    assert names(partly) == ["0.png", "1.png", "2.png", "3.png"]
    read.clear()
    assert names(run(tmp_path / "in", batch=2)) == [f"{n}.png" for n in range(6)]
    assert sorted(read) == ["4.png", "5.png"]


@pytest.mark.parametrize("again", [False, True])
def test_where_all_fail_earlier_outputs_stay(
    tmp_path: Path, run: Callable[..., Rows], again: bool
) -> None:
    formats = ("json", "jsonl", "csv")
    run(photo(tmp_path / "a.png"), formats=formats)
    before = everything(tmp_path / "out")
    assert len(before) == 6
    for name in ("bad.jpg", "bad.mp4"):
        (tmp_path / name).write_text("none")
    with pytest.raises(UserError, match="none of 2 inputs could be read"):
        run(tmp_path / "bad.jpg", tmp_path / "bad.mp4", formats=formats, again=again)
    assert everything(tmp_path / "out") == before


def test_one_file_that_fails_is_one_line(
    tmp_path: Path, run: Callable[..., Rows], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.jpg").write_text("none")
    with pytest.raises(UserError, match=r"bad\.jpg is not a photograph"):
        run(tmp_path / "bad.jpg")
    assert capfd.readouterr().err == ""
    run(tmp_path / "bad.jpg", photo(tmp_path / "a.png"))
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("skipped: ")
    assert lines[1].startswith("1 photograph, 1 skipped in")


def test_a_video_beside_photographs(
    tmp_path: Path, run: Callable[..., Rows], capfd: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "in" / "a.png")
    film(tmp_path / "in" / "m.mp4")
    photo(tmp_path / "in" / "z.png")
    rows = run(tmp_path / "in", every=3, formats=("json", "csv"))
    assert names(rows) == ["a.png"] + ["m.mp4"] * 4
    assert "5 pictures in" in capfd.readouterr().err
    assert [row["frame"] for row in rows[1:]] == [0, 3, 6, 9]
    assert [row["seconds"] for row in rows[1:]] == [0, 0.3, 0.6, 0.9]
    assert {row["track_id"] for row in rows[1:]} == {1}
    assert [row["box_source"] for row in rows[:3]] == ["image+pass2", "image+pass2", "track"]
    assert rows[4]["keypoints"][0] == pytest.approx(20 + 36, abs=1.5)
    with Video(tmp_path / "out" / "overlays" / "m.mp4") as video:
        frames = list(video.frames())
    assert [round(frame.seconds, 6) for frame in frames] == [0, 0.3, 0.6, 0.9]
    assert frames[0].pixels.shape == (96, 160, 3)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<video" in page
    assert "4 frames, 1 person" in page
    assert run(tmp_path / "in", every=3, formats=("json", "csv")) == rows
    assert "5 of them before" in capfd.readouterr().err


def test_without_overlays_a_second_run_counts_frames_too(
    tmp_path: Path, run: Callable[..., Rows], capfd: pytest.CaptureFixture[str]
) -> None:
    film(tmp_path / "m.mp4", 2)
    for words in ("2 pictures in", "2 pictures, 2 of them before in"):
        run(tmp_path / "m.mp4", overlays=False)
        assert capfd.readouterr().err.startswith(words)


def test_boxes_of_a_video_by_its_name(tmp_path: Path, run: Callable[..., Rows]) -> None:
    film(tmp_path / "m.mp4", 3)
    (tmp_path / "b.csv").write_text("m.mp4,0,0,100,90\nm.mp4,10,10,100,80\n")
    rows = run(tmp_path / "m.mp4", boxes=tmp_path / "b.csv", smooth=True)
    assert [row["box_source"] for row in rows] == ["user"] * 6
    assert rows[1]["bbox"] == [10, 10, 100, 80]


def test_a_file_of_boxes_is_parsed_once(
    tmp_path: Path, run: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes, opened = tmp_path / "b.csv", []
    boxes.write_text("a.png,0,0,100,80\n")
    original = Path.read_text

    def noted(path: Path, *how: Any, **more: Any) -> str:
        opened.append(path)
        return original(path, *how, **more)

    monkeypatch.setattr(Path, "read_text", noted)
    (row,) = run(photo(tmp_path / "a.png"), boxes=boxes)
    assert row["box_source"] == "user"
    assert opened.count(boxes) == 1


def test_boxes_of_other_photographs_are_refused_before_a_net_runs(
    tmp_path: Path, run: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "load", lambda name, device: pytest.fail("loaded"))
    (tmp_path / "b.csv").write_text("b.png,0,0,100,80\n")
    with pytest.raises(UserError, match="names nothing that was given"):
        run(photo(tmp_path / "a.png"), boxes=tmp_path / "b.csv")
    assert not (tmp_path / "out").exists()


def test_the_surest_boxes_come_first(tmp_path: Path, run: Callable[..., Rows]) -> None:
    """COCO's detection results, of photograph 3; the last is below `--detector-score`."""
    scores = {10: 0.6, 20: 0.9, 30: 0.3}
    results = [
        {"image_id": 3, "category_id": 1, "bbox": [x, 20, 60, 60], "score": score}
        for x, score in scores.items()
    ]
    (tmp_path / "b.json").write_text(json.dumps(results))
    for least, starts in ((0.5, [20, 10]), (0.7, [20]), (0, [20, 10, 30]), (1, [])):
        found = run(photo(tmp_path / "003.png"), boxes=tmp_path / "b.json", detector_score=least)
        assert [row["bbox"][0] for row in found] == starts


def test_a_video_that_breaks_off_counts_until_there(
    tmp_path: Path, run: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    film(tmp_path / "m.mp4", 6)
    original = Video.frames

    def broken(self: Video, every: int) -> Any:
        for frame in original(self, every):
            if frame.number == 4:
                raise UserError("m.mp4 breaks off")
            yield frame

    with monkeypatch.context() as patch:
        patch.setattr(Video, "frames", broken)
        with pytest.raises(UserError, match="breaks off; what was found until then is in"):
            run(tmp_path / "m.mp4")
    assert len(json.loads((tmp_path / "out" / "poses.json").read_text())) == 4
    assert (tmp_path / "out" / "overlays" / "m.mp4").exists()
    assert len(run(tmp_path / "m.mp4")) == 6  # was not finished


class Camera:
    """In place of cv2.VideoCapture: so many pictures, and then none."""

    pictures = 5

    def __init__(self, source: int | str):
        self.left = self.pictures

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, what: int, value: float) -> None:
        pass

    def get(self, what: int) -> float:
        return 10.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return self.left >= 0, dots((90, 120), (20, 30), (42, 34), (26, 61))[..., ::-1]

    def release(self) -> None:
        pass


def test_a_camera(
    tmp_path: Path, run: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av")
    monkeypatch.setattr(gallery_run, "Capture", lambda name: Capture(name, Camera))
    rows = run("camera:0", frames=3)
    assert [row["frame"] for row in rows] == [0, 1, 2]
    assert rows[0]["file_name"] == "camera:0"
    assert (tmp_path / "out" / "overlays" / "camera-0.mp4").exists()
    rows = run("stream:http://there/video.jpg", frames=1)
    assert rows[0]["file_name"] == "stream:http://there/video.jpg"
    assert (tmp_path / "out" / "overlays" / "video.mp4").exists()
    with pytest.raises(UserError, match="gave no picture after 5 frames") as caught:
        run("camera:0")
    assert "\n" not in str(caught.value)
    assert len(json.loads((tmp_path / "out" / "poses.json").read_text())) == 5


@pytest.mark.parametrize("quiet", [False, True])
def test_what_is_passed_over_is_said_first(
    tmp_path: Path, run: Callable[..., Rows], capfd: pytest.CaptureFixture[str], quiet: bool
) -> None:
    photo(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.heic").touch()
    run(tmp_path / "in", quiet=quiet)
    said = capfd.readouterr().err
    assert said.startswith("" if quiet else "passed over 1 of HEIC, which is not read")
    assert bool(said) is not quiet


def test_a_detector_where_there_are_no_boxes(
    tmp_path: Path, run: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    def two(images: list[np.ndarray]) -> Any:
        boxes = np.array([[9.5, 19.5, 50, 60], [4.5, 9.5, 60, 70]], np.float32)
        return [(boxes, np.ones(2, np.float32)) for _ in images]

    two.name = "two.onnx"  # type: ignore[attr-defined]
    monkeypatch.setattr(gallery, "open_finder", lambda name, score, device: (two, False))
    a, b = photo(tmp_path / "a.png"), photo(tmp_path / "b.png")
    (tmp_path / "b.csv").write_text("b.png,0,0,100,80\n")
    rows = run(a, b, detector="two.onnx", boxes=tmp_path / "b.csv")
    assert [row["box_source"] for row in rows] == ["detector:two.onnx"] * 2 + ["user"]
    assert [row["bbox"] for row in rows] == [[10, 20, 50, 60], [5, 10, 60, 70], [0, 0, 100, 80]]
    assert rows[0]["keypoints"][0] == pytest.approx(20, abs=1)


def test_requests_that_cannot_be(tmp_path: Path, run: Callable[..., Rows]) -> None:
    path = photo(tmp_path / "a.png")
    for words, more in (
        ("no format 'xml'", {"formats": ("xml",)}),
        ("give 1 or more", {"every": 0}),
        ("none.onnx does not exist", {"detector": "none.onnx"}),
        ("--box 1,2,nan,4: give x, y", {"box": "1,2,nan,4"}),
        ("--box 1,2,3,0: give x, y", {"box": "1,2,3,0"}),
    ):
        with pytest.raises(UserError, match=words):
            run(path, **more)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()

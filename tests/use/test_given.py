"""Inputs, boxes and a detector are looked over before a net runs: what is said, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dots import save
from vitruvian.types import UserError
from vitruvian.use import given
from vitruvian.use.detect import FACE, NOBODY
from vitruvian.use.given import Given, Request, look_over


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photographs in a folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        save(np.zeros((9, 9, 3), np.uint8), folder / name)
    return folder


def boxes_of(path: Path, *names: str) -> Path:
    path.write_text("".join(f"{name},1,1,4,4\n" for name in names))
    return path


def looked(*inputs: Path | str, **more: Any) -> Given:
    return look_over(Request("dots", inputs, Path("out"), **more))


def test_nothing_is_said_of_what_is_as_it_should_be(photos: Path, tmp_path: Path) -> None:
    boxes = boxes_of(tmp_path / "boxes.csv", "photos/b.png", "other.png")
    found = looked(photos, boxes=boxes, detector="face")
    assert (found.detector, found.lines) == ("face", ())
    assert found.boxes is not None
    assert found.boxes["photos/b.png"].tolist() == [[1, 1, 4, 4]]


@pytest.mark.parametrize("detector", [None, "face", "none"])
def test_boxes_of_other_photographs_are_one_line(
    photos: Path, tmp_path: Path, detector: str | None
) -> None:
    boxes = boxes_of(tmp_path / "boxes.csv", "c.png", "d.png")
    said = r"boxes.csv names nothing that was given, as .*a\.png, but c\.png: give the file"
    with pytest.raises(UserError, match=said):
        looked(photos, "camera:0", boxes=boxes, detector=detector)
    with pytest.raises(UserError, match=said):
        looked(photos, boxes=boxes, detector=detector, quiet=True)
    looked(photos, boxes=boxes, detector="somewhere.onnx")  # which looks where there are no boxes
    for name in ("camera:0", "b.png"):
        for quiet in (False, True):
            looked(photos, "camera:0", boxes=boxes_of(boxes, name), detector=detector, quiet=quiet)
    with pytest.raises(UserError, match=r"as .*a\.png: give the file"):
        looked(photos, boxes=boxes_of(boxes), detector=detector)


def test_heic_is_counted_once(photos: Path) -> None:
    (photos / "more").mkdir()
    for name in ("c.HEIC", "more/d.heif", ".hidden.heic"):
        (photos / name).touch()
    said = "passed over 2 of HEIC, which is not read: convert them to JPEG"
    assert looked(photos).lines == (said,)
    assert looked(photos / "a.png", "camera:0").lines == ()


def test_pictures_are_counted_by_their_names(photos: Path) -> None:
    assert looked(photos, photos / "a.png").pictures == 3
    assert looked(photos, every=2).pictures == 1
    assert looked(photos, "camera:0", frames=5).pictures == 7
    assert looked("camera:0", photos).pictures is None  # until it is stopped
    (photos / "bad.mp4").touch()
    assert looked(photos).pictures == 2  # it will be skipped


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ("fcos_resnet50_fpn", "--detector auto takes fcos_resnet50_fpn"),
        (FACE, "--detector auto takes faces: "),
        (NOBODY, "--detector auto finds no detector here: "),
    ],
)
def test_what_auto_is_is_said(
    photos: Path, monkeypatch: pytest.MonkeyPatch, taken: str, said: str
) -> None:
    monkeypatch.setattr(given, "taken_by_auto", lambda: taken)
    found = looked(photos, detector="auto")
    assert found.detector == taken
    (line,) = found.lines
    assert line.startswith(said)
    assert looked(photos, detector="torchvision").lines == ()


def test_folders_without_photographs_are_errors_where_all_are(photos: Path, tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    found = looked(tmp_path / "x", photos)
    assert (found.pictures, found.skipped) == (2, 1)
    (line,) = found.lines
    assert line.startswith(f"skipped: {tmp_path / 'x'} has no photographs (")
    with pytest.raises(UserError, match=r"x has no photographs \(.*\)$"):
        looked(tmp_path / "x", quiet=True)
    with pytest.raises(UserError, match=r"x has no photographs \(.*\); and 1 more likewise$"):
        looked(tmp_path / "x", tmp_path / "y")


def test_earlier_pictures_are_said(photos: Path) -> None:
    for number, folder in enumerate(("a", "b"), 1):
        (photos / folder / "overlays").mkdir(parents=True)
        (photos / folder / ".finished.jsonl").touch()
        folders = "1 folder" if number == 1 else "2 folders"
        assert looked(photos).lines == (f"passed over {folders} of pictures that predict drew",)


@pytest.mark.parametrize("box", ["1e300,1,10,10", "1,1,1e-300,10", "1,1,nan,10", "1,1,10,-1"])
@pytest.mark.filterwarnings("error")
def test_a_box_that_is_none(photos: Path, box: str) -> None:
    with pytest.raises(UserError, match=f"--box {box}: give x, y, width, height in px"):
        looked(photos, box=box)

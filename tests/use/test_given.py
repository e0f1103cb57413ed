"""Inputs, boxes and a detector are looked over before a net runs: what is said, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dots import save
from vitruvian.types import UserError
from vitruvian.use import given
from vitruvian.use.detect import FACE, NOBODY
from vitruvian.use.given import look_over


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


def test_nothing_is_said_of_what_is_as_it_should_be(photos: Path, tmp_path: Path) -> None:
    boxes = boxes_of(tmp_path / "boxes.csv", "photos/b.png", "other.png")
    found = look_over([str(photos)], boxes, "face")
    assert (found.detector, found.lines) == ("face", ())


@pytest.mark.parametrize("detector", [None, "face", "none"])
def test_boxes_of_other_photographs_are_one_line(
    photos: Path, tmp_path: Path, detector: str | None
) -> None:
    boxes = boxes_of(tmp_path / "boxes.csv", "c.png", "d.png")
    said = r"boxes.csv names nothing that was given, as .*a\.png, but c\.png: give the file"
    with pytest.raises(UserError, match=said):
        look_over([str(photos), "camera:0"], boxes, detector)
    look_over([str(photos)], boxes, "somewhere.onnx")  # which looks where there are no boxes
    look_over([str(photos), "camera:0"], boxes_of(boxes, "camera:0"), detector)
    with pytest.raises(UserError, match=r"as .*a\.png: give the file"):
        look_over([str(photos)], boxes_of(boxes), detector)


def test_heic_is_counted_once(photos: Path) -> None:
    (photos / "more").mkdir()
    for name in ("c.HEIC", "more/d.heif", ".hidden.heic"):
        (photos / name).touch()
    said = "passed over 2 of HEIC, which is not read: convert them to JPEG"
    assert look_over([str(photos)], None, None).lines == (said,)
    assert look_over([str(photos / "a.png"), "camera:0"], None, None).lines == ()


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
    found = look_over([str(photos)], None, "auto")
    assert found.detector == taken
    (line,) = found.lines
    assert line.startswith(said)
    assert look_over([str(photos)], None, "torchvision").lines == ()

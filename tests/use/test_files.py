"""Which files are photographs, and results that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dots import MODEL
from vitruvian.data.box_files import read_boxes
from vitruvian.types import Poses, UserError
from vitruvian.use.files import CocoWriter, Passed, check_place, list_photos


def test_list_photos(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a/x/9.webp", "b/.hidden.jpg", "b/note.txt", "z.jpeg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    names = [path.relative_to(tmp_path).as_posix() for path in list_photos([str(tmp_path)])]
    assert names == ["a/x/9.webp", "b/1.png", "b/2.JPG", "z.jpeg"]
    given = [tmp_path / "b" / "note.txt", tmp_path / "a"]
    assert [path.name for path in list_photos(given)] == ["note.txt", "9.webp"]
    assert list(list_photos([])) == []


@pytest.mark.parametrize("address", ["https://x.org/a.jpg?size=9", "s3://bucket/a.jpg"])
def test_an_address_is_no_file(address: str) -> None:
    said = r"read from disk alone: download it first; .*`vitruvian predict MODEL stream:ADDRESS`$"
    for ask in (lambda: list_photos([address]), lambda: MODEL.predict(address)):
        with pytest.raises(UserError, match=said) as caught:
            ask()
        assert str(caught.value).startswith(f"{address}: ")
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=said):
        list(MODEL.predict([address]))


def test_a_folder_of_heic_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.HEIC").touch()
    with pytest.raises(UserError, match=r"no photographs \(.*\), but 1 of HEIC, .*: convert"):
        list_photos([tmp_path])


def test_lists_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        list_photos([tmp_path / "nowhere"])
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    with pytest.raises(UserError, match="empty has no photographs"):
        list_photos([tmp_path / "empty"])


def test_an_empty_name_is_not_the_folder_one_is_in() -> None:
    with pytest.raises(UserError, match="an input is empty, maybe an unset variable"):
        list_photos([""])


def test_what_predict_drew_is_no_photograph(tmp_path: Path) -> None:
    for name in ("1.jpg", "out/overlays/1.jpg", "out/heatmaps/1-all.jpg", "mine/overlays/2.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "out" / ".finished.jsonl").touch()
    passed = Passed()
    assert [path.name for path in list_photos([tmp_path], (), passed=passed)] == ["1.jpg", "2.jpg"]
    assert passed == Passed(drawn=2)
    assert len(list(list_photos([tmp_path / "out" / "overlays"]))) == 1  # which was asked for
    with pytest.raises(UserError, match="but pictures that predict drew: name their folder"):
        list_photos([tmp_path / "out"])


def test_folders_that_give_nothing_are_passed_over_or_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("good/1.jpg", "good/shut/2.jpg", "empty/note.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    scandir = os.scandir

    def refused(folder: Any) -> Iterator[os.DirEntry[str]]:
        if Path(folder).name == "shut":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refused)
    passed, folders = Passed(), [tmp_path / name for name in ("empty", "good", "good/shut")]
    assert [path.name for path in list_photos(folders, passed=passed)] == ["1.jpg"]
    empty, inside, given = sorted(passed.skipped)
    assert "empty has no photographs (" in empty
    assert inside == given == f"{folders[2]} cannot be listed (Permission denied): check its rights"
    with pytest.raises(UserError, match=r"shut cannot be listed \(Permission denied\)"):
        list(list_photos(folders[1:]))


def found(persons: int) -> Poses:
    xy = np.arange(persons * 6, dtype=np.float32).reshape(persons, 3, 2) + 0.1234567
    score = np.full((persons, 3), 0.5, np.float32)
    box = np.tile(np.array([[9.5, 19.5, 30, 40]], np.float32), (persons, 1))
    return Poses(xy, score, box)


def test_coco_results(tmp_path: Path) -> None:
    path = tmp_path / "poses.json"
    with CocoWriter(path) as writer:
        writer.write("a.jpg", found(2))
        assert not path.exists()
        writer.write("nobody.jpg", found(0))
        writer.write('ö "b".jpg', found(1), image_id=785)
    writer.close()
    results = json.loads(path.read_text(encoding="utf-8"))
    assert [row["image_id"] for row in results] == [1, 1, 785]
    assert results[0] == {
        "image_id": 1,
        "file_name": "a.jpg",
        "category_id": 1,
        "keypoints": [0.123, 1.123, 0.5, 2.123, 3.123, 0.5, 4.123, 5.123, 0.5],
        "score": 0.5,
        "bbox": [10, 20, 30, 40],
    }
    assert {name: len(of) for name, of in read_boxes(path).items()} == {"a.jpg": 2, 'ö "b".jpg': 1}
    assert [file.name for file in tmp_path.iterdir()] == ["poses.json"]


@pytest.mark.parametrize("written", [0, 1, 3])
def test_interrupted_results_are_valid(tmp_path: Path, written: int) -> None:
    def run() -> None:
        with CocoWriter(tmp_path / "poses.json") as writer:
            for _ in range(written):
                writer.write("a.jpg", found(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(json.loads((tmp_path / "poses.json").read_text())) == written


def test_results_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        CocoWriter(tmp_path / "no" / "poses.json")
    (tmp_path / "poses.json").write_text("old")
    writer = CocoWriter(tmp_path / "poses.json")

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match="No space left"):
        writer.close()
    assert (tmp_path / "poses.json").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["poses.json"]


def test_a_place_is_tried_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="file cannot be made"):
        check_place(tmp_path / "file" / "x.json")
    with pytest.raises(UserError, match="folder is a folder: name a file in it"):
        check_place(tmp_path / "folder")
    check_place(tmp_path / "folder", folder=True)
    check_place(tmp_path / "new" / "x.json")
    assert list((tmp_path / "new").iterdir()) == []

    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(UserError, match=r"x cannot be written \(No space"):
        check_place(tmp_path / "x")

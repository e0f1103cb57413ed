"""Lines, tables and what is finished."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from dots import DOTS
from vitruvian.types import UserError
from vitruvian.use.results import Journal, open_writer


def row(file: str = "a.jpg", **more: Any) -> dict[str, Any]:
    return {
        "image_id": 1, "file_name": file, "category_id": 1,
        "keypoints": [1, 2, 0.5, 3, 4, 1.0, 5, 6, 0.0], "score": 0.5, "bbox": [0, 2, 9, 8],
        "box_source": "user", **more,
    }  # fmt: skip


def test_lines_can_be_read_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "poses.jsonl"
    path.write_text("earlier\n")
    writer = open_writer("jsonl", path, DOTS)
    assert path.read_text() == "earlier\n"
    for number in range(3):
        writer.rows([row(f"{number}.jpg")] * number)
        lines = path.read_text().splitlines()
        assert len(lines) == (0, 1, 3)[number]
    assert json.loads(lines[2]) == row("2.jpg")
    writer.close()


def test_table(tmp_path: Path) -> None:
    path = tmp_path / "poses.csv"
    writer = open_writer("csv", path, DOTS)
    writer.rows([row(), row("b, c.mp4", frame=4, seconds=0.25, track_id=2)])
    assert not path.exists()
    writer.close()
    one, two = csv.DictReader(path.open(newline=""))
    assert one["file"] == "a.jpg"
    assert (one["frame"], one["track_id"], one["box_source"]) == ("", "", "user")
    assert [two[name] for name in ("file", "frame", "seconds", "track_id")] == [
        "b, c.mp4", "4", "0.25", "2"
    ]  # fmt: skip
    assert [two[f"b_{of}"] for of in ("x", "y", "score")] == ["3", "4", "1.0"]
    assert two["box_width"] == "9"


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_what_is_discarded_leaves_the_earlier_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "poses"
    path.write_text("earlier")
    open_writer(kind, path, DOTS).discard()
    assert path.read_text() == "earlier"
    assert [file.name for file in tmp_path.iterdir()] == ["poses"]


def journal(folder: Path, again: bool = False, **settings: Any) -> Journal:
    return Journal(folder / "done.jsonl", {"of": (1, 2), **settings}, again)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name in "abc":
        (tmp_path / f"{name}.jpg").write_text(name)
    return [str(tmp_path / f"{name}.jpg") for name in "abc"]


def test_a_second_run_knows_what_is_finished(tmp_path: Path, files: list[str]) -> None:
    a, b, c = files
    first = journal(tmp_path)
    first.picture(a, [row("ä")])
    first.finish(a, "a")
    for number in range(3):
        first.picture(b, [row(b, frame=number)] * number)
    first.finish(b, "b", persons=2)
    first.picture(c, [row(c)])  # and is interrupted
    first.close()
    with (tmp_path / "done.jsonl").open("a") as file:
        file.write('{"rows": [{"im')

    second = journal(tmp_path)
    assert second.names() == {a: "a", b: "b"}
    assert second.finished(c) is None
    assert list(second.pictures(a)) == [[row("ä")]]
    assert [len(rows) for rows in second.pictures(b)] == [0, 1, 2]
    assert (second.finished(b) or {})["persons"] == 2
    second.picture(c, [row(c, frame=9)])
    second.finish(c, "c")
    assert [rows[0]["frame"] for rows in second.pictures(c)] == [9]
    second.close()

    third = journal(tmp_path)
    assert [rows[0]["frame"] for rows in third.pictures(c)] == [9]
    assert [rows[0]["file_name"] for rows in third.pictures(a)] == ["ä"]
    Path(a).write_text("another")
    assert third.finished(a) is None
    Path(b).unlink()
    assert third.finished(b) is None


def test_pictures_of_a_file_that_broke_off_do_not_count(tmp_path: Path, files: list[str]) -> None:
    a, b, _ = files
    first = journal(tmp_path)
    first.picture(a, [row(a)])
    first.drop(a)
    first.picture(b, [row(b)])
    first.finish(b, "b")
    first.close()
    second = journal(tmp_path)
    assert list(second.pictures(b)) == [[row(b)]]
    assert second.finished(a) is None


@pytest.mark.parametrize("other", [{"again": True}, {"flip": True}])
def test_with_other_settings_all_is_made_anew(
    tmp_path: Path, files: list[str], other: dict[str, bool]
) -> None:
    first = journal(tmp_path)
    first.finish(files[0], "a")
    first.close()
    second = journal(tmp_path, **other)  # type: ignore[arg-type]
    assert second.finished(files[0]) is None
    second.close()
    assert journal(tmp_path).finished(files[0])  # nothing was done: the old one stays
    second.finish(files[1], "b")
    second.close()
    assert journal(tmp_path, **(other if "flip" in other else {})).names() == {files[1]: "b"}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        Journal(tmp_path / "no" / "done", {}).finish("a", "a")
    with pytest.raises(UserError, match="cannot be written"):
        open_writer("jsonl", tmp_path / "no" / "a", DOTS).rows([row()])

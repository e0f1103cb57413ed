"""Boxes in files: the forms, whose photograph a row means, what a score does, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitruvian.data.box_files import read_boxes
from vitruvian.data.names import name_finder, number_of
from vitruvian.types import UserError
from vitruvian.use.reading import named_boxes

COCO_FILE = {
    "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
    "categories": [{"id": 5, "name": "person"}, {"id": 6, "name": "dog"}],
    "annotations": [
        {"image_id": 1, "bbox": [1, 2, 3, 4], "category_id": 5},
        {"image_id": 1, "bbox": [5, 6, 7, 8], "category_id": 5},
        {"image_id": 2, "bbox": [5, 6, 7, 8], "category_id": 6},
    ],
}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("b.csv", "file,x,y,w,h\na.jpg,1,2,3,4\n\na.jpg, 5 ,6,7,8.5\n", {"a.jpg": 2}),
        ("b.csv", '\ufeff"a, b.jpg",1,2,3,4\n', {"a, b.jpg": 1}),
        ("b.csv", "", {}),
        ("b.json", '[{"file_name": "a.jpg", "bbox": [1, 2, 3, 4], "score": 1}]', {"a.jpg": 1}),
        ("b.json", "[]", {}),
        ("b.json", json.dumps(COCO_FILE), {"a.jpg": 2, "b.jpg": 0}),
    ],
)
def test_read_boxes(tmp_path: Path, name: str, text: str, expected: dict[str, int]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    boxes = read_boxes(tmp_path / name)
    assert {file: of[:, :4].shape for file, of in boxes.items()} == {
        file: (count, 4) for file, count in expected.items()
    }
    if "a.jpg" in boxes:
        assert boxes["a.jpg"][0, :4].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("b.csv", "file,x,y,w,h\na.jpg,1,2,3\n", "line 2"),
        ("b.csv", "a.jpg,1,2,3,4\nb.jpg,1,2,three,4\n", "line 2.*three"),
        ("b.csv", "a.jpg,1,2,3,0\n", "line 1"),
        ("b.csv", ",1,2,3,4\n", "line 1"),
        ("b.json", '[{"file_name": "a.jpg", "bbox": [1, 2, 3, null]}]', "row 1"),
        ("b.json", '[{"file_name": "a.jpg", "bbox": [1, 2, 3, NaN]}]', "row 1"),
        ("b.json", '[{"bbox": [1, 2, 3, 4]}]', "row 1"),
        ("b.json", '[{"image_id": 3, "category_id": 1, "score": 0.9}]', "row 1.*file 3"),
        ("b.json", '[{"image_id": 3, "category_id": 7, "bbox": [1,2,3,4]}]', "none of its 1 rows"),
        ("b.json", '{"images": [], "annotations": [{"image_id": 1, "bbox": [1,2,3,4]}]}', "tion 1"),
        ("b.json", '{"images": []}', "annotations"),
        ("b.json", "{", "b.json"),
        ("b.json", "[1, 2]", "b.json"),
        ("b.json", "3", "b.json"),
        ("none.json", None, "cannot be read"),
    ],
)
def test_boxes_files_that_are_none(tmp_path: Path, name: str, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        read_boxes(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def detection(image: int, x: float, score: float, category: int = 1) -> dict[str, object]:
    """A row of COCO's detection results; what differs is where it starts."""
    return {"image_id": image, "category_id": category, "bbox": [x, 2, 30, 40], "score": score}


def starts(boxes: object) -> list[float]:
    return [float(box[0]) for box in boxes]  # type: ignore[attr-defined]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three persons and a dog in photograph 785, a cat alone in 9."""
    rows = [
        detection(785, 1, 0.3), detection(785, 2, 0.9, category=18), detection(785, 3, 0.8),
        detection(785, 4, 0.6), detection(9, 5, 0.9, category=17),
    ]  # fmt: skip
    path = tmp_path / "results.json"
    path.write_text(json.dumps(rows))
    return path


def test_results_are_of_persons_the_surest_first(results: Path) -> None:
    boxes = read_boxes(results)
    assert starts(boxes["785"]) == [3, 4, 1]
    assert starts(read_boxes(results, 0.5)["785"]) == [3, 4]
    assert starts(read_boxes(results, 0.6)["785"]) == [3, 4]  # 0.6 is not below it
    assert boxes["9"].shape == (0, 4)  # a photograph of nobody
    assert sorted(boxes) == ["785", "9"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("photos/000000000785.jpg", True),
        ("785.png", True),
        ("COCO_val2014_000000000785.jpg", True),
        ("im785.jpg", False),
        ("7850.jpg", False),
        ("785/clip.mp4", False),
    ],
)
def test_a_number_is_a_files_name(results: Path, name: str, found: bool) -> None:
    boxes = named_boxes(Path(name), read_boxes(results), else_none=True)
    assert starts([] if boxes is None else boxes) == ([3, 4, 1] if found else [])


def test_names_come_before_numbers(tmp_path: Path) -> None:
    rows = [detection(785, 1, 0.9), {"file_name": "b/785.jpg", "bbox": [7, 2, 3, 4]}]
    (tmp_path / "b.json").write_text(json.dumps(rows))
    boxes = read_boxes(tmp_path / "b.json")
    assert starts(named_boxes(Path("a/b/785.jpg"), boxes)) == [7]
    assert starts(named_boxes(Path("a/c/785.jpg"), boxes)) == [1]


def test_a_name_in_the_file_may_have_more_or_fewer_folders(tmp_path: Path) -> None:
    rows = [("a/b/x.jpg", 1), ("a\\y.jpg", 2), ("z.jpg", 3), ("c/z.jpg", 4)]
    rows += [("d/w.jpg", 5), ("e/w.jpg", 6)]
    values = [{"file_name": name, "bbox": [x, 2, 3, 4]} for name, x in rows]
    (tmp_path / "b.json").write_text(json.dumps(values))
    boxes = read_boxes(tmp_path / "b.json")
    asked = [
        "x.jpg",
        "b/x.jpg",
        "z/a/b/x.jpg",
        "y.jpg",
        "a/y.jpg",
        "d/z.jpg",
        "b/c/z.jpg",
        "e/w.jpg",
    ]
    assert [starts(boxes[name])[0] for name in asked] == [1, 1, 1, 2, 2, 3, 4, 6]
    assert "c/x.jpg" not in boxes
    assert "w" not in boxes
    with pytest.raises(UserError, match=r"w.jpg may be 'd/w.jpg' or 'e/w.jpg' in it: name folders"):
        named_boxes(Path("w.jpg"), boxes)


def test_scores_of_poses_are_not_those_of_boxes(tmp_path: Path) -> None:
    """What `predict` has written: the boxes stay in their order, and none is left out."""
    rows = [
        {"file_name": "a.jpg", "bbox": [x, 2, 3, 4], "score": x / 10, "keypoints": [1, 1, 0.1]}
        for x in (1, 4, 2)
    ]
    (tmp_path / "poses.json").write_text(json.dumps(rows))
    assert starts(read_boxes(tmp_path / "poses.json", 0.5)["a.jpg"]) == [1, 4, 2]


def test_boxes_without_a_score_are_kept(tmp_path: Path) -> None:
    rows = [{"file_name": "a.jpg", "bbox": [x, 2, 3, 4], "score": x / 10} for x in (1, 4, 8)]
    rows[1].pop("score")
    (tmp_path / "b.json").write_text(json.dumps(rows))
    kept = read_boxes(tmp_path / "b.json", 0.5)["a.jpg"]
    assert starts(kept) == [4, 8]
    np.testing.assert_array_equal(kept[:, 4], [np.nan, 0.8])
    for row in rows:
        row.pop("score", None)
    (tmp_path / "b.json").write_text(json.dumps(rows))
    kept = read_boxes(tmp_path / "b.json", 0.5)["a.jpg"]
    assert starts(kept) == [1, 4, 8]
    assert kept.shape == (3, 4)


@pytest.mark.parametrize(
    ("score", "said"),
    [(87, "87"), (-0.1, "-0.1"), ("sure", "nan"), (float("inf"), "nan"), ([1], "nan")],
)
def test_scores_that_are_none(tmp_path: Path, score: Any, said: str) -> None:
    (tmp_path / "b.json").write_text(json.dumps([detection(785, 1, 0.9), detection(785, 2, score)]))
    with pytest.raises(UserError, match=f"row 2: score {said} is not from 0 to 1"):
        read_boxes(tmp_path / "b.json")


def test_numbers_as_others_write_them(tmp_path: Path) -> None:
    rows = [
        {"image_id": 785.0, "category_id": "1", "bbox": ["3", 2, 3, 4], "score": "0.25"},
        {"image_id": "785", "category_id": 1.0, "bbox": [5, 2, 3, 4], "score": 0.5},
        {"image_id": None, "category_id": 3, "bbox": [5, 2, 3, 4], "score": 0.5},
    ]
    (tmp_path / "b.json").write_text(json.dumps(rows))
    boxes = read_boxes(tmp_path / "b.json")
    assert list(boxes) == ["785"]
    assert boxes["785.jpg"].tolist() == [[5, 2, 3, 4, 0.5], [3, 2, 3, 4, 0.25]]
    (tmp_path / "b.csv").write_text("a.jpg,1,2,3,4,0.5\na.jpg,9,2,3,4,\n")
    np.testing.assert_array_equal(
        read_boxes(tmp_path / "b.csv")["a.jpg"], [[9, 2, 3, 4, np.nan], [1, 2, 3, 4, 0.5]]
    )


def test_a_number_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps([detection(785, 1, 0.9)]))
    boxes = read_boxes(tmp_path / "b.json")
    assert "785.mp4" not in boxes
    assert "785.jpg" in boxes


def test_names_and_numbers() -> None:
    find = name_finder([("a/x.jpg", 1), ("b/x.jpg", 2), ("y.jpg", 3)])
    assert [find(name) for name in ("a/x.jpg", "x.jpg", "z/y.jpg", "z.jpg")] == [
        {1},
        {1, 2},
        {3},
        set(),
    ]
    assert [number_of(name) for name in ("0012.jpg", "b\\7.png", "c/im7.png", ".5", "x")] == [
        12, 7, None, None, None
    ]  # fmt: skip

"""Where the photographs and labels of YOLO data sets are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitruvian.data.yolo_layout import find_yaml, label_file, listed_photographs
from vitruvian.types import UserError


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def listed(folder: Path, **values: object) -> dict[str, list[str]]:
    found = listed_photographs(folder / "data.yaml", values)
    return {path.relative_to(folder).as_posix(): subsets for path, subsets in found.items()}


def test_the_yaml_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no data\.yaml, which says kpt_shape"):
        find_yaml(tmp_path)
    put(tmp_path, "birds.yaml")
    assert find_yaml(tmp_path).name == "birds.yaml"
    put(tmp_path, "fish.yml")
    with pytest.raises(UserError, match=r"no data\.yaml, but birds\.yaml, fish\.yml"):
        find_yaml(tmp_path)
    put(tmp_path, "data.yaml")
    assert find_yaml(tmp_path).name == "data.yaml"
    assert find_yaml(tmp_path / "fish.yml").name == "fish.yml"
    with pytest.raises(UserError, match="does not exist"):
        find_yaml(tmp_path / "absent")


def test_labels_of_a_photograph() -> None:
    assert label_file(Path("/images/d/images/train/a.b.jpg")) == Path(
        "/images/d/labels/train/a.b.txt"
    )
    assert label_file(Path("/d/photos/a.jpg")) == Path("/d/photos/a.txt")


def test_folders_with_folders_in_them(tmp_path: Path) -> None:
    put(tmp_path, "images/train/b.jpg", "images/train/x/a.PNG", "images/train/.c.jpg",
        "images/train/notes.md", "images/val/c.jpg", "labels/train/classes.txt",
        "labels/train/.b.txt")  # fmt: skip
    found = listed(
        tmp_path, train="images/train", val=["images/val", "images/train/x"], test="gone"
    )
    assert found == {
        "images/train/b.jpg": ["train"],
        "images/train/x/a.PNG": ["train", "val"],
        "images/val/c.jpg": ["val"],
    }


def test_the_root_of_another_machine_and_exports_that_go_up(tmp_path: Path) -> None:
    put(tmp_path, "train/images/a.jpg", "valid/images/b.jpg")
    expected = {"train/images/a.jpg": ["train"], "valid/images/b.jpg": ["val"]}
    assert listed(tmp_path, train="../train/images", val="../valid/images") == expected
    other = "/home/somebody/absent"
    assert listed(tmp_path, path=other, train="train/images", valid="valid/images") == expected
    put(tmp_path, "deep/train/images/a.jpg")
    assert listed(tmp_path, path="deep", train="train") == {"deep/train/images/a.jpg": ["train"]}


def test_a_list_of_photographs(tmp_path: Path) -> None:
    put(tmp_path, "images/a.jpg", "images/b.jpg", "labels/a.txt", "labels/b.txt")
    (tmp_path / "train.txt").write_text("./images/b.jpg\n\n")
    assert listed(tmp_path, train="train.txt") == {"images/b.jpg": ["train"]}
    (tmp_path / "train.txt").write_text("./images/b.jpg\n./images/c.jpg\n./images/d.jpg\n")
    with pytest.raises(UserError, match=r"2 of 3 photographs that .*train\.txt lists .*c\.jpg"):
        listed(tmp_path, train="train.txt")


def test_labels_without_photographs(tmp_path: Path) -> None:
    put(tmp_path, "images/train/a.jpg", "labels/train/a.txt", "labels/train/b.txt",
        "labels/train/c.txt")  # fmt: skip
    with pytest.raises(UserError, match=r"2 of 3 label files .*labels.train.b\.txt needs .*b\.jpg"):
        listed(tmp_path, train="images/train")


def test_no_photographs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"names no photographs: write train and val"):
        listed(tmp_path)
    with pytest.raises(UserError, match=r"val is 'images/val', which is not below"):
        listed(tmp_path, val="images/val")


def test_an_export_beside_another_one_reads_its_own_photographs(tmp_path: Path) -> None:
    put(tmp_path, "train/images/other.jpg", "ds/train/images/own.jpg")
    assert listed(tmp_path / "ds", train="../train/images") == {"train/images/own.jpg": ["train"]}


def test_notes_among_labels_and_folders_that_are_links(tmp_path: Path) -> None:
    put(tmp_path, "real/a.jpg")
    (tmp_path / "images" / "train").mkdir(parents=True)
    (tmp_path / "images" / "train" / "sub").symlink_to(tmp_path / "real")
    (tmp_path / "images" / "train" / "sub" / "again").symlink_to(tmp_path / "images")  # a circle
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "README.txt").write_text("made by hand")
    assert listed(tmp_path, train="images/train") == {"images/train/sub/a.jpg": ["train"]}

"""YOLO pose labels, by hand: a white pixel, flags, boxes, classes, names, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from vitruvian.data import open_data
from vitruvian.data.coco import read_coco
from vitruvian.data.coco_files import write_coco
from vitruvian.data.yolo import read_yolo
from vitruvian.skeleton import COCO, LSP
from vitruvian.types import State, UserError

FORM: dict[str, Any] = {
    "train": "images/train",
    "val": "images/val",
    "kpt_shape": [3, 3],
    "flip_idx": [0, 2, 1],
    "names": {0: "bird"},
    "kpt_names": {0: ["beak", "left_wing", "right_wing"]},
}
WHITE = (7, 3)  # x, y of the white pixel in 12 x 8 px
BEAK = f"{7.5 / 12} {3.5 / 8} 2"
ROW = f"0 0.5 0.5 0.5 0.25 {BEAK} 0 0 0 {0.5 / 12} {7.5 / 8} 1"


def folder(
    tmp_path: Path, rows: dict[str, str] | None = None, **form: Any
) -> tuple[Path, dict[str, Any]]:
    """Photographs with a white pixel, and their labels by name ("train/a")."""
    values = {key: value for key, value in (FORM | form).items() if value is not None}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(values))
    for name, text in (rows or {"train/a": ROW, "val/b": ROW}).items():
        for kind in ("images", "labels"):
            (tmp_path / kind / name).parent.mkdir(parents=True, exist_ok=True)
        photo = np.zeros((8, 12, 3), np.uint8)
        photo[WHITE[1], WHITE[0]] = 255
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), photo)
        (tmp_path / "labels" / f"{name}.txt").write_text(text)
    return tmp_path, values


def test_a_label_lies_on_the_white_pixel(tmp_path: Path) -> None:
    people = read_yolo(folder(tmp_path)[0])
    assert people.joints[0, 0].tolist() == pytest.approx(WHITE)
    assert people.joints[0, 2].tolist() == pytest.approx([0, 7])
    photo, _ = people.photo(0, 1)
    x, y = people.joints[0, 0].round().astype(int)
    assert photo[y, x].tolist() == [255, 255, 255]
    assert photo.sum() == 3 * 255
    assert people.boxes["bbox"][0].tolist() == pytest.approx(
        [2.5, 2.5, 6, 2]
    )  # 3 to 9 from the edge
    assert people.box[0].tolist() == pytest.approx([1.75, 2.25, 7.5, 2.5])
    assert people.box_words == "bbox x1.25"


def test_flags_pairs_and_subsets(tmp_path: Path) -> None:
    people = read_yolo(folder(tmp_path)[0])
    assert people.state[0].tolist() == [State.VISIBLE, State.MISSING, State.OCCLUDED]
    assert people.joints[0, 1].tolist() == [0, 0]
    assert people.skeleton.joint_names == ("beak", "left_wing", "right_wing")
    assert people.skeleton.flip_pairs == (("right_wing", "left_wing"),)
    assert (people.skeleton.name, people.convention, people.scored) == ("bird", "PC", "val")
    assert {name: rows.tolist() for name, rows in people.subsets.items()} == {
        "train": [0],
        "val": [1],
    }
    assert [people.label(row) for row in (0, 1)] == ["images/train/a.png", "images/val/b.png"]
    assert people.size(1) == (8, 12)


def test_it_comes_back_from_the_coco_file(tmp_path: Path) -> None:
    given = read_yolo(folder(tmp_path)[0])
    write_coco(given, tmp_path / "labels.json")
    read = read_coco(tmp_path / "labels.json")
    assert np.array_equal(read.joints, given.joints)
    assert np.array_equal(read.state, given.state)
    assert read.box == pytest.approx(given.box)
    assert read.skeleton == given.skeleton
    assert (read.box_words, read.name, read.convention) == ("bbox x1.25", "yolo", "PC")
    assert {name: rows.tolist() for name, rows in read.subsets.items()} == {
        "train": [0],
        "val": [1],
    }
    photo, _ = read.photo(1, 1)
    x, y = read.joints[1, 0].round().astype(int)
    assert photo[y, x].tolist() == [255, 255, 255]


def test_a_turned_photograph_is_labelled_as_it_is_shown(tmp_path: Path) -> None:
    """Orientation 6: what is stored as 8 x 12 px is shown as 12 wide and 8 high, the left side on top."""
    where, _ = folder(tmp_path)
    stored = np.zeros((12, 8, 3), np.uint8)
    stored[11 - WHITE[0], WHITE[1]] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(where / "images/train/a.png", exif=exif)
    people = read_yolo(where)
    photo, _ = people.photo(0, 1)
    assert photo.shape == (8, 12, 3)
    x, y = people.joints[0, 0].round().astype(int)
    assert photo[y, x].tolist() == [255, 255, 255]


def test_several_persons_and_photographs_with_nobody(tmp_path: Path) -> None:
    second = f"0 0.25 0.5 0 0 {BEAK} 0.1 0.2 2 0 0 0"
    nobody = "0 0.5 0.5 0.5 0.25" + " 0 0 0" * 3
    rows = {"train/a": f"{ROW}\n\n{second}\n{nobody}\n", "train/c": "", "val/b": ROW}
    where, _ = folder(tmp_path, rows)
    (where / "labels/train/c.txt").unlink()
    people = read_yolo(where)
    assert len(people) == 3
    assert people.images[0] == people.images[1] != people.images[2]
    assert np.isnan(people.boxes["bbox"][1]).all()  # a box without area
    assert np.array_equal(people.box[1], people.boxes["labelled"][1])
    assert people.box_words == "bbox x1.25 or labelled joints x1.25, square"
    assert "3 persons, 2 of 3 photographs" in people.provenance
    assert "left out: 1 without a labelled joint" in people.provenance


def test_flags_of_two_values_are_not_of_hidden_joints(tmp_path: Path) -> None:
    row = f"0 0.5 0.5 0.5 0.25 {BEAK[:-1]}1 0 0 0 0.1 0.1 1"
    people = read_yolo(folder(tmp_path, {"train/a": row, "val/b": row})[0])
    assert people.state[0].tolist() == [State.VISIBLE, State.MISSING, State.VISIBLE]
    assert "1 is read as visible" in people.provenance


def test_points_without_flags(tmp_path: Path) -> None:
    row = f"0 0.5 0.5 0.5 0.25 {BEAK[:-2]} 0 0 -1 0.5"
    people = read_yolo(folder(tmp_path, {"train/a": row, "val/b": row}, kpt_shape=[3, 2])[0])
    assert people.state[0].tolist() == [State.VISIBLE, State.MISSING, State.MISSING]
    assert people.joints[0, 0].tolist() == pytest.approx(WHITE)


def test_names_where_the_file_has_none(tmp_path: Path) -> None:
    people = read_yolo(folder(tmp_path, kpt_names=None)[0])
    assert people.skeleton.joint_names == ("keypoint_0", "keypoint_1", "keypoint_2")
    assert people.skeleton.flip_pairs == (("keypoint_1", "keypoint_2"),)
    assert "called by their numbers" in people.provenance
    row = "0 0.5 0.5 0.5 0.25" + " 0.5 0.5 2" * 17
    rows = {"train/a": row, "val/b": row}
    coco = {"kpt_names": None, "kpt_shape": [17, 3], "flip_idx": COCO.swap}
    assert read_yolo(folder(tmp_path, rows, **coco)[0]).skeleton == COCO
    other = coco | {"flip_idx": list(range(17))}
    assert read_yolo(folder(tmp_path, rows, **other)[0]).skeleton.joint_names[0] == "keypoint_0"


def test_known_joints_in_another_order_are_the_known_skeleton(tmp_path: Path) -> None:
    names = list(LSP.joint_names[::-1])
    flip = [names.index(LSP.joint_names[LSP.swap[13 - j]]) for j in range(14)]
    row = "0 0.5 0.5 0.5 0.25" + "".join(f" {(j + 0.5) / 12:.9f} 0.0625 2" for j in range(14))
    form = {"kpt_shape": [14, 3], "flip_idx": flip, "kpt_names": {0: names}}
    people = read_yolo(folder(tmp_path, {"train/a": row, "val/b": row}, **form)[0])
    assert people.skeleton == LSP
    assert people.joints[0, :, 0] == pytest.approx(np.arange(13, -1, -1), abs=1e-6)


def test_pairs_by_name_where_there_is_no_flip_idx(tmp_path: Path) -> None:
    people = read_yolo(folder(tmp_path, flip_idx=None)[0])
    assert people.skeleton.flip_pairs == (("right_wing", "left_wing"),)
    assert "pairs by name: right_wing/left_wing" in people.provenance


def test_classes(tmp_path: Path) -> None:
    other = "1" + ROW[1:]
    rows = {"train/a": f"{ROW}\n{other}", "val/b": ROW}
    form: dict[str, Any] = {"names": ["bird", "fish"]}
    people = read_yolo(folder(tmp_path, rows, **form)[0])
    assert (len(people), people.skeleton.name) == (2, "bird")
    assert "left out: 1 of other classes" in people.provenance
    names = FORM["kpt_names"][0]
    people = read_yolo(folder(tmp_path, rows, kpt_names={0: names, 1: names}, **form)[0])
    assert (len(people), people.skeleton.name) == (3, "yolo")
    assert "classes bird, fish as one" in people.provenance


def test_a_photograph_may_be_in_two_subsets_and_the_licence_is_told(tmp_path: Path) -> None:
    where, _ = folder(tmp_path, val="images/train", roboflow={"license": "CC BY 4.0"})
    people = open_data(f"yolo={where}")
    assert {name: rows.tolist() for name, rows in people.subsets.items()} == {
        "train": [0],
        "val": [0],
    }
    assert people.provenance.endswith("licence: CC BY 4.0")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROW + " 2", r"b.txt, line 2: 15 values, not 14 = class, box and 3 keypoints of 3"),
        (ROW[:-2], r"b.txt, line 2: 13 values, not 14"),
        (ROW.replace("0.25", "x"), r"b.txt, line 2: not all values are numbers"),
        (ROW.replace("0.25", "nan"), r"b.txt, line 2: not all values are numbers"),
        ("1" + ROW[1:], r"b.txt, line 2: class 1 is none of names"),
        (ROW[:-1] + "3", r"b.txt, line 2: v 3 is not 0, 1 or 2"),
        (ROW.replace("0.5 0.5", "6 4"), r"b.txt, line 2: coordinates are not from 0 to 1"),
        (ROW.replace(BEAK, "7 3 2"), r"b.txt, line 2: coordinates are not from 0 to 1"),
    ],
)
def test_rows_that_are_refused(row: str, words: str, tmp_path: Path) -> None:
    where, _ = folder(tmp_path, {"train/a": ROW, "val/b": f"{ROW}\n{row}\n"})
    with pytest.raises(UserError, match=words) as raised:
        read_yolo(where)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"kpt_shape": None}, "no kpt_shape, not"),
        ({"kpt_shape": [3]}, r"kpt_shape \[3\], not"),
        ({"kpt_shape": [3, 4]}, r"kpt_shape \[3, 4\], not"),
        ({"names": None}, "no names of classes"),
        ({"flip_idx": [0, 1]}, "flip_idx is not each of 0 to 2 once"),
        ({"flip_idx": [0, 1, 1]}, "flip_idx is not each of 0 to 2 once"),
        ({"flip_idx": [1, 2, 0]}, "flip_idx sends 0 to 1 and 1 to 2"),
        ({"kpt_names": {0: ["a", "b"]}}, "kpt_names of class 0 are not 3"),
        ({"kpt_names": {7: ["a", "b", "c"]}}, "kpt_names has class 7, names has only 0"),
        ({"kpt_names": {0: ["a", "b", "b"]}}, "kpt_names has 'b' twice"),
        ({"kpt_names": {0: ["a", "b", "c"], 1: ["a", "b", "d"]}}, "classes 0 and 1 have different"),
    ],
)
def test_forms_that_are_refused(form: dict[str, Any], words: str, tmp_path: Path) -> None:
    where, _ = folder(tmp_path, **form)
    with pytest.raises(UserError, match=words) as raised:
        read_yolo(where)
    assert "data.yaml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_nobody_is_labelled(tmp_path: Path) -> None:
    where, _ = folder(tmp_path, {"train/a": "", "val/b": ""})
    with pytest.raises(UserError, match=r"none of the 2 photographs .*labels.train.a\.txt"):
        read_yolo(where)

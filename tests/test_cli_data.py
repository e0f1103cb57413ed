"""Data sets that commands check, pack, convert and describe."""

from __future__ import annotations

import json

import cv2
import numpy as np

from commands import small_lspet


def test_lspet_from_a_folder_and_from_its_pack(vitruvian, tmp_path):
    data = small_lspet(tmp_path / "lspet")
    code, out, _ = vitruvian("data", "check", f"lspet={data}", "--sheet", tmp_path / "sheet.png")
    assert code == 0
    assert "3" in out
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None
    pack = tmp_path / "lspet.pack"
    code, out, _ = vitruvian("data", "pack", f"lspet={data}", "--out", pack, "--side", 64)
    assert code == 0
    assert "3 persons" in out
    code, _, err = vitruvian("data", "check", f"pack={pack}")
    assert code == 0, err


def test_labels_beside_other_photographs(vitruvian, tmp_path):
    data = small_lspet(tmp_path / "lspet")
    for path in (data / "images").iterdir():
        cv2.imwrite(str(path), np.zeros((12, 14, 3), np.uint8))
    code, out, _ = vitruvian("data", "check", f"lspet={data}")
    assert code == 1
    assert "lspet: NOT OK, " in out
    assert "labels lie outside" in out


def test_labels_are_converted_and_described(vitruvian, tmp_path):
    data = f"lspet={small_lspet(tmp_path / 'data', 6)}"
    labels = tmp_path / "labels.json"
    code, out, err = vitruvian(
        "data", "convert", data, "--out", labels, "--skeleton", "mpii",
        "--derive", "pelvis=left_hip+right_hip", "--convention", "OC",
    )  # fmt: skip
    assert code == 0, err
    assert "6 persons of 16 joints" in out
    values = json.loads(labels.read_text())
    assert len(values["annotations"]) == 6
    assert len(values["annotations"][0]["keypoints"]) == 3 * 16
    code, out, err = vitruvian(
        "data",
        "stats",
        f"coco={labels}",
        "--json",
        tmp_path / "s.json",
        "--plots",
        tmp_path / "plots",
    )
    assert code == 0, err
    assert "6 persons" in out
    assert json.loads((tmp_path / "s.json").read_text())
    assert list((tmp_path / "plots").glob("*.svg"))


def test_no_data_set_is_written_over_a_file(vitruvian, tmp_path):
    data = small_lspet(tmp_path / "data")
    labels, pack = data / "labels.json", tmp_path / "p"
    for verb, out in (("convert", labels), ("pack", pack)):
        assert vitruvian("data", verb, f"lspet={data}", "--out", out)[0] == 0
    link = tmp_path / "link.json"
    link.symlink_to(labels)
    before = labels.read_bytes(), pack.read_bytes()
    for verb, source, out, words in (
        ("convert", f"coco={labels}", labels, "is what is read: choose another --out"),
        ("convert", f"coco={labels}", link, "is what is read: choose another --out"),
        ("convert", f"coco={data}", labels, "exists already, in the folder that is read: choose"),
        ("convert", f"lspet={data}", pack, "exists already: remove it, or choose another --out"),
        ("pack", f"pack={pack}", pack, "is what is read: choose another --out"),
    ):
        code, out, err = vitruvian("data", verb, source, "--out", out, "--subset", "train")
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert words in err
    assert (labels.read_bytes(), pack.read_bytes()) == before


def test_labels_of_another_tool_become_a_project(vitruvian, tmp_path):
    film = tmp_path / "mice" / "labeled-data" / "film"
    film.mkdir(parents=True)
    rows = ["scorer,A,A,A,A", "bodyparts,snout,snout,tail,tail", "coords,x,y,x,y"]
    for number in range(6):
        cv2.imwrite(str(film / f"{number}.png"), np.zeros((40, 60, 3), np.uint8))
        rows.append(f"labeled-data/film/{number}.png,10,20,50,{number}")
    (film / "CollectedData_A.csv").write_text("\n".join(rows))
    labels, project = tmp_path / "labels.json", tmp_path / "project"
    code, out, err = vitruvian("data", "convert", f"deeplabcut={film.parents[1]}", "--out", labels)
    assert code == 0, err
    assert "6 persons of 2 joints" in out
    begin = f"init PROJECT --images {film.parents[1]} --labels {labels}"
    assert begin in out
    code, out, err = vitruvian(*begin.replace("PROJECT", str(project)).split())
    assert code == 0, err
    code, out, err = vitruvian("data", "check", f"coco={project}")
    assert code == 0, out + err
    assert "persons 6 in 6 photographs; subsets: train " in out

"""Commands that train, and those that are given a run: it goes on, predicts, is scored and reported."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

import drawn
from commands import SMALL, small_lspet
from vitruvian.data import open_data
from vitruvian.learn.ship import data_of
from vitruvian.models import read_model


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of two steps on rendered figures, trained by the command."""
    out = tmp_path_factory.mktemp("run") / "first"
    command = [sys.executable, "-m", "vitruvian", "train", "resnet_fcn/compact", "--out", str(out)]
    subprocess.run([*command, *SMALL, "--set", "fits.0.steps=2"], check=True, timeout=300)
    return out


def test_a_run_predicts_and_evaluates(run_folder, vitruvian, tmp_path):
    photo = np.zeros((40, 30, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), photo)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    out = tmp_path / "out"
    code, _, err = vitruvian("predict", run_folder, tmp_path / "a.png", tmp_path / "broken.jpg",
                             "--out", out, "--device", "cpu")  # fmt: skip
    assert code == 0
    assert "broken.jpg" in err
    assert "1 photograph, 1 skipped" in err
    (person,) = json.loads((out / "poses.json").read_text())
    assert len(person["keypoints"]) == 3 * 14
    assert (out / "overlays" / "a.jpg").exists()
    assert "a.png" in (out / "index.html").read_text()

    figures = tmp_path / "figures.json"
    code, _, _ = vitruvian(
        "eval", run_folder, "--json", figures, "--subset", "tune", "--workers", 0
    )
    assert code == 0
    values = json.loads(figures.read_text())
    assert {"protocol", "n", "total", "auc", "joints", "baselines"} <= set(values)
    assert set(values["baselines"]) == {"mean_pose", "image_centre"}
    assert 0 <= values["total"]["low"] <= values["total"]["value"] <= values["total"]["high"] <= 1


def test_the_same_command_goes_on_and_another_is_refused(run_folder, vitruvian):
    same = ("train", "resnet_fcn/compact", "--out", run_folder, *SMALL)
    code, _, err = vitruvian(*same, "--set", "fits.0.steps=2")
    assert code == 0, err
    code, _, err = vitruvian(*same, "--set", "fits.0.steps=3")
    assert code == 1
    assert "fits.0.steps was 2, is 3" in err
    assert err.count("\n") == 1


def test_training_starts_from_another_model(run_folder, vitruvian, tmp_path):
    code, _, err = vitruvian(
        "train", "resnet_fcn/compact", "--out", tmp_path / "second", "--from", run_folder,
        *SMALL, "--set", "fits.0.steps=1",
    )  # fmt: skip
    assert code == 0
    assert "210 tensors taken whole, 2 joint by joint, 0 new" in err


def test_suspect_labels_are_found_and_left_out(run_folder, vitruvian, tmp_path):
    """The model knows nothing, so that with no bar at all every label is suspect."""
    labels = small_lspet(tmp_path / "lspet", rows=12) / "labels.json"
    convert = ("data", "convert", f"lspet={labels.parent}", "--subset", "val", "--out", labels)
    assert vitruvian(*convert)[0] == 0
    data = f"coco={labels}"
    file, sheet, run = tmp_path / "suspects.json", tmp_path / "sheet.png", tmp_path / "run"
    look = ("data", "suspects", data, "--model", run_folder, "--out", file, "--device", "cpu")
    code, out, err = vitruvian(
        *look, "--beyond", 0, "--sure", 0, "--sheet", sheet, "--count", 2, "--workers", 0
    )
    assert code == 0, err
    assert " train: " in out
    assert cv2.imread(str(sheet)) is not None
    found = json.loads(file.read_text())
    assert len(found["suspects"]) == found["labels"] > 0
    found["suspects"] = [row for row in found["suspects"] if row["joint"] == "neck"]
    file.write_text(json.dumps(found))
    train = ("train", "resnet_fcn/compact", "--data", data, "--out", run, *SMALL)
    code, _, err = vitruvian(*train, "--leave-out", file, "--set", "fits.0.steps=1")
    assert code == 0, err
    assert "nobody has a label of neck: " in err
    rows = len(found["suspects"])
    assert f" of {rows} suspect labels left out (suspects.json)\n" in err
    said = json.loads((run / "run.json").read_text())
    assert f"; {len(found['suspects'])} suspect labels left out (" in said["provenance"]
    assert "--leave-out suspects.json" in said["command"]
    code, _, err = vitruvian(*train, "--set", "fits.0.steps=1")
    assert code == 1
    assert "holds a different run (provenance was" in err


def test_a_training_keeps_the_boxes_of_a_file(vitruvian, tmp_path):
    data = drawn.write_figures(tmp_path / "figures", 12)
    people = open_data(data)
    boxes, other = tmp_path / "dets.json", tmp_path / "b" / "dets.json"
    other.parent.mkdir()
    for file, off in ((boxes, 0), (other, 1)):
        drawn.write_detections(replace(people, joints=people.joints + off), file, 11)
    train = ("train", "resnet_fcn/compact", "--data", data, *SMALL, "--set", "fits.0.steps=1")
    train = [part for part in train if part != "--quiet"]
    run = ("--out", tmp_path / "run")
    code, _, err = vitruvian(*train, *run, "--boxes", boxes)
    assert code == 0, err
    assert "looks in boxes of dets.json x1.25 (11 of 12 persons, " in err
    said = json.loads((tmp_path / "run" / "run.json").read_text())
    assert said["boxes"] == str(boxes)
    assert "--boxes dets.json" in said["command"]
    info = read_model(tmp_path / "run" / "model")
    assert "; boxes of dets.json x1.25 (11 of 12" in info.data[0].licence
    assert data_of(None, said, info).box_words.startswith(
        "boxes of dets.json"
    )  # as an export opens it
    assert data_of(data, said, info).box_words == people.box_words
    for more, code in ((("--boxes", boxes), 0), (("--boxes", other), 1), ((), 1)):
        found, _, err = vitruvian(*train, *run, *more)
        assert found == code, err
        assert code == 0 or "holds a different run (provenance was" in err


def test_photographs_that_are_wrong(run_folder, vitruvian, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.jpg").write_bytes(b"not a photograph")
    predict = ("predict", run_folder, "--device", "cpu", "--out", tmp_path / "out")
    for arguments, words in (
        ([tmp_path / "absent.jpg"], "absent.jpg"),
        ([tmp_path / "empty"], "empty"),
        ([tmp_path / "bad.jpg"], "bad.jpg is not a photograph that can be read"),
        ([tmp_path / "bad.jpg", "--box", "1,2,3"], "x,y,width,height"),
    ):
        code, _, err = vitruvian(*predict, *arguments)
        assert code == 1, (arguments, err)
        assert words in err
        assert "Traceback" not in err


def test_a_run_is_evaluated_compared_and_reported(run_folder, vitruvian, tmp_path):
    data = f"lspet={small_lspet(tmp_path / 'data', 5)}"
    where = ("--data", data, "--subset", "all", "--device", "cpu", "--workers", 0)
    code, out, err = vitruvian(
        "eval", f"{run_folder}@heatmaps", *where, "--json", tmp_path / "e.json"
    )
    assert code == 0, err
    assert json.loads((tmp_path / "e.json").read_text())["model"] == "resnet_fcn/compact@heatmaps"
    code, _, err = vitruvian("eval", f"{run_folder}@hetmaps", *where)
    assert code == 1
    assert "no stage 'hetmaps', only heatmaps" in err
    code, out, err = vitruvian("compare", run_folder, f"again={run_folder}@heatmaps", *where)
    assert code == 0, err
    assert "first" in out  # the run's folder
    assert str(run_folder) not in out
    assert "+0.0 (+0.0 to +0.0)" in out
    code, _, err = vitruvian("report", run_folder, *where, "--out", tmp_path / "page", "--worst", 2)
    assert code == 0, err
    page = (tmp_path / "page" / "index.html").read_text()
    assert "training-loss.svg" in page
    assert page.count("worst-0-") == 2


def test_shapes_and_peaks(run_folder, vitruvian, tmp_path):
    data = f"lspet={small_lspet(tmp_path / 'data', 5)}"
    where = ("--data", data, "--subset", "all", "--device", "cpu", "--workers", 0)
    pasted = ("--occluders", 3, "--occluders-seed", 2)
    file = tmp_path / "e.json"
    code, out, err = vitruvian("eval", run_folder, *where, *pasted, "--peaks", "--json", file)
    assert code == 0, err
    assert "; occluders: 3 pasted on each person, seed 2;" in out
    assert "located joints whose heatmap has a second peak" in out
    assert "a second peak: a cell above 0.5 x the highest one" in out
    values = json.loads(file.read_text())
    assert values["peaks"]["sets"]["heatmaps"]["all joints"]["n"] == 5 * 14
    hidden = values["cuts"]["occlusion"]["occluded"]["n"]
    code, out, err = vitruvian("compare", run_folder, file, *where, *pasted, "--format", "json")
    assert code == 0, err
    one, other = json.loads(out)["rows"]
    assert one["cuts"]["occlusion"]["occluded"]["n"] == hidden > 0
    assert one["total"] == other["total"]
    code, _, err = vitruvian("compare", run_folder, file, *where)
    assert code == 1
    assert "cannot be compared: occluders is 'none' in the first" in err
    code, _, err = vitruvian(
        "report", run_folder, *where, *pasted, "--out", tmp_path / "page", "--worst", 0
    )
    assert code == 0, err
    assert "--occluders 3 --occluders-seed 2" in (tmp_path / "page" / "report.md").read_text()

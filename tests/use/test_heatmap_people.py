"""Which persons of a data set are drawn, with which labels; what the commands write."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import drawn
import mapped
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.skeleton import COCO, LSP
from vitruvian.types import State, UserError
from vitruvian.use.files import list_photos
from vitruvian.use.heatmap_people import evenly, see_people
from vitruvian.use.heatmaps import MapRunner, open_maps
from vitruvian.use.predict import Model, load

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mapped.write_parts(tmp_path_factory.mktemp("parts") / "model")


@pytest.fixture(scope="module")
def model(parts: Path) -> Model:
    return load(parts, "cpu")


@pytest.fixture(scope="module")
def run(model: Model) -> MapRunner:
    return open_maps(model, "cpu")


def people(**changes: object) -> People:
    return replace(figures(7, seed=2, side=64), **changes)  # type: ignore[arg-type]


# ---- persons -------------------------------------------------------------------------------------


def test_persons_are_taken_evenly() -> None:
    box = people().box.copy()
    box[2] = np.nan
    state = people().state.copy()
    state[5] = State.MISSING
    some = people(box=box, state=state)  # 0, 1, 3, 4 and 6 are labelled
    assert evenly(some, 3).tolist() == [0, 3, 6]
    assert evenly(some, 1).tolist() == [0]
    assert evenly(some, 99).tolist() == [0, 1, 3, 4, 6]
    with pytest.raises(UserError, match="nobody in this subset is labelled"):
        evenly(some.rows(np.array([2, 5])), 3)


def test_labels_are_those_of_the_crop(model: Model, run: MapRunner) -> None:
    some = people()
    found = list(see_people(model, run, some))
    assert [row for row, *_ in found] == list(range(7))
    for row, seen, truth in found:
        assert truth is not None
        located = some.state[row] >= State.OCCLUDED
        true = truth.xy_crop @ seen.to_image[:, :2].T + seen.to_image[:, 2]
        np.testing.assert_allclose(true[located], some.joints[row][located], atol=1e-3)
        np.testing.assert_array_equal(truth.state, some.state[row])


def test_labels_of_another_skeleton_go_by_name(model: Model, run: MapRunner) -> None:
    some = replace(figures(2, seed=2, side=64, skeleton=COCO))
    for row, _, truth in see_people(model, run, some):
        assert truth is not None
        for joint, name in enumerate(LSP.joint_names):
            known = name in COCO.joint_names
            expected = some.state[row, COCO.index(name)[0]] if known else State.UNDEFINED
            assert truth.state[joint] == expected


@pytest.mark.parametrize(
    ("of_model", "of_data", "drawn"),
    [("PC", "PC", True), ("PC", "OC", False), ("", "OC", True), ("OC", "", True)],
)
def test_labels_of_another_left_are_left_out(
    model: Model, run: MapRunner, of_model: str, of_data: str, drawn: bool
) -> None:
    meant = replace(model, info=model.info.model_copy(update={"convention": of_model}))
    some = people(convention=of_data).rows(np.array([0]))
    ((_, _, truth),) = see_people(meant, run, some)
    assert (truth is not None) == drawn


def test_photographs_that_cannot_be_read_are_left_out(model: Model, run: MapRunner) -> None:
    some = people()

    def photo(row: int, factor: int) -> tuple[np.ndarray, int]:
        if row in (0, 5):
            raise UserError(f"{row} is gone")
        return some.photo(row, factor)

    found = see_people(model, run, replace(some, photo=photo))
    assert [row for row, *_ in found] == [1, 2, 3, 4, 6]


# ---- commands ------------------------------------------------------------------------------------


def test_heatmaps_of_a_data_set(parts: Path, vitruvian: Command, tmp_path: Path) -> None:
    data = drawn.write_figures(tmp_path / "data", 6)
    out = tmp_path / "out"
    command = (
        "heatmaps",
        parts,
        "--data",
        data,
        "--subset",
        "all",
        "--count",
        3,
        "--device",
        "cpu",
    )
    code, _, err = vitruvian(*command, "--out", out, "--occluders", 5)
    assert code == 0, err
    assert "heatmaps of 3 persons" in err
    names = {f"person{i}{end}" for i in (1, 2, 3) for end in (".jpg", ".npz")}
    assert {file.name for file in out.iterdir()} == names | {"index.html"}
    page = (out / "index.html").read_text()
    assert page.count('class="wide"') == 3
    assert "f0.png" in page
    assert "5 pasted on each person, seed 0" in page
    picture = cv2.imread(str(out / "person1.jpg"))
    assert picture.shape[0] < picture.shape[1]
    code, _, err = vitruvian(*command, "--out", tmp_path / "plain")
    assert code == 0, err
    with np.load(out / "person2.npz") as file, np.load(tmp_path / "plain" / "person2.npz") as plain:
        np.testing.assert_array_equal(file["true_xy_image"], plain["true_xy_image"])
        assert (file["state"] == State.OCCLUDED).sum() > (plain["state"] == State.OCCLUDED).sum()
        assert np.abs(file["maps_regression"] - plain["maps_regression"]).max() > 0


def test_photographs_that_are_absent_are_told(
    parts: Path, vitruvian: Command, tmp_path: Path
) -> None:
    data = drawn.write_figures(tmp_path / "data", 3, pictures=False)
    code, _, err = vitruvian(
        "heatmaps", parts, "--data", data, "--subset", "all", "--out", tmp_path / "o"
    )
    assert code == 1
    assert "not one photograph could be read" in err
    assert err.count("\n") == 1


def test_what_has_no_heatmaps_is_one_line(
    parts: Path, vitruvian: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    out = tmp_path / "out"
    asked = ("--device", "cpu", "--out", out)
    monkeypatch.setattr("vitruvian.learn.runner.torch_maps", lambda *_: lambda *_: (0, 0, {}))
    for command in (
        ("predict", parts, tmp_path / "a.png", "--save-heatmaps"),
        ("heatmaps", parts, "--count", 1),
    ):
        code, _, err = vitruvian(*command, *asked)
        assert code == 1
        assert err == "error: parts has no heatmaps: system 'part_heatmaps' answers without them\n"
        assert not out.exists()
    code, _, err = vitruvian("heatmaps", parts, "--occluders-seed", 1, *asked)
    assert code == 1
    assert "give --occluders N" in err


def test_predict_saves_heatmaps(parts: Path, vitruvian: Command, tmp_path: Path) -> None:
    """Of two photographs of one name, three persons in one, and of none of its own pictures."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "deep/a.png", "none.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (50, 60, 3), np.uint8))
    boxes = tmp_path / "boxes.json"
    rows = [("a.png", [1, 2, 30, 40]), ("deep/a.png", [5, 5, 20, 20])]
    rows += [("deep/a.png", [20, 10, 30, 30]), ("deep/a.png", [0, 0, 60, 50])]
    listed = {
        "images": [
            {"id": i, "file_name": name}
            for i, name in enumerate(["a.png", "deep/a.png", "none.png"])
        ],
        "annotations": [{"image_id": name.count("/"), "bbox": box} for name, box in rows],
    }
    boxes.write_text(json.dumps(listed))
    out = tmp_path / "out"
    command = ("predict", parts, tmp_path, "--device", "cpu", "--out", out, "--save-heatmaps")
    for said in ("3 photographs in", "3 photographs, 3 of them before"):
        code, _, err = vitruvian(*command, "--boxes", boxes)
        assert code == 0, err
        assert said in err
        assert f"heatmaps  {out / 'heatmaps'}" in err
    stems = {"a-person1", "a-2-person1", "a-2-person2", "a-2-person3"}
    names = {f"{stem}{end}" for stem in stems for end in (".jpg", ".npz")}
    assert {file.name for file in (out / "heatmaps").iterdir()} == names | {
        "a-all.jpg",
        "a-2-all.jpg",
    }
    page = (out / "index.html").read_text()
    assert page.count('class="wide"') == 4
    assert page.count("all joints at once") == 2
    poses = json.loads((out / "poses.json").read_text())
    with np.load(out / "heatmaps" / "a-2-person2.npz") as file:
        found = np.array(poses[2]["keypoints"]).reshape(-1, 3)
        np.testing.assert_allclose(file["xy_image"], found[:, :2], atol=2e-3)
        np.testing.assert_allclose(file["score"], found[:, 2], atol=2e-3)
    assert len(list(list_photos([tmp_path], leave_out=(out,)))) == 3


def test_heatmaps_without_overlays(parts: Path, vitruvian: Command, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    out = tmp_path / "out"
    code, _, err = vitruvian("predict", parts, tmp_path / "a.png", "--device", "cpu", "--out", out,
                          "--no-overlays", "--save-heatmaps", "--flip")  # fmt: skip
    assert code == 0, err
    assert {file.name for file in out.iterdir()} == {"heatmaps", "poses.json", ".finished.jsonl"}
    assert (out / "heatmaps" / "a-person1.npz").exists()

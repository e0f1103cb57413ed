"""From a run to a folder in 8 bits and to one file: what it costs is measured, what it is, written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from vitruvian.draw import write_image
from vitruvian.learn import ship, sources
from vitruvian.learn.exporting import Request, export
from vitruvian.learn.run import Options, run
from vitruvian.models import read_model
from vitruvian.types import UserError
from vitruvian.use.predict import load

SMALL = (
    "config.crop=[32, 64]", "config.channels=[4, 4, 4, 4]", "config.width=4", "config.inner=4",
    "fits.0.batch=8", "fits.0.steps=4", "evaluate_every=100", "precision=fp32",
)  # fmt: skip


@pytest.fixture(scope="module")
def fewer_figures() -> Iterator[None]:
    made = sources.figures
    with pytest.MonkeyPatch.context() as patch:
        for module in ("sources", "ship"):
            patch.setattr(
                f"vitruvian.learn.{module}.figures", lambda skeleton: made(40, 1, skeleton, 64)
            )
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, fewer_figures: None) -> Path:
    """A run of four steps on rendered figures, and `int8/` that is made of it."""
    path = tmp_path_factory.mktemp("exporting")
    run(Options("resnet_fcn/compact", path / "run", SMALL, device="cpu", workers=0, quiet=True))
    export(Request(str(path / "run"), path / "int8", int8=True, workers=0))
    return path


@pytest.mark.slow
def test_a_folder_in_8_bits_says_what_it_costs(folder: Path) -> None:
    info = read_model(folder / "int8")
    assert info.int8 is not None
    assert (info.int8["data"], info.int8["subset"]) == ("figures", "tune")
    assert info.int8["calibrated"] == "25 crops of figures train"
    change = info.int8["after"]["value"] - info.int8["before"]["value"]
    assert info.int8["difference"]["value"] == pytest.approx(change)
    assert info.int8["difference"]["low"] <= change <= info.int8["difference"]["high"]
    assert info.parity is not None
    assert info.parity["against"] == "float32"
    text = (folder / "int8" / "README.md").read_text()
    assert "## In 8 bits" in text
    assert "| this folder's graph |" not in text
    poses = load(folder / "int8").predict(np.zeros((50, 40, 3), np.uint8), flip=True)
    assert poses.xy.shape == (1, 14, 2)


@pytest.mark.slow
def test_one_file_says_what_it_answers(folder: Path, tmp_path: Path) -> None:
    export(Request(str(folder / "int8"), tmp_path / "pose.onnx", flip=True))
    assert [path.name for path in tmp_path.iterdir()] == ["pose.onnx"]
    props = {p.key: p.value for p in onnx.load(tmp_path / "pose.onnx").metadata_props}
    assert props["joints"].split(",")[:2] == ["right_ankle", "right_knee"]
    assert (props["model"], props["bits"]) == ("resnet_fcn/compact", "8")
    session = onnxruntime.InferenceSession(tmp_path / "pose.onnx")
    image = np.random.default_rng(0).integers(0, 256, (3, 32, 64, 3), np.uint8)
    xy, _ = session.run(["xy", "score"], {"image": image})
    assert np.array_equal(xy, load(folder / "int8").runner(image, True)[0])


def test_the_flip_graph_of_a_folder_becomes_whole(tmp_path: Path) -> None:
    """It points into the folder's weights; the one file has them inside."""
    export(Request("default", tmp_path / "pose.onnx", flip=True))
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    shutil.move(tmp_path / "pose.onnx", alone / "pose.onnx")
    session = onnxruntime.InferenceSession(alone / "pose.onnx")
    model = load("default")
    image = np.random.default_rng(0).integers(0, 256, (1, *model.info.crop, 3), np.uint8)
    xy, _ = session.run(["xy", "score"], {"image": image})
    assert np.abs(xy - model.runner(image, True)[0]).max() < 1e-3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"source": "default"}, "is no run: of a model folder there is --int8"),
        ({"source": "nothing"}, "nothing does not exist: give the --out of a training"),
        ({"source": "."}, "is neither a run nor a model folder"),
        ({"source": "default", "int8": True, "precision": "int8"}, "and default is a model: leave"),
        ({"source": "default", "int8": True}, "add --data NAME=PATH"),
        ({"source": "default", "flip": True}, "--out NAME.onnx"),
        ({"source": "nothing", "int8": True}, "no model 'nothing'"),
    ],
)
def test_what_cannot_be_made(tmp_path: Path, more: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        export(Request(**{"out": tmp_path / "x", **more}))
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("fewer_figures")
def test_of_one_file_parity_alone_is_measured(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        pytest.fail("scored")

    for name in ("choose", "evaluate", "score_people"):
        monkeypatch.setattr(ship, name, never)
    export(Request(str(folder / "run"), tmp_path / "pose.onnx", workers=0))
    assert "graph against net: joints 0.0" in capfd.readouterr().err
    session = onnxruntime.InferenceSession(tmp_path / "pose.onnx")
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 64, 3), np.uint8)
    xy, _ = session.run(["xy", "score"], {"image": image})
    assert np.abs(xy - load(folder / "run", "cpu").runner(image, False)[0]).max() < 0.1
    with pytest.raises(pytest.fail.Exception, match="scored"):  # a folder says how good it is
        export(Request(str(folder / "run"), tmp_path / "model", workers=0))


@pytest.mark.slow
def test_8_bits_are_not_made_of_8_bits(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="in 8 bits already"):
        export(Request(str(folder / "int8"), tmp_path / "x", data="coco=none", int8=True))


def test_the_page_says_how_one_file_is_used(tmp_path: Path, monkeypatch) -> None:
    """Its code alone answers what `predict` does: a box that leaves the photograph, wide or tall."""
    page = Path(__file__).parents[2] / "docs" / "export.md"
    code = page.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    assert "x, y, w, h = 20, 30, 90, 70" in code
    export(Request("default", tmp_path / "pose.onnx"))
    photo = np.random.default_rng(3).integers(0, 256, (110, 90, 3), np.uint8)
    write_image(tmp_path / "photo.png", photo)
    monkeypatch.chdir(tmp_path)
    for box in ((20, 30, 90, 70), (5, 8, 31, 77)):
        found: dict[str, np.ndarray] = {}
        exec(code.replace("20, 30, 90, 70", ", ".join(map(str, box))), found)
        expected = load("default").predict(photo, [box])
        assert np.abs(found["xy_image"] - expected.xy[0]).max() < 1e-3

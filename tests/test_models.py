"""Model folders: whole or not there, verified, and found by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vitruvian import models
from vitruvian.models import (
    CONFIG,
    FLIP_GRAPH,
    GRAPH,
    WEIGHTS,
    ModelInfo,
    Preprocessing,
    bundled,
    find_model,
    read_model,
    read_weights,
    write_model,
)
from vitruvian.skeleton import COCO, LSP, Skeleton
from vitruvian.types import UserError

TENSORS = {
    "w": np.arange(6, dtype=np.float16).reshape(2, 3),
    "view": np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2].T,
    "count": np.array(7, np.int64),
}
GRAPHS = {GRAPH: b"graph", FLIP_GRAPH: b"flipped"}


def info(
    name: str = "resnet_fcn/compact", total: float = 50.0, skeleton: Skeleton = LSP
) -> ModelInfo:
    return ModelInfo(
        name=name,
        system="resnet_fcn",
        config={"crop": [256, 192]},
        skeleton=skeleton,
        preprocessing=Preprocessing(crop=(256, 192)),
        recipe={"fits": [{"stage": "heatmaps"}]},
        parameters=1000,
        gmacs=0.5,
        data=({"name": "lspet", "rows": 9000, "licence": "research"},),
        scores=({"protocol": "pck", "total": {"value": total}},),
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def told(folder: Path) -> str:
    """The one line that the reader of a folder gets."""
    with pytest.raises(UserError) as caught:
        read_model(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("skeleton", [LSP, COCO, Skeleton("hand", ("wrist", "thumb"))])
@pytest.mark.parametrize("graphs", [None, GRAPHS])
def test_round_trip(tmp_path: Path, skeleton: Skeleton, graphs: dict[str, bytes] | None) -> None:
    folder = tmp_path / "some" / "model"
    written = write_model(folder, info(skeleton=skeleton), TENSORS, graphs, "# Card")
    read = read_model(folder)
    assert read == written
    assert read.skeleton == skeleton
    assert read.crop == (256, 192)
    assert set(contents(folder)) == {WEIGHTS, CONFIG, "README.md", *(graphs or {})}
    weights = read_weights(folder)
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(weights[name], tensor)
    assert weights["w"].dtype == np.float32
    assert weights["count"].dtype == np.int64
    assert os.stat(folder).st_mode & 0o055 == 0o055
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_config_is_plain_json(tmp_path: Path) -> None:
    write_model(tmp_path / "m", info(), TENSORS, None, "")
    values = json.loads((tmp_path / "m" / CONFIG).read_text())
    assert values["format"] == 1
    assert values["skeleton"] == LSP.to_dict()
    assert values["preprocessing"] == {
        "crop": [256, 192], "margin": 1.25, "input": "uint8 RGB (B, H, W, 3)",
    }  # fmt: skip
    assert values["predict"] == {
        "passes": 2,
        "threshold": 0.3,
        "upto": None,
        "face_factor": None,
        "box_threshold": 0.15,
    }
    assert values["parity"] is None
    assert values["files"][WEIGHTS]["bytes"] == (tmp_path / "m" / WEIGHTS).stat().st_size


@pytest.mark.parametrize("name", [WEIGHTS, GRAPH, FLIP_GRAPH])
@pytest.mark.parametrize("harm", ["truncate", "tamper", "remove"])
def test_harmed_files_are_named(tmp_path: Path, name: str, harm: str) -> None:
    folder = tmp_path / "m"
    write_model(folder, info(), TENSORS, GRAPHS, "")
    path = folder / name
    data = bytearray(path.read_bytes())
    if harm == "truncate":
        path.write_bytes(data[:-1])
    elif harm == "tamper":
        data[-1] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
    message = told(folder)
    assert name in message
    assert "copy the model again" in message


def test_a_graph_that_is_not_listed(tmp_path: Path) -> None:
    write_model(tmp_path / "m", info(), TENSORS, None, "")
    (tmp_path / "m" / GRAPH).write_bytes(b"smuggled")
    assert "not listed" in told(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format 2"),
        ({"surprise": 1}, "surprise"),
        ({"parameters": "many"}, "parameters"),
        ({"skeleton": {"name": "x"}}, "skeleton"),
        ({"files": {}}, "does not list"),
        ({"files": {"../evil": {"sha256": "", "bytes": 0}}}, "files"),
    ],
)
def test_wrong_configs(tmp_path: Path, change: dict[str, object], words: str) -> None:
    folder = tmp_path / "m"
    write_model(folder, info(), TENSORS, None, "")
    values = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(values | change))
    assert words in told(folder)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00\xff"])
def test_configs_that_are_none(tmp_path: Path, text: str) -> None:
    write_model(tmp_path / "m", info(), TENSORS, None, "")
    (tmp_path / "m" / CONFIG).write_text(text)
    assert CONFIG in told(tmp_path / "m")


def test_weights_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=WEIGHTS):
        read_weights(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"\x80\x04pickle")
    with pytest.raises(UserError, match=WEIGHTS):
        read_weights(tmp_path)


# ---- overwriting ---------------------------------------------------------------------------------


def test_a_model_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    write_model(folder, info(), TENSORS, GRAPHS, "old")
    write_model(folder, info("other"), TENSORS, None, "new")
    assert read_model(folder).name == "other"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"1")
    (tmp_path / "file").write_bytes(b"1")
    write_model(tmp_path / "m", info(), TENSORS, None, "")
    (tmp_path / "m" / "notes.txt").write_text("mine")
    for name in ("photos", "file", "m"):
        with pytest.raises(UserError, match="give another folder"):
            write_model(tmp_path / name, info("other"), TENSORS, None, "")
    assert (tmp_path / "photos" / "a.jpg").exists()
    assert read_model(tmp_path / "m").name == info().name
    (tmp_path / "empty").mkdir()
    write_model(tmp_path / "empty", info(), TENSORS, None, "")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_while_renaming_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int, error: BaseException
) -> None:
    folder = tmp_path / "m"
    write_model(folder, info(), TENSORS, GRAPHS, "old")
    before, calls, replace = contents(folder), [], os.replace

    def fails(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == call:
            raise error
        replace(source, target)

    monkeypatch.setattr(models.os, "replace", fails)
    with pytest.raises(UserError if isinstance(error, OSError) else KeyboardInterrupt):
        write_model(folder, info("other"), TENSORS, None, "new")
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


KILLED = """
import os, sys
import numpy as np
from pathlib import Path
from vitruvian import models
folder, function, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
calls, real = [], getattr(os, function)
def killed(*arguments, **options):
    calls.append(1)
    if len(calls) == number:
        os._exit(9)
    return real(*arguments, **options)
setattr(os, function, killed)
info = models.read_model(folder).model_copy(update={"name": "new"})
models.write_model(folder, info, {"w": np.zeros(3, np.float32)}, None, "new")
"""


@pytest.mark.parametrize(
    ("function", "number", "expected"),
    [("fsync", 1, "old"), ("fsync", 4, "old"), ("replace", 1, "old"), ("replace", 2, "old"),
     ("fsync", 5, "new"), ("replace", 9, "new")],
)  # fmt: skip
def test_a_kill_leaves_the_old_or_the_new(
    tmp_path: Path, function: str, number: int, expected: str
) -> None:
    folder = tmp_path / "m"
    write_model(folder, info("old"), TENSORS, GRAPHS, "old")
    command = [sys.executable, "-c", KILLED, str(folder), function, str(number)]
    assert subprocess.run(command, check=False).returncode == (0 if number == 9 else 9)
    assert find_model(folder) == folder
    assert read_model(folder).name == expected
    write_model(folder, info("next"), TENSORS, None, "")
    assert read_model(folder).name == "next"


# ---- finding -------------------------------------------------------------------------------------


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bundled"
    for name, total in (("resnet_fcn/compact", 50.0), ("deeppose/compact", 61.5), ("x/y", 9.0)):
        write_model(folder / name.replace("/", "-"), info(name, total), TENSORS, None, "")
    monkeypatch.setattr(models, "BUNDLED", folder)
    return folder


def test_bundled_models_have_names(shipped: Path) -> None:
    assert bundled() == {
        "resnet_fcn/compact": shipped / "resnet_fcn-compact",
        "deeppose/compact": shipped / "deeppose-compact",
        "x/y": shipped / "x-y",
    }
    assert find_model("x/y") == shipped / "x-y"
    assert find_model("default") == shipped / "deeppose-compact"


def test_folders_and_runs(shipped: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "run" / "model", info("mine"), TENSORS, None, "")
    assert find_model(tmp_path / "run") == tmp_path / "run" / "model"
    assert find_model(str(tmp_path / "run" / "model")) == tmp_path / "run" / "model"


def test_names_that_are_none(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nearest: 'resnet_fcn/compact'"):
        find_model("resnet_fcn/compct")
    with pytest.raises(UserError, match=r"is no model folder: .*: give the --out of a training"):
        find_model(tmp_path)
    write_model(tmp_path / "own" / "run" / "model", info("mine"), TENSORS, None, "")
    with pytest.raises(UserError, match=r"is no model folder: .*: give .*own/run/model$"):
        find_model(tmp_path / "own")


def test_a_file_is_no_model(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.onnx").touch()
    with pytest.raises(
        UserError, match=r"x.onnx is a file, .*: give one, or a bundled model's name$"
    ):
        find_model(tmp_path / "x.onnx")
    folder = shipped / "x-y"
    monkeypatch.chdir(folder)
    for name in (folder / "config.json", "config.json"):
        with pytest.raises(UserError, match=rf"is a file, .*: give its folder, {folder}$"):
            find_model(name)


def test_nothing_is_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "BUNDLED", tmp_path / "none")
    assert bundled() == {}
    with pytest.raises(UserError, match="none comes with"):
        find_model("default")

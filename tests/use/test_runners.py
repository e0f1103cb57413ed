"""Model folders and names as runners: ONNX without torch, torch where it is asked for."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from dots import INFO
from vitruvian.models import FLIP_GRAPH, GRAPH, write_model
from vitruvian.types import UserError
from vitruvian.use.predict import load
from vitruvian.use.runners import onnx_runner, open_runner


def tiny_graph(flipped: bool = False) -> bytes:
    """xy = (mean of red, mean of green), score = mean of blue / 255, in three joints."""
    constants = {
        "axes": np.array([1, 2]),
        "scale": np.array(255, np.float32),
        "from": np.array([0]), "two": np.array([2]), "three": np.array([3]), "last": np.array([1]),
        "sign": np.array(-1 if flipped else 1, np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Slice", ["mean", "from", "two", "last"], ["first"]),
        helper.make_node("Mul", ["first", "sign"], ["signed"]),
        helper.make_node("Unsqueeze", ["signed", "last"], ["one"]),
        helper.make_node("Concat", ["one", "one", "one"], ["xy"], axis=1),
        helper.make_node("Slice", ["mean", "two", "three", "last"], ["blue"]),
        helper.make_node("Div", ["blue", "scale"], ["share"]),
        helper.make_node("Concat", ["share", "share", "share"], ["score"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", "H", "W", 3])],
        [
            helper.make_tensor_value_info("xy", TensorProto.FLOAT, ["B", 3, 2]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["B", 3]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    graphs = {GRAPH: tiny_graph(), FLIP_GRAPH: tiny_graph(flipped=True)}
    write_model(tmp_path / "model", INFO, {"w": np.zeros(1, np.float32)}, graphs, "")
    return tmp_path / "model"


@pytest.mark.parametrize("count", [1, 5])
def test_onnx_runner(model_folder: Path, count: int) -> None:
    crops = np.zeros((count, 64, 48, 3), np.uint8)
    crops[..., 0], crops[..., 1], crops[..., 2] = 20, 10, 51
    run = onnx_runner(model_folder, threads=1)
    for flip in (False, True, np.bool_(True)):
        xy, score = run(crops, bool(flip))
        np.testing.assert_allclose(xy, np.broadcast_to([20, 10], (count, 3, 2)) * (1 - 2 * flip))
        np.testing.assert_allclose(score, np.full((count, 3), 0.2))
        assert xy.dtype == score.dtype == np.float32


def test_load_and_predict(model_folder: Path) -> None:
    model = load(model_folder)
    photo = np.zeros((64, 48, 3), np.uint8)
    photo[..., 0], photo[..., 1] = 20, 10
    np.testing.assert_allclose(model.predict(photo).xy, np.broadcast_to([20, 10], (1, 3, 2)))
    assert model.folder == model_folder
    assert load(model_folder.parent).folder == model_folder


def test_other_settings_of_predicting_keep_the_graph(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert load(f"{model_folder}@predict.passes=3").info.predict.passes == 3
    for setting, words in {
        "predict.passes=9": r"predict\.passes: input should be less",
        "predict.pases=1": "nearest: 'passes'",
        "recipe.seed=1": "no key 'recipe'; nearest: 'predict'",
    }.items():
        with pytest.raises(UserError, match=words):
            load(f"{model_folder}@{setting}")


def test_other_settings_of_the_config_are_those_of_the_net() -> None:
    """Without an offset within a cell, all answers lie on one lattice of 4 px."""
    crops = np.random.default_rng(3).integers(0, 256, (2, 96, 64, 3), np.uint8)
    places = []
    for settings in ("@config.crop=[96,64]", "@config.crop=[96,64]@config.offset=none"):
        model = load(f"resnet_fcn/compact{settings}", "cpu")
        assert model.info.crop == (96, 64)
        places.append(np.unique(np.mod(model.runner(crops, False)[0], 4)))
    assert len(places[1]) == 1 < len(places[0])
    with pytest.raises(UserError, match=r"config\.offset: input should be 'none'"):
        load("resnet_fcn/compact@config.offset=half", "cpu")


def test_graphs_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.onnx does not exist"):
        onnx_runner(tmp_path)
    (tmp_path / GRAPH).write_bytes(b"none")
    with pytest.raises(UserError, match=r"model\.onnx is damaged"):
        onnx_runner(tmp_path)


def test_torch_is_asked_for_only_when_needed(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "vitruvian.learn.runner", raising=False)
    load(model_folder, "cpu")
    with pytest.raises(UserError, match=r"pip install 'vitruvian\[train\]'"):
        load(model_folder, "cuda")
    with pytest.raises(UserError, match=r"has no model\.onnx, so torch"):
        open_runner(model_folder, INFO, "auto")


def test_predicting_imports_no_torch(model_folder: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from vitruvian.use.predict import load\n"
        "from vitruvian.use import page, files\n"
        "load(sys.argv[1]).predict(np.zeros((9, 9, 3), np.uint8))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(model_folder)], check=True)


def test_a_model_is_told_in_a_line() -> None:
    said = repr(load("resnet_fcn/compact"))
    assert said.startswith("Model('resnet_fcn/compact', 14 joints, crops of 160x160 px, 2,1")
    assert len(said) < 300


def test_a_model_goes_to_another_process(model_folder: Path) -> None:
    model = load(f"{model_folder}@predict.passes=1")
    photo = np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        poses = other.submit(model.predict, photo).result()
    assert np.array_equal(poses.xy, model.predict(photo).xy)
    assert pickle.loads(pickle.dumps(model)).info.predict.passes == 1

"""Detectors as tiny ONNX files with the outputs of the real ones; they answer what is written into them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from vitruvian.types import UserError
from vitruvian.use.detect import (
    kept,
    letterbox,
    onnx_detector,
    open_detector,
    open_finder,
    taken_by_auto,
    yolox_boxes,
)

H, W = 64, 96  # of the nets' inputs
CELLS = 8 * 12 + 4 * 6 + 2 * 3


def constant_net(
    path: Path, outputs: dict[str, np.ndarray], sizes: bool = False, shape: tuple = (1, 3, H, W)
) -> Path:
    """A net that answers these outputs for every image."""
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)]
    if sizes:
        inputs.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [1, 2]))
    kinds = {"f": TensorProto.FLOAT, "i": TensorProto.INT64}
    nodes = [helper.make_node("Identity", [f"{name}_is"], [name]) for name in outputs]
    graph = helper.make_graph(
        nodes, "constant", inputs,
        [helper.make_tensor_value_info(n, kinds[v.dtype.kind], v.shape) for n, v in outputs.items()],
        [numpy_helper.from_array(value, f"{name}_is") for name, value in outputs.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def bright_net(path: Path) -> Path:
    """RT-DETR's form: the photograph's own size as one box, the mean of red in the input as its score."""
    inputs = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, H, W]),
        helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["N", 2]),
    ]
    constants = {
        "zeros": np.zeros((1, 2), np.float32), "none": np.zeros((1, 1), np.int64),
        "axes": np.array([1]), "red": np.array([0]), "space": np.array([2, 3]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["orig_target_sizes"], ["wh"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["zeros", "wh"], ["corners"], axis=1),
        helper.make_node("Unsqueeze", ["corners", "axes"], ["boxes"]),
        helper.make_node("Identity", ["none"], ["labels"]),
        helper.make_node("Gather", ["images", "red"], ["one"], axis=1),
        helper.make_node("ReduceMean", ["one", "space"], ["scores"], keepdims=0),
    ]
    outputs = [
        helper.make_tensor_value_info("labels", TensorProto.INT64, [1, 1]),
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 1, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1]),
    ]
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "bright", inputs, outputs, initial)
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def yolox(raw: bool) -> np.ndarray:
    """Person A in the third cell of the second row of stride 8, B in the last cell of stride 32.

    A: centre (20, 12), 16 x 8 px, 0.9 * 0.8. B: centre (80, 48), 32 x 32 px, 0.6. A dog stands at 0.
    """
    values = np.zeros((1, CELLS, 5 + 2), np.float32)
    if not raw:
        for start, stride in ((0, 8), (96, 16), (120, 32)):
            y, x = np.indices((H // stride, W // stride)).reshape(2, -1)
            cells = slice(start, start + len(x))
            values[0, cells, 0], values[0, cells, 1] = (x + 0.5) * stride, (y + 0.5) * stride
            values[0, cells, 2:4] = stride
    a, b = 12 + 2, CELLS - 1
    if raw:
        values[0, a, :4] = 0.5, 0.5, np.log(2), 0
        values[0, b, :4] = 0.5, 0.5, 0, 0
    else:
        values[0, a, :4] = 20, 12, 16, 8
        values[0, b, :4] = 80, 48, 32, 32
    values[0, a, 4:] = 0.9, 0.8, 0.1
    values[0, b, 4:] = 1, 0.6, 0.2
    values[0, 0, 4:] = 1, 0.05, 0.9
    return values


@pytest.mark.parametrize("raw", [True, False])
def test_yolox(tmp_path: Path, raw: bool) -> None:
    """A photograph of 128 x 192 px is shown at half its size: all is twice as large in it."""
    path = constant_net(tmp_path / "yolox.onnx", {"output": yolox(raw)})
    detector = onnx_detector(path)
    assert detector.name == "yolox.onnx"
    ((boxes, score),) = detector([np.zeros((2 * H, 2 * W, 3), np.uint8)])
    np.testing.assert_allclose(boxes, [[23.5, 15.5, 32, 16], [127.5, 63.5, 64, 64]], atol=1e-3)
    np.testing.assert_allclose(score, [0.72, 0.6], rtol=1e-5)


def test_a_photograph_of_another_aspect(tmp_path: Path) -> None:
    """128 x 96 px go in at half their size, too; what lies beyond their edge is cut off."""
    detector = onnx_detector(constant_net(tmp_path / "y.onnx", {"output": yolox(True)}), 0.1)
    ((boxes, score),) = detector([np.zeros((128, 96, 3), np.uint8)])
    np.testing.assert_allclose(boxes, [[23.5, 15.5, 32, 16]], atol=1e-3)
    assert len(score) == 1


def test_letterbox() -> None:
    photo = np.full((100, 50, 3), (10, 20, 30), np.uint8)
    crop, scale = letterbox(photo, H, W)
    assert scale == 0.64
    assert crop.shape == (1, 3, H, W)
    assert crop.dtype == np.float32
    assert crop[0, :, 30, 10].tolist() == [30, 20, 10]  # BGR
    assert crop[0, :, 63, 31].tolist() == [30, 20, 10]
    assert crop[0, :, 10, 32].tolist() == [114, 114, 114]


def test_yolox_with_four_strides() -> None:
    cells = 16 * 16 + 8 * 8 + 4 * 4 + 2 * 2
    values = np.zeros((1, cells, 6), np.float32)
    values[0, -1] = 0.5, 0.25, np.log(0.5), 0, 1, 1
    corners, score = yolox_boxes([values], (128, 128))
    np.testing.assert_allclose(corners[-1], [80, 48, 112, 112])
    assert score[-1] == 1


def test_yolox_with_its_own_suppression(tmp_path: Path) -> None:
    dets = np.array([[[10, 20, 30, 60, 0.9], [0, 0, 9, 9, 0.8], [5, 5, 25, 45, 0.3]]], np.float32)
    outputs = {"dets": dets, "labels": np.array([[0, 3, 0]])}
    ((boxes, score),) = onnx_detector(constant_net(tmp_path / "d.onnx", outputs))(
        [np.zeros((H, W, 3), np.uint8)]
    )
    np.testing.assert_allclose(boxes, [[9.5, 19.5, 20, 40]])
    assert score.tolist() == [np.float32(0.9)]


def test_rt_detr_is_told_the_photographs_size(tmp_path: Path) -> None:
    detector = onnx_detector(bright_net(tmp_path / "rtdetr.onnx"), 0.1)
    photo = np.zeros((30, 70, 3), np.uint8)
    photo[..., 0] = 51
    ((boxes, score), (none, _)) = detector([photo, 0 * photo])
    np.testing.assert_allclose(boxes, [[-0.5, -0.5, 70, 30]])
    np.testing.assert_allclose(score, [0.2], rtol=1e-5)
    assert none.shape == (0, 4)


def test_rt_detr_that_is_not_told(tmp_path: Path) -> None:
    """Boxes are then in px of its input, 96 x 64; a photograph of 192 x 32 px is twice and half that."""
    outputs = {
        "labels": np.array([[1, 0, 0]]),
        "boxes": np.array([[[0, 0, 9, 9], [10, 20, 30, 60], [50, 8, 70, 40]]], np.float32),
        "scores": np.array([[0.99, 0.6, 0.7]], np.float32),
    }
    ((boxes, score),) = onnx_detector(constant_net(tmp_path / "r.onnx", outputs))(
        [np.zeros((32, 192, 3), np.uint8)]
    )
    np.testing.assert_allclose(boxes, [[99.5, 3.5, 40, 16], [19.5, 9.5, 40, 20]])
    np.testing.assert_allclose(score, [0.7, 0.6])


def test_rt_detr_before_its_last_step(tmp_path: Path) -> None:
    """No suppression: such a net gives each person once."""
    outputs = {
        "logits": np.array([[[0, -9], [-9, 5], [np.log(3), -9]]], np.float32),
        "pred_boxes": np.array([[[0.5, 0.5, 0.2, 0.4], [0.1, 0.1, 0.1, 0.1], [0.5, 0.5, 0.25, 0.4]]],
                               np.float32),
    }  # fmt: skip
    ((boxes, score),) = onnx_detector(constant_net(tmp_path / "r.onnx", outputs))(
        [np.zeros((50, 200, 3), np.uint8)]
    )
    np.testing.assert_allclose(boxes, [[74.5, 14.5, 50, 20], [79.5, 14.5, 40, 20]], atol=1e-4)
    np.testing.assert_allclose(score, [0.75, 0.5])


def test_of_boxes_that_overlap_the_best_is_kept() -> None:
    corners = np.array(
        [[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 5], [-5, 2, 99, 4], [3, 3, 3.5, 9]]
    )
    boxes, score = kept(corners, np.array([0.8, 0.9, 0.7, 0.6, 0.9]), (10, 20), 0.5, 0.65)
    np.testing.assert_allclose(
        boxes, [[-0.5, -0.5, 10, 9], [-0.5, -0.5, 10, 5], [-0.5, 1.5, 20, 2]]
    )
    np.testing.assert_allclose(score, [0.9, 0.7, 0.6])


def test_files_that_are_no_detectors(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("none")
    three = {name: np.zeros((1, 2), np.float32) for name in "abc"}
    flat = constant_net(tmp_path / "flat.onnx", {"xy": np.zeros((1, 14, 2), np.float32)})
    columns = np.ascontiguousarray(yolox(False).transpose(0, 2, 1))  # as later families of YOLO
    turned = constant_net(tmp_path / "turned.onnx", {"o": columns})
    for path, words in (
        (tmp_path / "none.onnx", "does not exist"),
        (tmp_path / "text.onnx", "is damaged"),
        (constant_net(tmp_path / "three.onnx", three), "outputs are a, b, c"),
        (constant_net(tmp_path / "in.onnx", {"o": yolox(True)}, shape=(1, H, W, 4)), "its input"),
        (constant_net(tmp_path / "vector.onnx", {"o": yolox(True)}, shape=(1, 9)), "its input"),
        (flat, r"shapes \(1, 14, 2\)"),
        (turned, r"shape \(1, 7, 126\), and YOLOX gives a row for each cell"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            open_detector(str(path))([np.zeros((9, 9, 3), np.uint8)])  # type: ignore[misc]
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_without_torch_there_are_files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "vitruvian.learn.detector", raising=False)
    assert open_detector("auto") is None
    with pytest.raises(UserError, match="so torch is needed"):
        open_detector("torchvision")
    with pytest.raises(UserError, match="faces are no detector"):
        open_detector("face")
    assert open_finder("face") == (None, True)
    assert open_finder("none") == open_finder(None) == (None, False)
    faces = find_spec("skimage") is not None
    assert open_finder("auto") == (None, faces)
    assert taken_by_auto() == ("face" if faces else "none")


def test_a_detector_is_asked_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    learn = SimpleNamespace(
        torch_detector=lambda *what: asked.append(what), best_cached=lambda: "fcos_resnet50_fpn"
    )
    monkeypatch.setitem(sys.modules, "vitruvian.learn.detector", learn)  # type: ignore[arg-type]
    open_detector("ssdlite320_mobilenet_v3_large", 0.25, "cpu")
    assert asked == [("ssdlite320_mobilenet_v3_large", 0.25, "cpu")]
    assert taken_by_auto() == "fcos_resnet50_fpn"

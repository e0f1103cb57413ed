"""Convolutions in 8 bits, and everything that a coordinate is made of in single precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from battery import SMALL
from test_export_photos import VARIANT, awake
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.synthetic import figures
from vitruvian.export import to_onnx
from vitruvian.learn.int8 import in_8_bits, to_int8
from vitruvian.learn.runner import system_and_config
from vitruvian.skeleton import LSP
from vitruvian.systems import SYSTEMS
from vitruvian.types import UserError


def graph(nodes: Sequence[tuple[str, list[str], str]], ends: Sequence[str]) -> onnx.ModelProto:
    """A graph of nodes (op, inputs, output), each named by its output; `w...` are learned weights."""
    learned = sorted({name for _, inputs, _ in nodes for name in inputs if name.startswith("w")})
    return helper.make_model(
        helper.make_graph(
            [helper.make_node(op, inputs, [output], output) for op, inputs, output in nodes],
            "g",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, None)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ends],
            [numpy_helper.from_array(np.ones((2, 2, 1, 1), np.float32), name) for name in learned],
        )
    )


def test_a_residual_block_between_layers() -> None:
    nodes = [
        ("Div", ["image", "c"], "normal"),
        ("Conv", ["normal", "w1"], "a"),
        ("Relu", ["a"], "b"),
        ("Conv", ["b", "w2"], "c2"),
        ("Add", ["b", "c2"], "d"),
        ("Conv", ["d", "w3"], "head"),
        ("Softmax", ["head"], "maps"),
        ("Add", ["maps", "c"], "xy"),
    ]
    assert in_8_bits(graph(nodes, ["xy"])) == ["a", "b", "c2", "d"]


def test_a_layer_whose_answer_is_read_on_the_way_keeps_its_precision() -> None:
    """A cascade: the first pose decides where the second looks."""
    nodes = [
        ("Conv", ["image", "w1"], "a"),
        ("Conv", ["a", "w2"], "pose"),
        ("GridSample", ["image", "pose"], "window"),
        ("Conv", ["window", "w3"], "e"),
        ("Relu", ["e"], "f"),
        ("Gemm", ["f", "w4"], "shift"),
        ("Add", ["pose", "shift"], "xy"),
    ]
    assert in_8_bits(graph(nodes, ["xy"])) == ["a", "e", "f"]


def test_what_is_an_output_too_and_what_has_no_learned_weights() -> None:
    nodes = [
        ("Conv", ["image", "w1"], "a"),
        ("Conv", ["a", "w2"], "maps"),
        ("Conv", ["maps", "w3"], "b"),
        ("MatMul", ["b", "b"], "c"),
        ("Conv", ["c", "w4"], "xy"),
    ]
    assert in_8_bits(graph(nodes, ["maps", "xy"])) == ["a"]


def crops(crop: tuple[int, int]) -> np.ndarray:
    people = figures(8, 1, LSP, side=96)
    return next(plain_crops(people, people.box, *crop, 8, Skipped())).image


def run(model: bytes, image: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    answer: list[Any] = session.run(["xy", "score"], {"image": image})
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_in_8_bits(name: str, tmp_path: Path) -> None:
    """Weights in 8 bits, nothing of the decoding, any batch size.

    Where the joints of nets come that have learnt nothing says nothing: their heatmaps are flat. Scores are
    the heights of these, and stay.
    """
    system, config = system_and_config(name, SMALL[name][VARIANT.get(name, 0)], "SMALL")
    plain = to_onnx(system, awake(system, config))
    (tmp_path / "model.onnx").write_bytes(plain)
    image = crops(config.crop)
    made = to_int8(tmp_path / "model.onnx", image)
    model = onnx.load_from_string(made)
    weights = [t for t in model.graph.initializer if t.data_type == TensorProto.INT8]
    assert sum(len(tensor.dims) > 1 for tensor in weights) > 3
    readers: dict[str, set[str]] = {}
    for node in model.graph.node:
        for value in node.input:
            readers.setdefault(value, set()).add(node.op_type)
    ends = [node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    decoding = {"ArgMax", "Div", "GridSample", "Mul", "ReduceSum", "Sigmoid", "Softmax", "Sub"}
    assert not set().union(*(readers.get(end, set()) for end in ends)) & decoding
    for count in (1, 3):
        (xy, score), (xy8, score8) = run(plain, image[:count]), run(made, image[:count])
        assert xy8.shape == xy.shape
        assert xy8.dtype == np.float32
        assert np.isfinite(xy8).all()
        assert np.median(np.abs(score8 - score)) < 0.02
    assert any((a != b).any() for a, b in zip(run(made, image), run(plain, image), strict=True))


def test_a_graph_without_layers(tmp_path: Path) -> None:
    nodes = [("Relu", ["image"], "xy")]
    model = graph(nodes, ["xy"])
    model.ir_version = 8
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", 20))
    model.graph.input[0].type.tensor_type.shape.dim.add().dim_param = "B"
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_param = "B"
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(UserError, match="nothing of it can be in 8 bits"):
        to_int8(tmp_path / "m.onnx", np.zeros((1, 4), np.float32))

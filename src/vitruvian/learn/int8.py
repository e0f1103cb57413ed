"""A graph with its convolutions in 8 bits: static, calibrated on real crops, the rest in single precision.

Activations are unsigned, one scale a tensor, from the smallest and largest value that calibration met.
Weights are signed, one scale a channel, and take 7 of the 8 bits: on processors without VNNI the products
of full 8-bit weights overflow, and the same file would answer differently there.

What a coordinate is made of keeps its precision: normalisation, decoding, windows cut out of the crop, and
the last layer before each of them, whose 256 levels would tie the cells of a heatmap. Which nodes these
are is read off the graph, so that it holds for every system.

Source: Jacob et al., CVPR 2018; ONNX Runtime's quantisation guide for what overflows where.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from vitruvian.export import silence
from vitruvian.types import UserError

BATCH = 16
_LEARNED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_THROUGH = (  # what may stand between two of them without leaving 8 bits
    "Add", "AveragePool", "Concat", "Flatten", "GlobalAveragePool", "MaxPool", "Relu", "Reshape",
    "Resize", "Slice", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
_OF_SEVERAL = ("Add", "Concat")  # all inputs are data; of the others only the first


def to_int8(graph: Path, crops: np.ndarray) -> bytes:
    """A graph of a model folder in 8 bits, whole by itself.

    Args:
        graph: its file; weights that it points to lie beside it.
        crops: (N, H, W, 3) uint8 RGB, what the ranges of values are read from.

    Raises:
        UserError: the graph has nothing that can be computed in 8 bits.
    """
    with tempfile.TemporaryDirectory() as beside, silence():
        plain = _folded(graph, Path(beside) / "folded.onnx")
        names = in_8_bits(plain)
        if not names:
            raise UserError(f"{graph} has no two layers in a row: nothing of it can be in 8 bits")
        made = Path(beside) / "int8.onnx"
        quantize_static(
            plain,
            made,
            _Crops(crops),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=names,
        )
        model = onnx.load(made)
    _share_weights(model)
    model.producer_name, model.producer_version = "vitruvian", ""
    onnx.checker.check_model(model)
    return model.SerializeToString()


def in_8_bits(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes that are computed in 8 bits.

    Layers with learned weights, and what stands between such layers and nothing else; but no layer whose
    answer is used for anything else than a next layer.
    """
    graph = model.graph
    constant = {tensor.name for tensor in graph.initializer}
    maker = {name: node for node in graph.node for name in node.output}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    ends = {value.name for value in graph.output}
    learned = {
        node.name for node in graph.node if node.op_type in _LEARNED and node.input[1] in constant
    }
    body = learned | {node.name for node in graph.node if node.op_type in _THROUGH}

    def feeds_body(node: onnx.NodeProto) -> bool:
        used = [users.get(name, []) for name in node.output]
        inside = all(user.name in body for some in used for user in some)
        return inside and any(used) and not ends & set(node.output)

    def fed_by_body(node: onnx.NodeProto) -> bool:
        data = node.input if node.op_type in _OF_SEVERAL else node.input[:1]
        return all(name in maker and maker[name].name in body for name in data)

    through = [node for node in graph.node if node.name in body - learned]
    while outside := [n for n in through if not (feeds_body(n) and fed_by_body(n))]:
        body -= {node.name for node in outside}
        through = [node for node in through if node.name in body]
    last = {node.name for node in graph.node if node.name in learned and not feeds_body(node)}
    return [node.name for node in graph.node if node.name in body - last]


def _share_weights(model: onnx.ModelProto) -> None:
    """Equal constants once: folding a norm into a layer that is used twice made two of its weights."""
    kept: dict[tuple[object, ...], onnx.TensorProto] = {}
    name_of: dict[str, str] = {}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        key = (tensor.data_type, values.shape, values.tobytes())
        name_of[tensor.name] = kept.setdefault(key, tensor).name
    once = list(kept.values())
    del model.graph.initializer[:]
    model.graph.initializer.extend(once)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = name_of.get(name, name)


class _Crops(CalibrationDataReader):
    """Crops in batches, as ONNX Runtime's calibration asks for them."""

    def __init__(self, crops: np.ndarray) -> None:
        self.batches: Iterator[np.ndarray] = iter(_batches(crops))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


def _batches(crops: np.ndarray) -> Iterable[np.ndarray]:
    return (crops[first : first + BATCH] for first in range(0, len(crops), BATCH))


def _folded(graph: Path, into: Path) -> onnx.ModelProto:
    """The graph in single precision with constants computed, norms in their convolutions, nodes named."""
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(into)
    options.log_severity_level = 3
    whole = onnx.load(graph).SerializeToString()  # with the weights that it points to
    InferenceSession(whole, options, providers=["CPUExecutionProvider"])
    model = onnx.load(into)
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
    return model

"""A net -> one ONNX graph with normalisation and decoding inside, and its parity with the net in pixels.

The graph is made from the very `predict` that the net answers with, once plainly and once with the flip
test; both stand in one file as the branches of an `If` over shared weights.

    image  (B, H, W, 3) uint8 RGB      xy     (B, J, 2) float32 xy_crop
    flip   () bool                     score  (B, J) float32, 0 to 1
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from vitruvian.models import GRAPH
from vitruvian.systems.contract import Ask, System, predict
from vitruvian.types import UserError
from vitruvian.use.runners import Runner, onnx_runner

OPSET = 20
TOLERANCE = 0.1  # px of the crop, 99th percentile of the joints


class _Graph(nn.Module):
    def __init__(self, system: System, net: nn.Module, flip: bool) -> None:
        super().__init__()
        self.system, self.net, self.flip = system, net, flip

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        answer = predict(self.system, self.net, image.permute(0, 3, 1, 2), Ask(flip=self.flip))
        return answer.xy, answer.score


def to_onnx(system: System, net: nn.Module, *, half: bool = False) -> bytes:
    """The graph for any batch size.

    Args:
        half: store weights of two or more axes as float16; they are computed with as float32.
    """
    net = net.eval().cpu()
    branches = [_branch(system, net, flip) for flip in (False, True)]
    model = _merge(*branches, half=half)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _branch(system: System, net: Any, flip: bool) -> onnx.ModelProto:
    H, W = net.config.crop
    image = torch.zeros(2, H, W, 3, dtype=torch.uint8)
    with _silence():
        program = torch.onnx.export(
            _Graph(system, net, flip).eval(),
            (image,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("B")},),
            input_names=["image"],
            output_names=["xy", "score"],
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The exporter talks on stdout, through loggers and warnings; none of it is about the user's net."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def _merge(plain: onnx.ModelProto, flipped: onnx.ModelProto, half: bool) -> onnx.ModelProto:
    """`flip` chooses the branch; weights that are equal are stored once."""
    weights = _Weights(half)
    bodies = [
        _body(model.graph, prefix, weights) for model, prefix in ((plain, "p."), (flipped, "f."))
    ]
    choose = helper.make_node(
        "If", ["flip"], ["xy", "score"], "answer", then_branch=bodies[1], else_branch=bodies[0]
    )
    B, H, W, _ = (d.dim_param or d.dim_value for d in plain.graph.input[0].type.tensor_type.shape.dim)
    J = plain.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    graph = helper.make_graph(
        [*weights.casts, choose],
        "vitruvian",
        [
            helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, [B, H, W, 3]),
            helper.make_tensor_value_info("flip", onnx.TensorProto.BOOL, []),
        ],
        [
            helper.make_tensor_value_info("xy", onnx.TensorProto.FLOAT, [B, J, 2]),
            helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, [B, J]),
        ],
        weights.tensors,
    )
    model = helper.make_model(graph, opset_imports=list(plain.opset_import))
    model.ir_version, model.producer_name = plain.ir_version, "vitruvian"
    model.functions.extend(plain.functions)
    return model


class _Weights:
    """Initialisers of all branches, each stored once under its content's name."""

    def __init__(self, half: bool) -> None:
        self.half = half
        self.names: dict[str, str] = {}
        self.tensors: list[onnx.TensorProto] = []
        self.casts: list[onnx.NodeProto] = []

    def name_of(self, tensor: onnx.TensorProto) -> str:
        values = numpy_helper.to_array(tensor)
        content = f"{values.dtype}{values.shape}".encode() + values.tobytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self.names:
            self.names[digest] = name = f"w{len(self.names)}"
            if self.half and values.dtype == np.float32 and values.ndim > 1 and values.size > 64:
                stored = numpy_helper.from_array(values.astype(np.float16), f"{name}.half")
                cast = helper.make_node("Cast", [stored.name], [name], to=onnx.TensorProto.FLOAT)
                self.casts.append(cast)
            else:
                stored = numpy_helper.from_array(values, name)
            self.tensors.append(stored)
        return self.names[digest]


def _body(graph: onnx.GraphProto, prefix: str, weights: _Weights) -> onnx.GraphProto:
    """A graph as a branch: own names for its values, the shared ones for weights and the input."""
    names = {"image": "image", "": ""}
    names |= {tensor.name: weights.name_of(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.ClearField("metadata_props")
        copy.doc_string = ""
        copy.name = prefix + node.name
        copy.input[:] = [names.get(name, prefix + name) for name in node.input]
        copy.output[:] = [prefix + name if name else "" for name in node.output]
        nodes.append(copy)
    outputs = []
    for value in graph.output:
        copy_of = onnx.ValueInfoProto()
        copy_of.CopyFrom(value)
        copy_of.name = names.get(value.name, prefix + value.name)
        outputs.append(copy_of)
    return helper.make_graph(nodes, prefix + "graph", [], outputs)


def parity(reference: Runner, graph: bytes, crops: np.ndarray) -> dict[str, float | int]:
    """How far a graph's joints are from the net's on crops (N, H, W, 3), px of the crop, plain and flipped.

    Returns:
        median, 99th percentile and largest distance in px, largest difference of a score, and n joints.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / GRAPH).write_bytes(graph)
        run = onnx_runner(Path(folder))
    distances, scores = [], []
    for flip in (False, True):
        for first in range(0, len(crops), 32):
            image = crops[first : first + 32]
            (xy_a, score_a), (xy_b, score_b) = reference(image, flip), run(image, flip)
            distances.append(np.linalg.norm(xy_a - xy_b, axis=-1).ravel())
            scores.append(np.abs(score_a - score_b).ravel())
    px = np.concatenate(distances)
    return {
        "median_px": round(float(np.median(px)), 5),
        "p99_px": round(float(np.quantile(px, 0.99)), 5),
        "largest_px": round(float(px.max()), 5),
        "largest_score": round(float(np.concatenate(scores).max()), 5),
        "joints": len(px),
    }


def check_parity(figures: dict[str, float | int], folder: Path) -> None:
    """Refuses an export whose graph does not answer as the net does.

    Raises:
        UserError: 1 % of the joints or more lie further off than `TOLERANCE`.
    """
    if not figures["p99_px"] <= TOLERANCE:
        raise UserError(
            f"{folder}: the exported graph is off by {figures['p99_px']} px (99th percentile), more than"
            f" {TOLERANCE} px; nothing was written. Export in single precision (--single)"
        )

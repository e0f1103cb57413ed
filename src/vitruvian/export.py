"""A net -> ONNX graphs with normalisation and decoding inside, and their parity with the net in pixels.

A graph is made from the very `predict` that the net answers with, for any batch size:

    image  (B, H, W, 3) uint8 RGB      xy     (B, J, 2) float32 xy_crop
                                       score  (B, J) float32, 0 to 1

The flip test is a graph of its own. In a model folder neither keeps weights: both point into the folder's
`model.safetensors`, so that weights stand there once, and are the same ones for torch and for the graphs.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnxscript.optimizer import fold_constants, inline, remove_unused_nodes
from torch import Tensor, nn

from vitruvian.models import WEIGHTS
from vitruvian.systems.contract import Ask, System, predict
from vitruvian.types import Runner, UserError
from vitruvian.weights import Precision, stored

OPSET = 20
TOLERANCE = 0.1  # px of the crop, 99th percentile of the joints


class _Graph(nn.Module):
    def __init__(self, system: System, net: nn.Module, ask: Ask) -> None:
        super().__init__()
        self.system, self.net, self.ask = system, net, ask

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        answer = predict(self.system, self.net, image.permute(0, 3, 1, 2), self.ask)
        return answer.xy, answer.score


def to_onnx(
    system: System,
    net: nn.Module,
    *,
    flip: bool = False,
    upto: str | None = None,
    precision: Precision = "single",
) -> bytes:
    """One graph, whole by itself.

    Args:
        flip: the answer with the flip test.
        upto: the last stage that takes part; None: all.
        precision: in which weights are stored; they are computed with as float32.
    """
    model = _traced(system, net.eval().cpu(), Ask(flip=flip, upto=upto))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "B"
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.doc_string = ""
    model.graph.ClearField("metadata_props")
    model.graph.ClearField(
        "value_info"
    )  # shapes of everything between, a quarter of a pointing graph
    _store(model.graph, precision)
    model.producer_name, model.producer_version = "vitruvian", ""
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _store(graph: onnx.GraphProto, precision: Precision) -> None:
    """Puts what `stored` keeps in the place of weights, and nodes that make the weights of it."""
    kept, nodes = [], []
    for tensor in graph.initializer:
        name, values = tensor.name, numpy_helper.to_array(tensor)
        parts = stored(f"{name}.kept", values, precision)
        if len(parts) == 1 and next(iter(parts.values())).dtype == values.dtype:
            kept.append(tensor)
            continue
        kept += [numpy_helper.from_array(part, part_name) for part_name, part in parts.items()]
        first, *scale = parts
        cast = f"{name}.steps" if scale else name
        nodes.append(helper.make_node("Cast", [first], [cast], to=onnx.TensorProto.FLOAT))
        if scale:
            nodes.append(helper.make_node("Mul", [cast, *scale], [name]))
    nodes += graph.node
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)


def point_to_weights(graph: bytes, weights: bytes) -> bytes:
    """The graph without the weights that stand in a safetensors file, which lies beside it when run.

    Args:
        weights: the file's bytes.
    """
    model = onnx.load_from_string(graph)
    places = _places(weights)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        place = places.get(_digest(values))
        if place is None:
            continue
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS), ("offset", place), ("length", values.nbytes)):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)
    return model.SerializeToString()


def _places(weights: bytes) -> dict[str, int]:
    """Digest of each tensor of a safetensors file -> where its bytes start."""
    start = 8 + int.from_bytes(weights[:8], "little")
    places = {}
    for name, entry in json.loads(weights[8:start]).items():
        kind = {"I8": np.int8, "F16": np.float16, "F32": np.float32}.get(entry.get("dtype"))
        if name == "__metadata__" or kind is None:
            continue
        first, last = entry["data_offsets"]
        values = np.frombuffer(weights[start + first : start + last], kind)
        places[_digest(values.reshape(entry["shape"]))] = start + first
    return places


def _digest(values: np.ndarray) -> str:
    content = f"{values.dtype}{values.shape}".encode() + np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(content).hexdigest()


def _traced(system: System, net: Any, ask: Ask) -> onnx.ModelProto:
    """Its weights are the net's: folding norms into convolutions is left to what runs the graph."""
    H, W = net.config.crop
    image = torch.zeros(2, H, W, 3, dtype=torch.uint8)
    with silence():
        program = torch.onnx.export(
            _Graph(system, net, ask).eval(),
            (image,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("B")},),
            input_names=["image"],
            output_names=["xy", "score"],
            opset_version=OPSET,
            optimize=False,
            verbose=False,
        )
        assert program is not None
        inline(program.model)
        fold_constants(program.model, should_fold=_folds)
        remove_unused_nodes(program.model)
    return program.model_proto


def _folds(node: Any) -> bool | None:
    """Whether a node of constants is computed now: a transposed weight would no longer be the net's."""
    return False if node.op_type == "Transpose" else None


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """The exporter talks on stdout, through loggers and warnings; none of it is about the user's net."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def parity(reference: Runner, run: Runner, crops: np.ndarray) -> dict[str, float | int]:
    """How far a runner's joints are from the net's on crops (N, H, W, 3), with and without the flip test.

    Returns:
        median, 99th percentile and largest distance in px of the crop; largest difference of a score;
        how many joints were compared.
    """
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
            f" {TOLERANCE} px; nothing was written. `predict` and `eval` take the run as it is"
        )

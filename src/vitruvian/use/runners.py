"""What runs a net on crops: ONNX Runtime, or torch where a model has no graph."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vitruvian.models import GRAPH, ModelInfo
from vitruvian.types import UserError

# (crops (B, H, W, 3) uint8 RGB, flip test) -> xy_crop (B, J, 2) float32, score (B, J) float32
Runner = Callable[[np.ndarray, bool], tuple[np.ndarray, np.ndarray]]


def open_runner(folder: Path, info: ModelInfo, device: str = "auto") -> Runner:
    """The runner of a model folder.

    Args:
        folder: the model folder.
        info: what it says of itself.
        device: "auto" and "cpu" take the graph where there is one; everything else is torch's.

    Raises:
        UserError: the graph is damaged, or torch is needed and not installed.
    """
    if device in ("auto", "cpu") and GRAPH in info.files:
        return onnx_runner(folder)
    try:
        # by name: torch must not be imported to use a graph, nor this room know the one above
        learn = importlib.import_module("vitruvian.learn.runner")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("vitruvian"):
            raise
        reason = f"{folder} has no {GRAPH}" if device in ("auto", "cpu") else f"device {device!r}"
        raise UserError(f"{reason}, so torch is needed: pip install 'vitruvian[train]'") from None
    runner: Runner = learn.torch_runner(folder, info, device)
    return runner


def onnx_runner(folder: Path, threads: int = 0) -> Runner:
    """Runs `model.onnx` on the CPU; `threads` 0 is one for each core.

    Raises:
        UserError: the graph is absent or damaged.
    """
    import onnxruntime  # 0.2 s, which readers of a model folder need not wait

    path = folder / GRAPH
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors, which arrive as exceptions too
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no common class for them
        reason = "does not exist" if not path.exists() else f"is damaged ({type(error).__name__})"
        raise UserError(f"{path} {reason}: copy the model again, or export it anew") from None

    def run(crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        xy, score = session.run(["xy", "score"], {"image": crops, "flip": np.array(flip)})
        return xy, score

    return run

"""What runs a net on crops: ONNX Runtime, or torch where a model has no graph."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.models import FLIP_GRAPH, GRAPH, ModelInfo
from vitruvian.types import Runner, UserError


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
    reason = f"{folder} has no {GRAPH}" if device in ("auto", "cpu") else f"device {device!r}"
    runner: Runner = torch_runners(f"{reason}, so torch is needed").torch_runner(
        folder, info, device
    )
    return runner


def torch_runners(reason: str) -> Any:
    """The module that runs nets by torch, imported by name and only when asked for: torch must not be
    imported to use a graph, nor this room know the one above.

    Args:
        reason: what needs torch, in words.

    Raises:
        UserError: torch is not installed.
    """
    try:
        return importlib.import_module("vitruvian.learn.runner")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("vitruvian"):
            raise
        raise UserError(f"{reason}: pip install 'vitruvian[train]'") from None


def onnx_runner(folder: Path, threads: int = 0) -> Runner:
    """Runs the folder's graphs on the CPU; `threads` 0 is one for each core.

    Raises:
        UserError: a graph is absent or damaged; that of the flip test is opened when it is asked for.
    """
    plain = _session(folder / GRAPH, threads)
    opened: dict[bool, Any] = {False: plain}

    def run(crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        if flip not in opened:
            opened[flip] = _session(folder / FLIP_GRAPH, threads)
        xy, score = opened[flip].run(["xy", "score"], {"image": crops})
        return xy, score

    return run


def _session(path: Path, threads: int) -> Any:
    import onnxruntime  # 0.2 s, which readers of a model folder need not wait

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # threads that wait for work would otherwise spin on the cores that decode photographs
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors, which arrive as exceptions too
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no common class for them
        reason = "does not exist" if not path.exists() else f"is damaged ({type(error).__name__})"
        raise UserError(f"{path} {reason}: copy the model again, or export it anew") from None

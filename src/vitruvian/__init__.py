"""Vitruvian: 2-D human pose estimation you can trust.

model = vitruvian.load("default")
poses = model.predict("photo.jpg")          # or RGB, Pillow, bytes; boxes=, detector=
poses.xy, poses.score                       # (N, J, 2) px of the photograph, (N, J) from 0 to 1
poses.to_coco(), poses.draw()
for poses in model.predict(paths): ...      # any iterable of files and arrays, one after the other
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vitruvian.use.predict import Model

__all__ = ["load"]
__version__ = "0.1.0"

# ONNX Runtime reports its use to its maker unless it is told before it is imported that it must not.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def load(name: str | Path = "default", device: str = "auto") -> Model:
    """A model to predict with.

    Args:
        name: a model folder, a run's folder, a bundled model's name, or "default", the best of these.
        device: "auto", "cpu", "cuda" or "mps"; "auto" and "cpu" need no torch where a model has a graph.

    Raises:
        vitruvian.types.UserError: there is no such model, or it is damaged.
    """
    from vitruvian.use import predict  # here, so that importing the package costs nothing

    return predict.load(name, device)

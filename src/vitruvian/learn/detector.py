"""torchvision's detectors of persons, where their weights lie in torch's cache; nothing is downloaded."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitruvian.learn.devices import choose_device
from vitruvian.types import UserError
from vitruvian.use.detect import Found, kept

NAMES = (  # the best on COCO first
    "fasterrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "ssdlite320_mobilenet_v3_large",
)
_PERSON = 1  # of torchvision's classes; 0 is the background


@dataclass(frozen=True)
class TorchDetector:
    """A net of torchvision as a `use.detect.Detector`."""

    name: str
    net: Callable[[list[torch.Tensor]], list[dict[str, torch.Tensor]]]
    device: torch.device
    least: float

    def __call__(self, images: Sequence[np.ndarray]) -> list[Found]:
        found: list[Found] = []
        for image in images:  # of one size each
            rgb = torch.from_numpy(np.ascontiguousarray(image)).to(self.device)
            with torch.inference_mode():
                (answer,) = self.net([rgb.permute(2, 0, 1).float() / 255])
            right = answer["labels"] == _PERSON
            corners = answer["boxes"][right].cpu().numpy()
            score = answer["scores"][right].cpu().numpy()
            found.append(kept(corners, score, image.shape[:2], self.least, 1.0))
        return found


def torch_detector(name: str, least: float, device: str = "auto") -> TorchDetector | None:
    """A detector by its name in torchvision; "torchvision" and "auto" are the best that is cached.

    Raises:
        UserError: no such detector, or its weights are not in the cache; "auto" is then None.
    """
    if name not in (*NAMES, "torchvision", "auto"):
        raise UserError(
            f"no detector {name!r}: give an ONNX file, auto, torchvision, or {', '.join(NAMES)}"
        )
    if name == "auto":
        best = best_cached()
        return None if best is None else torch_detector(best, least, device)
    try:
        models = importlib.import_module("torchvision.models")
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch
        raise UserError(
            f"detector {name} needs torchvision, which cannot be used here ({type(error).__name__}): "
            "install vitruvian with its extra [train], or give an ONNX file"
        ) from None
    wanted = NAMES if name == "torchvision" else (name,)
    for one in wanted:
        if (weights := _cached(models, one)).is_file():
            return _opened(models, one, weights, least, choose_device(device))
    cache = _cached(models, wanted[0]).parent
    raise UserError(
        f"the weights of {wanted[0]} are not in {cache}: put them there, or give an ONNX file"
    )


def best_cached() -> str | None:
    """The first of `NAMES` whose weights are cached; None: there is none, or no torchvision."""
    try:
        models = importlib.import_module("torchvision.models")
    except (ImportError, RuntimeError):
        return None
    return next((name for name in NAMES if _cached(models, name).is_file()), None)


def _cached(models: Any, name: str) -> Path:
    """Where the weights of a detector would lie."""
    url = models.get_model_weights(name).DEFAULT.url
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name


def _opened(
    models: Any, name: str, weights: Path, least: float, device: torch.device
) -> TorchDetector:
    net = models.get_model(name, weights=None, weights_backbone=None)
    try:
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # torch has no common class for them
        raise UserError(f"{weights} is damaged ({type(error).__name__}): copy it again") from None
    return TorchDetector(name, net.eval().to(device), device, least)

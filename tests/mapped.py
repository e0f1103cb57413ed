"""A small model folder whose net has heatmaps, and maps that are known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from vitruvian.learn.runner import new_net
from vitruvian.models import ModelInfo, Predict, Preprocessing, write_model
from vitruvian.skeleton import LSP, Skeleton
from vitruvian.systems.part_heatmaps import PART_HEATMAPS, PartHeatmapsConfig
from vitruvian.types import Convention
from vitruvian.use.heatmaps import Seen

torch.set_num_threads(1)  # tests then have one speed

CROP = (32, 64)  # H, W px
CONFIG = PartHeatmapsConfig(
    crop=CROP, backbone="resnet18", channels=(4, 4, 4, 4), width=4, levels=2, stride=4, radius=4
)


def write_parts(folder: Path, skeleton: Skeleton = LSP, convention: Convention = "PC") -> Path:
    """A model of `part_heatmaps` with random weights, under which no two maps are alike."""
    net = new_net(PART_HEATMAPS, CONFIG, skeleton, seed=0)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn(weight.shape, generator=rng), alpha=0.1)
    info = ModelInfo(
        name="parts", system="part_heatmaps", config=asdict(CONFIG), skeleton=skeleton,
        convention=convention, preprocessing=Preprocessing(crop=CROP), predict=Predict(passes=1),
        parameters=7, gmacs=0.5,
    )  # fmt: skip
    write_model(folder, info, {name: v.numpy() for name, v in net.state_dict().items()}, None, "")
    return folder


def seen_by_hand(
    sets: dict[str, np.ndarray], crop: tuple[int, int], to_image: np.ndarray | None = None
) -> Seen:
    """Maps (K, h, w) on a crop of one grey; the answer is the crop's first pixel."""
    J = min(len(maps) for maps in sets.values())
    return Seen(
        maps=sets,
        crop=np.full((*crop, 3), 100, np.uint8),
        to_image=np.eye(2, 3) if to_image is None else to_image,
        xy_crop=np.zeros((J, 2), np.float32),
        score=np.linspace(0.25, 0.75, J, dtype=np.float32),
    )


def spot(shape: tuple[int, int, int], k: int, x: int, y: int, value: float) -> np.ndarray:
    """Maps (K, h, w) that are 0 but for 3 x 3 cells about (x, y) of map k, highest in the middle."""
    maps = np.zeros(shape, np.float32)
    maps[k, y - 1 : y + 2, x - 1 : x + 2] = 0.9 * value
    maps[k, y, x] = value
    return maps

"""A net that finds the brightest pixel of each colour, so that truth is known, and pictures for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vitruvian.models import ModelInfo, Predict, Preprocessing
from vitruvian.skeleton import Skeleton
from vitruvian.use.predict import Model

DOTS = Skeleton("dots", ("a", "b", "c"))
INFO = ModelInfo(
    name="dots",
    system="none",
    config={},
    skeleton=DOTS,
    preprocessing=Preprocessing(crop=(64, 48)),
    predict=Predict(passes=2, threshold=0.5),
    parameters=0,
    gmacs=0,
)


def brightest(crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
    """Joint j is the centre of light of channel j, and sure if that is bright enough."""
    most = crops.max((1, 2)).astype(np.float64)
    light = crops * (crops > most[:, None, None] / 4)
    total = np.maximum(light.sum((1, 2)), 1)
    rows, columns = np.indices(crops.shape[1:3])
    x = (light * columns[None, ..., None]).sum((1, 2)) / total
    y = (light * rows[None, ..., None]).sum((1, 2)) / total
    score = np.minimum(most / 30, 1) * (most > 12)
    return np.stack([x, y], -1).astype(np.float32), score.astype(np.float32)


MODEL = Model(INFO, brightest, Path())


def dots(size: tuple[int, int], *places: tuple[float, float], side: int = 5) -> np.ndarray:
    """A photograph with a red, a green and a blue square around three places."""
    photo = np.zeros((*size, 3), np.uint8)
    for channel, (x, y) in enumerate(places):
        left, top = round(x) - side // 2, round(y) - side // 2
        photo[max(0, top) : top + side, max(0, left) : left + side, channel] = 255
    return photo


def save(photo: np.ndarray, path: Path, **options: object) -> Path:
    Image.fromarray(photo).save(path, **options)
    return path

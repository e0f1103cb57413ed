"""What models cost, beside what they score: speed on this machine, hours of training."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.data.people import People
from vitruvian.measure.intervals import Estimate
from vitruvian.use.evaluate import evaluate
from vitruvian.use.predict import Model

BATCH, ROUNDS, BATCHES = 32, 3, 4
SPEED = (
    f"images/s: crops to joints without reading files, batches of {BATCH}, {{threads}} cores, median of "
    f"{ROUNDS} rounds in which the rows take turns"
)


@dataclass(frozen=True)
class Cost:
    """Of one model."""

    hours: float | None  # of training, with those of the models it began with; None: not known
    speed: float  # crops a second
    whole: Estimate | None  # total in whole photographs, as `predict` looks; None: the set has none

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a row of a comparison has them."""
        return {
            "hours": self.hours,
            "images_per_second": self.speed,
            "whole_image": None if self.whole is None else self.whole.to_dict(),
        }


def measure_costs(
    models: Sequence[Model], people: People, flip: bool = False, workers: int = 2
) -> list[Cost]:
    """Of each model; whole photographs are those of `people`, where they are whole."""
    fast = speeds(models, flip)
    found = []
    for model, speed in zip(models, fast, strict=True):
        info = model.info
        whole = None
        if people.whole:
            whole = evaluate(
                model.runner, people, info.crop, look="found", skeleton=info.skeleton,
                convention=info.convention, flip=flip, predict=info.predict,
                margin=info.preprocessing.margin, workers=workers,
            ).total  # fmt: skip
        found.append(Cost(info.hours, speed, whole))
    return found


def speeds(models: Sequence[Model], flip: bool = False) -> list[float]:
    """Crops a second of each model."""
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (BATCH, *m.info.crop, 3), np.uint8) for m in models]
    seconds: list[list[float]] = [[] for _ in models]
    for model, image in zip(models, crops, strict=True):
        model.runner(image, flip)
    for _ in range(ROUNDS):
        for model, image, taken in zip(models, crops, seconds, strict=True):
            began = time.perf_counter()
            for _ in range(BATCHES):
                model.runner(image, flip)
            taken.append(time.perf_counter() - began)
    return [BATCH * BATCHES / statistics.median(taken) for taken in seconds]


def speed_words() -> str:
    """How `speeds` measures, for the foot of a table."""
    return SPEED.format(threads=os.cpu_count())

"""Speed of prediction: files to poses against the bare graph, alternating in one run."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import numpy as np

from vitruvian.types import UserError
from vitruvian.use.files import list_photos
from vitruvian.use.predict import load, predict_photos

BATCH, ROUNDS = 32, 3


def bench_predict(name: str, folder: Path, count: int) -> str:
    """One pass over the whole image of each file, against batches of crops in memory."""
    model = load(name)
    paths = list(islice(list_photos([folder]), count))
    H, W = model.info.crop
    crops = np.random.default_rng(0).integers(0, 256, (BATCH, H, W, 3), np.uint8)

    def bare() -> int:
        for first in range(0, len(paths), BATCH):
            model.runner(crops[: len(paths) - first], False)
        return len(paths)

    def whole() -> int:
        answers = predict_photos(model, paths, passes=1, pictures=False)
        return sum(not isinstance(poses, UserError) for _, _, poses in answers)

    speeds: dict[str, list[float]] = {"bare": [], "whole": []}
    bare()
    for _ in range(ROUNDS):
        for key, run in (("bare", bare), ("whole", whole)):
            began = time.perf_counter()
            done = run()
            speeds[key].append(done / (time.perf_counter() - began))
    bare_speed, whole_speed = (float(np.median(speeds[key])) for key in ("bare", "whole"))
    return (
        f"{model.info.name} on {len(paths)} photographs, batch {BATCH}, one pass, "
        f"median of {ROUNDS} rounds\n"
        f"  bare graph, batches in memory  {bare_speed:8.1f} images/s\n"
        f"  files to poses                 {whole_speed:8.1f} images/s, "
        f"{100 * whole_speed / bare_speed:.0f} % of the bare speed"
    )

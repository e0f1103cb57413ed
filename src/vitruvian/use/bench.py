"""Speed of prediction, files to poses against the bare graph in one run; and of scoring."""

from __future__ import annotations

import importlib
import sys
import time
from itertools import islice
from pathlib import Path
from types import ModuleType

import numpy as np

from vitruvian.measure.intervals import differences
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.scoring import Truth, score, tally_of
from vitruvian.skeleton import MPII
from vitruvian.types import State, UserError
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


def bench_score(persons: int, paired: int) -> str:
    """Scoring of random poses of 16 joints with every part and interval, and a paired bootstrap."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 500, (persons, len(MPII), 2)).astype(np.float32)
    pred = xy + rng.normal(0, 20, xy.shape).astype(np.float32)
    state = np.full(xy.shape[:2], State.VISIBLE, np.uint8)
    protocol = PROTOCOLS["mpii-pckh"]

    def truth(count: int) -> Truth:
        return Truth(MPII, xy[:count], state[:count], "PC", {"head_box": np.full(count, 60.0)})

    began = time.perf_counter()
    score(protocol, truth(persons), pred, rng)
    whole = time.perf_counter() - began
    few = truth(min(paired, persons))
    answers = (pred[: len(few)], pred[: len(few)] + 1)
    began = time.perf_counter()
    one, other = (tally_of(protocol, few, answer)[0] for answer in answers)
    differences(one, other, rng)
    pair = time.perf_counter() - began
    memory = ""
    if (resource := _resource()) is not None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        memory = f"; peak of the process {peak:.2f} GiB"
    return (
        f"{persons} poses of {len(MPII)} joints under {protocol.name}: {whole:.2f} s{memory}\n"
        f"two systems on {len(few)} photographs, 2,000 paired resamples: {pair:.2f} s"
    )


def _resource() -> ModuleType | None:
    """Not on Windows; it counts in KiB on Linux alone."""
    return importlib.import_module("resource") if sys.platform == "linux" else None

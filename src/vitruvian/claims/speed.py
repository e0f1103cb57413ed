"""How long DeepPose's published nets take for a photograph on this machine (claim D6), with PyTorch."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from vitruvian.claims.bootstrap import Counts, effect
from vitruvian.learn.recipes import find_recipe
from vitruvian.learn.runner import net_runner, new_net, system_and_config
from vitruvian.skeleton import LSP

PUBLISHED_SECONDS, PUBLISHED_CORES = 0.1, 12
PHOTOGRAPHS = 12


def measure(data: Mapping[str, str]) -> dict[str, Any]:
    """Crop to pose, three stages, one photograph at a time, weights at random: they do not matter here."""
    recipe = find_recipe("deeppose/lsp")
    system, config = system_and_config(recipe.system, recipe.config, recipe.name)
    net = new_net(system, config, LSP, seed=0).eval()
    runner = net_runner(system, net, torch.device("cpu"))
    crops = np.random.default_rng(0).integers(0, 256, (1, *recipe.crop, 3), np.uint8)
    runner(crops, False)
    wall, core = [], []
    for _ in range(PHOTOGRAPHS):
        began, used = time.monotonic(), time.process_time()
        runner(crops, False)
        wall.append(time.monotonic() - began)
        core.append(time.process_time() - used)
    return {
        "facts": {
            "core": _less(PUBLISHED_SECONDS * PUBLISHED_CORES, core),
            "wall": _less(PUBLISHED_SECONDS, wall),
        },
        "about": {
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "parameters": sum(p.numel() for p in net.parameters()),
            "core_seconds": [round(value, 4) for value in core],
            "wall_seconds": [round(value, 4) for value in wall],
        },
    }


def _less(published: float, seconds: list[float]) -> dict[str, float | int]:
    """What was published less the mean of what was measured."""
    measured = np.array([seconds])
    found = effect([Counts("photographs", measured, np.ones_like(measured), -1.0)], published)
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}

"""How a claim's training is made, with PyTorch; and the hands that do a claim's work."""

from __future__ import annotations

import gc
import json
import time
from pathlib import Path
from typing import Any

import torch
import yaml

import vitruvian
from vitruvian.claims.measuring import measure
from vitruvian.claims.model import BATCH, Training
from vitruvian.claims.resolve import recipe_of
from vitruvian.claims.sets import SETS, given, must_be_packed
from vitruvian.claims.work import Hands, Shop
from vitruvian.data.pack import write_pack
from vitruvian.learn.folder import MODEL, RUN
from vitruvian.learn.run import Options, run
from vitruvian.models import read_model

COST = "cost.json"
PACKED = 160  # px, the longer side of packed crops


def hands() -> Hands:
    """Those that use PyTorch."""
    return Hands(train, measure)


def train(training: Training, shop: Shop) -> dict[str, Any] | None:
    """Trains, or goes on; what it was made with, or None when it was stopped.

    Raises:
        UserError: as `vitruvian train`.
    """
    folder, recipe = shop.runs / training.id, recipe_of(training)
    parent = training.parent
    options = Options(
        recipe=recipe,
        out=folder,
        data=_data(training, shop),
        start_from=str(shop.runs / parent.id) if parent else None,
        device=shop.device,
        workers=shop.workers,
        quiet=shop.quiet,
    )
    began, wall = time.process_time(), time.monotonic()
    finished = run(options)
    gc.collect()  # its session refers to itself, and to all pictures that are kept
    cost = _spent(folder, time.process_time() - began, time.monotonic() - wall)
    if not finished:
        return None
    info, about = read_model(folder / MODEL), json.loads((folder / RUN).read_text())
    return {
        "command": command(training, shop),
        "recipe": yaml.safe_load((folder / "recipe.yaml").read_text()),
        "vitruvian": vitruvian.__version__,
        "torch": torch.__version__,
        "hardware": about["hardware"],
        "parameters": info.parameters,
        "gmacs": info.gmacs,
        "persons": sum(source["train"] for source in about["sources"]),
        "images": training.steps * BATCH,
        **cost,
    }


def command(training: Training, shop: Shop) -> str:
    """What makes the training again: a run of the first claim that reads it."""
    tier, seeds = training.tier, training.seed + 1
    readers = [
        claim.id
        for claim in shop.everything
        if any(training in one.lineage for one in claim.trainings(tier, seeds))
    ]
    words = ["vitruvian claims run", *readers[:1], f"--tier {tier.slug}", f"--seeds {seeds}"]
    if training.needs:
        words.append(f"--data {training.needs}=FOLDER")
    return " ".join(words)


def _spent(folder: Path, cpu: float, wall: float) -> dict[str, float]:
    """Seconds of this and of earlier calls."""
    path = folder / COST
    before = json.loads(path.read_text()) if path.exists() else {}
    spent = {
        "cpu_seconds": round(before.get("cpu_seconds", 0) + cpu, 1),
        "wall_seconds": round(before.get("wall_seconds", 0) + wall, 1),
    }
    path.write_text(json.dumps(spent))
    return spent


def _data(training: Training, shop: Shop) -> tuple[str, ...]:
    """What `vitruvian train --data` is told; nothing: rendered figures."""
    name = training.arm.data or training.tier.data
    if name is None or (name in SETS and not must_be_packed(name)):
        return ()
    if name not in SETS:
        return (given(name, shop.data),)
    path = shop.runs / "data" / f"{name.replace(' ', '_')}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_pack(SETS[name](), path, side=PACKED)
    return (f"pack={path}",)

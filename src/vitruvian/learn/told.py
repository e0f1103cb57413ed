"""What `run.json` tells of how a run was begun, and what of it a run keeps that goes on."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import vitruvian
from vitruvian.learn.devices import Place, bf16_pays, hardware, has_bf16, of_first
from vitruvian.learn.folder import RUN
from vitruvian.recipe import Recipe

if TYPE_CHECKING:
    from vitruvian.learn.run import Options


def precision_of(asked: str, where: Place, folder: Path) -> str:
    """What a run computes in, "bf16" or "fp32": as it began, else in what is faster for the first process.

    Args:
        asked: the recipe's.
    """
    begun = _begun(folder)
    if asked != "bf16":
        return "fp32"
    here = has_bf16(where.device) if begun == "bf16" else begun is None and bf16_pays(where.device)
    return "bf16" if of_first(float(here), where) else "fp32"


def _begun(folder: Path) -> str | None:
    try:
        said = json.loads((folder / RUN).read_text(encoding="utf-8")).get("precision")
    except (OSError, ValueError):
        return None
    return str(said) if said else None


def how(options: Options, where: Place, precision: str) -> dict[str, Any]:
    """What is only told of a run: what began it, where, and with which versions."""
    return {
        "source": list(options.data),
        "boxes": options.boxes and str(options.boxes),
        "command": command(options),
        "hardware": f"{hardware(where)}, {precision}",
        "precision": precision,
        "versions": {
            "vitruvian": vitruvian.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def command(options: Options) -> str:
    """The command without the paths of this machine."""
    given = options.recipe
    parts = ["vitruvian", "train", given.name if isinstance(given, Recipe) else given]
    for data in options.data:
        parts += ["--data", f"{data.partition('=')[0]}=PATH"]
    for weight in options.weights:
        parts += ["--weight", f"{weight:g}"]
    if options.convention is not None:
        parts += ["--convention", options.convention]
    for setting in options.settings:
        parts += ["--set", setting]
    for stage in options.stages:
        parts += ["--stage", stage]
    if options.start_from:
        parts += ["--from", Path(options.start_from).name]
    if options.full:
        parts.append("--full")
    if options.hold_out:
        parts += ["--hold-out", str(options.hold_out)]
    for file in options.leave_out:
        parts += ["--leave-out", file.name]
    for file in options.correct:
        parts += ["--correct", file.name]
    if options.boxes is not None:
        parts += ["--boxes", options.boxes.name]
    for start in options.box_of:
        parts += ["--box-of", start]
    if options.seed is not None:
        parts += ["--seed", str(options.seed)]
    if options.max_minutes is not None:
        parts += ["--max-minutes", f"{options.max_minutes:g}"]
    return " ".join([*parts, "--out", "RUN"])

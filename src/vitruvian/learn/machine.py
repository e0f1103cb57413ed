"""What this machine can train in a sitting, and a recipe cut to that."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from vitruvian.learn.devices import bf16_pays, choose_device
from vitruvian.recipe import Recipe

_TRAINED = 0.8  # share of the photographs that `coco_layout.cut_by_number` leaves to train on
_SCORES = 12  # on `tune`, over a whole training


@dataclass(frozen=True)
class Machine:
    """What decides about sizes."""

    device: str  # cpu, cuda or mps
    cores: int  # that this process may use
    memory: float  # GiB of the device; 0: not known
    bf16: bool

    def words(self) -> str:
        """In a few words."""
        where = f"{self.cores} cores" if self.device == "cpu" else self.device
        memory = f", {self.memory:.0f} GiB" if self.memory else ""
        return f"{where}{memory}, {'bfloat16' if self.bf16 else 'no bfloat16'}"


def this_machine() -> Machine:
    """The machine that this process runs on."""
    device = choose_device("auto")
    return Machine(device.type, _cores(), _memory(device), bf16_pays(device))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / 2**30
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, OSError, ValueError):  # not on Windows
        return 0.0


def sized(recipe: Recipe, machine: Machine, photographs: int, name: str) -> Recipe:
    """The recipe with the crop, batch, steps and precision of a machine; layers stay as they are.

    So another model of the same layers can be started from. Only `resnet_fcn` takes a crop of any size
    without changing what its sizes mean; other systems keep theirs. A plan of steps and not of epochs
    ends as soon for many photographs as for few; fits share it as they share the recipe's epochs, or its
    steps where all have steps.
    """
    fast = machine.device != "cpu"
    side = 256 if fast else 192 if machine.cores >= 8 else 128
    batch = 64 if fast else 32
    if machine.memory and machine.memory < 6:
        batch //= 2
    steps = 4000 if fast else 2000
    shares: list[float] = [fit.steps or 0 for fit in recipe.fits]
    if not all(shares):
        shares = [fit.epochs for fit in recipe.fits]
    fits = tuple(
        fit.model_copy(update={"batch": batch, "steps": max(1, round(steps * share / sum(shares)))})
        for fit, share in zip(recipe.fits, shares, strict=True)
    )
    config = dict(recipe.config)
    if recipe.system == "resnet_fcn":
        config["crop"] = [side, side]
    rounds = steps * batch / max(1.0, _TRAINED * photographs)
    changes = {
        "name": name,
        "config": config,
        "fits": fits,
        "precision": "bf16" if machine.bf16 else "fp32",
        "evaluate_every": round(max(rounds / _SCORES, 0.01), 2),
    }
    return recipe.model_copy(update=changes)

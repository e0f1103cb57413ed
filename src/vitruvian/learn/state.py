"""The state of a training as one safetensors file: weights, averages, moments, JSON in its header.

Written beside, fsynced and renamed: a kill at any moment leaves the previous state or the new one.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vitruvian.types import UserError


@dataclass
class Progress:
    """Where a training stands."""

    fit: int = 0  # the fit that is under way; len(fits) when all are finished
    step: int = 0  # steps done in it
    drops: int = 0  # plateau: drops of the rate
    best: float = -1.0  # plateau: best score of this fit
    waited: int = 0  # plateau: evaluations since
    seconds: float = 0.0  # spent in all


def save_state(
    path: Path,
    progress: Progress,
    net: nn.Module,
    shadow: dict[str, Tensor] | None,
    optimiser: torch.optim.Optimizer | None,
) -> None:
    """Replaces the file atomically.

    Raises:
        UserError: the disk is full or not writable; the previous state is untouched.
    """
    tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
    if shadow is not None:
        tensors |= {f"ema.{name}": value for name, value in shadow.items()}
    scalars: dict[str, Any] = {}
    if optimiser is not None:
        for index, slots in optimiser.state_dict()["state"].items():
            for slot, value in slots.items():
                if isinstance(value, Tensor):
                    tensors[f"optim.{index}.{slot}"] = value
                else:
                    scalars[f"{index}.{slot}"] = value
    header = {"progress": json.dumps(asdict(progress)), "scalars": json.dumps(scalars)}
    beside = path.with_name(path.name + ".part")
    try:
        copies = {
            name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()
        }
        save_file(copies, beside, header)
        with beside.open("r+b") as file:  # Windows syncs only what may be written
            os.fsync(file.fileno())
        beside.chmod(path.parent.stat().st_mode & 0o666)  # not its writer's alone: who may enter
        os.replace(beside, path)
    except (OSError, SafetensorError) as error:
        beside.unlink(missing_ok=True)
        raise UserError(f"could not save {path}: {error}; the previous state is kept") from None


@dataclass
class Saved:
    """A state as read from disk."""

    progress: Progress
    net: dict[str, Tensor]
    shadow: dict[str, Tensor] | None
    moments: dict[int, dict[str, Any]]

    def restore_optimiser(self, optimiser: torch.optim.Optimizer) -> None:
        """Puts the moments back, exactly, and laid out in memory as their parameters are."""
        optimiser.load_state_dict(
            {"state": self.moments, "param_groups": optimiser.state_dict()["param_groups"]}
        )
        for parameter, slots in optimiser.state.items():
            for slot, value in slots.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    slots[slot] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def read_state(path: Path) -> Saved:
    """The state that `save_state` wrote.

    Raises:
        UserError: the file is damaged.
    """
    moments: dict[int, dict[str, Any]] = {}
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        progress = Progress(**json.loads(header["progress"]))
        slots = {n.removeprefix("optim."): v for n, v in tensors.items() if n.startswith("optim.")}
        for name, value in (slots | json.loads(header["scalars"])).items():
            index, slot = name.split(".", 1)
            moments.setdefault(int(index), {})[slot] = value
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        raise UserError(f"{path} is damaged; delete it to train from the start") from None

    def below(prefix: str) -> dict[str, Tensor]:
        return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}

    return Saved(progress, below("net."), below("ema.") or None, moments)

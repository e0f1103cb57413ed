"""Optimisers by name, rates as a function of the step, and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vitruvian.nn.backbones import timm_package
from vitruvian.recipe import Optim, Schedule
from vitruvian.types import UserError


def _muon(groups: list[dict[str, Any]], **options: Any) -> torch.optim.Optimizer:
    """Muon as timm has it: a step of a matrix, or of a convolution as one, is made orthogonal.

    Its rate is one that AdamW would take; AdamW it is for parameters of one axis.

    Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; the size of
    a step: Liu et al., "Muon is scalable for LLM training", 2025.
    """
    timm_package()  # where torchvision does not fit torch, the import below needs it
    from timm.optim import muon

    if any(p.device.type == "cpu" for group in groups for p in group["params"]):
        # Its bfloat16 suits GPUs and has no option: where a CPU emulates it, a step takes 13 times as long.
        muon.zeropower_via_newtonschulz = partial(
            muon.zeropower_via_newtonschulz, dtype=torch.float32
        )
    return muon.Muon(groups, **options)


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "muon": _muon,
}


def optimiser(optim: Optim, net: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of the parameters that are trained now.

    Raises:
        UserError: the optimiser takes no such option or value.
    """
    if taken := {"lr", "weight_decay"} & set(optim.options):
        raise UserError(
            f"optimiser options: {taken.pop()} is a key of its own; write optim.KEY=VALUE"
        )
    trained = [p for p in net.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": trained, "weight_decay": optim.weight_decay}]
    if optim.weight_decay and not optim.decay_norms:
        groups = [
            {"params": [p for p in trained if p.dim() > 1], "weight_decay": optim.weight_decay},
            {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
        ]
    try:
        return OPTIMISERS[optim.name](groups, lr=optim.lr, **optim.options)
    except (TypeError, ValueError) as error:
        raise UserError(f"optimiser {optim.name!r}: {error}") from None


def rate_factor(schedule: Schedule, step: int, steps: int, drops: int = 0) -> float:
    """What the rate is multiplied by at a step.

    Args:
        drops: plateau: how often the rate has dropped so far.
    """
    share = step / steps
    if share < schedule.warmup:
        return (step + 1) / (schedule.warmup * steps + 1)
    if schedule.law == "cosine":
        along = (share - schedule.warmup) / (1 - schedule.warmup)
        return schedule.floor + (1 - schedule.floor) * (1 + math.cos(math.pi * along)) / 2
    if schedule.law == "drops":
        return schedule.factor ** sum(share >= drop for drop in schedule.drops)
    if schedule.law == "plateau":
        return schedule.factor**drops
    return 1.0


def float_state(net: nn.Module) -> dict[str, Tensor]:
    """What averaging follows: every floating-point parameter and buffer by name, not copied."""
    return {name: value for name, value in net.state_dict().items() if value.is_floating_point()}


@torch.no_grad()
def average(shadow: dict[str, Tensor], net: nn.Module, decay: float, step: int) -> None:
    """One step of the averaged weights, in place; the decay grows into `decay` over the first steps."""
    weight = 1 - min(decay, (1 + step) / (10 + step))
    now = float_state(net)
    torch._foreach_lerp_([shadow[name] for name in shadow], [now[name] for name in shadow], weight)

"""How large a net is, without allocating it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import Ask, System, build


@dataclass(frozen=True)
class Size:
    """Parameters of all stages, and billions of multiply-adds for one crop without the flip test."""

    parameters: int
    gmacs: float


def size_of(system: System, config: Any, skeleton: Skeleton) -> Size:
    """Counted on PyTorch's meta device: shapes without memory."""
    with torch.device("meta"):
        net = build(system, config, skeleton).eval()
        image = torch.empty(1, 3, *config.crop, dtype=torch.uint8)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            system.predict(net, image, Ask())
    parameters = sum(parameter.numel() for parameter in net.parameters())
    return Size(parameters, round(counter.get_total_flops() / 2e9, 4))

"""All that a training needs, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from vitruvian.data.loader import Skipped
from vitruvian.data.people import People
from vitruvian.learn.devices import Place
from vitruvian.learn.report import Report
from vitruvian.learn.state import Progress, save_state
from vitruvian.recipe import Recipe
from vitruvian.systems.contract import System

STATE = "state.safetensors"


@dataclass
class Session:
    """All that a training needs.

    `evaluate` gives the score on held-out persons, a share of one; `spread` how much the net's
    answers vary over persons, as a share of how much the truth does. Both are asked together, the
    score first, with the averaged weights; `publish` is called after them.
    """

    system: System
    net: nn.Module
    recipe: Recipe
    people: People
    folder: Path
    where: Place
    report: Report
    evaluate: Callable[[nn.Module], float] | None = None
    spread: Callable[[nn.Module], float] | None = None
    workers: int = 1
    publish: Callable[[nn.Module], None] | None = None  # writes a model that predicts
    max_minutes: float | None = None
    bf16: bool = False  # compute in bfloat16 where it is safe
    progress: Progress = field(default_factory=Progress)
    skipped: Skipped = field(default_factory=Skipped)
    stop: bool = False  # set by a signal; looked at after every step


def save_session(
    session: Session, shadow: dict[str, Tensor] | None, optim: torch.optim.Optimizer | None
) -> None:
    if session.where.first:
        path = session.folder / STATE
        save_state(path, session.progress, session.net, shadow, optim)

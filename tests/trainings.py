"""Short trainings of the tiny systems: sessions, where they stop, what they leave."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import tiny
from vitruvian.learn.session import Session
from vitruvian.learn.state import read_state
from vitruvian.learn.train import train
from vitruvian.recipe import Fit, Optim
from vitruvian.systems.contract import Batch, System

PEOPLE = tiny.blobs(24)
HEATMAPS = tiny.HeatmapsConfig(channels=8)
CASCADE = tiny.CascadeConfig(stages=2)
STATE = "state.safetensors"


def fit(stage: str = "heatmaps", steps: int = 12, **more: Any) -> Fit:
    """A few steps of four persons each."""
    return Fit(**{"stage": stage, "steps": steps, "batch": 4, "optim": Optim(lr=3e-3)} | more)


def heatmaps(folder: Path, *fits: Fit, system: System = tiny.HEATMAPS, **more: Any) -> Session:
    """A session of the system of one stage."""
    return tiny.session(folder, system, HEATMAPS, PEOPLE, *fits, **more)


def cascade(folder: Path, *fits: Fit, system: System = tiny.CASCADE, **more: Any) -> Session:
    """A session of the cascade of an initial regression and a refinement."""
    return tiny.session(folder, system, CASCADE, PEOPLE, *fits, **more)


def counted(system: System, act: dict[int, Any]) -> System:
    """The system, which calls act[n] at its n-th step, from 1."""
    calls = [0]

    def see(net: nn.Module, batch: Batch) -> None:
        calls[0] += 1
        if calls[0] in act:
            act[calls[0]]()

    return tiny.seen(system, see)


def stopped(make: Any, folder: Path, system: System, step: int, *fits: Fit, **more: Any) -> Session:
    """A session that was asked to stop during its `step`-th step and did."""
    session: Session
    session = make(
        folder,
        *fits,
        system=counted(system, {step: lambda: setattr(session, "stop", True)}),
        **more,
    )
    assert not train(session)
    return session


def parameters(net: nn.Module) -> Tensor:
    """All of a net's in one row."""
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def assert_same_state(one: Path, other: Path) -> None:
    """Weights, averages and moments are bit-equal."""
    a, b = read_state(one / STATE), read_state(other / STATE)
    assert (a.progress.fit, a.progress.step) == (b.progress.fit, b.progress.step)
    assert a.net.keys() == b.net.keys()
    assert all(value.equal(b.net[name]) for name, value in a.net.items())
    assert (a.shadow is None) == (b.shadow is None)
    if a.shadow is not None and b.shadow is not None:
        assert all(value.equal(b.shadow[name]) for name, value in a.shadow.items())
    assert a.moments.keys() == b.moments.keys()
    for index, slots in a.moments.items():
        for slot, value in slots.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(b.moments[index][slot]))


def rows(folder: Path) -> list[dict[str, str]]:
    """The lines of a session's log."""
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))

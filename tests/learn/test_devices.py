"""Devices by name; two processes that train as one."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tiny
from vitruvian.learn import devices
from vitruvian.learn.devices import (
    Place,
    agree,
    bf16_pays,
    choose_device,
    of_first,
    place,
)
from vitruvian.learn.state import read_state
from vitruvian.learn.train import train
from vitruvian.recipe import Fit, Schedule
from vitruvian.types import UserError

PEOPLE = tiny.blobs(24)
ALONE = Place(torch.device("cpu"))
HEATMAPS = tiny.HeatmapsConfig(channels=8)
CASCADE = tiny.CascadeConfig(stages=2)
PLATEAU = Schedule(law="plateau", factor=0.1, patience=1, most_drops=3)


def test_choose_device() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UserError, match="no device 'tpu'; choose auto, cpu, cuda or mps"):
        choose_device("tpu")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_device_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(UserError, match=f"no {name} that PyTorch can use; take --device cpu"):
        choose_device(name)


def test_cuda_is_this_process_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto", 3) == torch.device("cuda", 3)


def test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with place("cpu") as where:
        assert where == ALONE
        assert where.first
    assert agree(True, ALONE)
    assert not agree(False, ALONE)
    assert of_first(0.25, ALONE) == 0.25


@pytest.mark.parametrize("faster", [True, False])
def test_a_cpu_computes_in_what_is_faster(faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(devices, "_bf16_is_faster", lambda: faster)
    assert bf16_pays(ALONE.device) is faster


def test_a_cpu_without_instructions_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    monkeypatch.setattr(devices, "_bf16_is_faster", lambda: pytest.fail("it was timed"))
    assert not bf16_pays(ALONE.device)


@pytest.mark.parametrize(("bf16_seconds", "faster"), [((4.0, 1.7), True), ((1.9, 3.0), False)])
def test_the_best_rounds_are_compared(
    bf16_seconds: tuple[float, ...], faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = [3.0, bf16_seconds[0], 2.0, bf16_seconds[1]]  # in single precision 3 and 2 s
    first = [0.0, 0.0]  # begins a round that does not count, once for each precision
    ticks = iter([*first, *(tick for seconds in spent for tick in (0.0, seconds))])
    monkeypatch.setattr(devices.time, "perf_counter", lambda: next(ticks))
    assert devices._bf16_is_faster.__wrapped__(side=4, rounds=2) is faster


def fits(*stages: str, steps: int = 10, **more: Any) -> list[Fit]:
    return [
        Fit(**{"stage": s, "steps": steps, "batch": 8, "optim": tiny.SGD} | more) for s in stages
    ]


# What is trained by one process and by two: system, its sizes, its fits.
TRAININGS: dict[str, tuple[Any, Any, list[Fit]]] = {
    "norms": (tiny.HEATMAPS, HEATMAPS, fits("heatmaps", ema=0.9)),
    "head": (tiny.HEAD_ONLY, HEATMAPS, fits("head", ema=0.9)),
    "cascade": (tiny.CASCADE, CASCADE, fits("initial", "refine_1")),
    "parts": (tiny.CASCADE, CASCADE, fits("initial", "refine_1", accumulate=2, clip=0.5)),
}


def weights(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def trained(name: str, folder: Path, where: Place) -> Tensor:
    system, config, plan = TRAININGS[name]
    session = tiny.session(folder / name, system, config, PEOPLE, *plan, where=where)
    assert train(session)
    return weights(session.net)


def work(rank: int, folder: Path, port: int) -> None:
    """One of two processes: trains everything and writes down what it ended with."""
    variables = {"WORLD_SIZE": 2, "RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in variables.items()}
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    with place("cpu") as where:
        assert (where.rank, where.processes, where.first) == (rank, 2, rank == 0)
        ends: dict[str, Any] = {name: trained(name, folder, where) for name in TRAININGS}
        ends["agree"] = [agree(rank == 1, where), agree(False, where), of_first(rank + 7, where)]
        ends["early"] = stop_of_one(folder, where, at=3, steps=30)
        ends["late"] = stop_of_one(folder, where, at=12, steps=12)
        ends["plateau"] = scores_differ(folder, where)
        ends |= {"labels": labels_of_one(folder, where), "nobody": nobody(folder, where)}
        torch.save(ends, folder / f"{rank}.pt")


def stop_of_one(folder: Path, where: Place, at: int, steps: int) -> tuple[bool, int, int]:
    """A signal that reaches the second process only, in a step of the first fit."""
    calls = [0]

    def see(net: nn.Module, batch: Any) -> None:
        calls[0] += 1
        session.stop |= where.rank == 1 and calls[0] == at

    plan = fits("initial", "refine_1", steps=steps)
    system = tiny.seen(tiny.CASCADE, see)
    session = tiny.session(folder / f"stop{at}", system, CASCADE, PEOPLE, *plan, where=where)
    return train(session), session.progress.fit, session.progress.step


def scores_differ(folder: Path, where: Place) -> Tensor:
    """Held-out scores that differ by rounding, or more, still drop the rate everywhere at once."""
    plan = fits("heatmaps", steps=18, schedule=PLATEAU)
    session = tiny.session(
        folder / "plateau", tiny.HEATMAPS, HEATMAPS, PEOPLE, *plan, where=where, evaluate_every=1.0
    )
    session.evaluate = lambda net: 0.5 + where.rank * session.progress.step
    assert train(session)
    return weights(session.net)


def labels_of_one(folder: Path, where: Place) -> bool:
    """Nobody whom the second process sees is labelled, which is no reason to stop."""
    plan = fits("heatmaps", steps=6)
    session = tiny.session(folder / "labels", tiny.HEATMAPS, HEATMAPS, PEOPLE, *plan, where=where)
    if where.rank == 1:
        session.people = unlabelled()
    return train(session)


def nobody(folder: Path, where: Place) -> str:
    plan = fits("heatmaps", steps=6)
    people = unlabelled()
    session = tiny.session(folder / "nobody", tiny.HEATMAPS, HEATMAPS, people, *plan, where=where)
    with pytest.raises(UserError) as error:
        train(session)
    return str(error.value)


def unlabelled() -> Any:
    people = tiny.blobs(24)
    people.state[:] = 1
    return people


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The folder in which two processes trained, and what each of them ended with."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, (folder, port), nprocs=2)
    return folder, [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", list(TRAININGS))
def test_two_processes_agree_and_equal_one(
    name: str, ranks: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Also with one where no BatchNorm trains: that sees its own process's persons only."""
    folder, (first, second) = ranks
    assert first[name].equal(second[name])
    one = trained(name, tmp_path, ALONE)
    if name != "norms":
        torch.testing.assert_close(first[name], one, rtol=0, atol=1e-5)
    system, config, plan = TRAININGS[name]
    new = tiny.session(tmp_path / "new", system, config, PEOPLE, *plan).net
    assert (one - weights(new)).abs().max() > 1e-4, "nothing was learnt, so nothing was shown"
    saved = read_state(folder / name / "state.safetensors")
    assert saved.progress.fit == len(plan)
    log = (folder / name / "log.csv").read_text().splitlines()
    assert len(log) == 1 + len(plan), "only the first process writes"


def test_processes_decide_together(ranks: tuple[Path, list[dict[str, Any]]]) -> None:
    for end in ranks[1]:
        assert end["agree"] == [True, False, 7.0]
        assert end["early"] == (False, 0, 10), "at the next look"
        assert end["late"] == (False, 0, 12), "before the next fit"
        assert end["labels"]
        assert end["nobody"].startswith("no labelled joint in the first 5 batches")
    assert ranks[1][0]["plateau"].equal(ranks[1][1]["plateau"])
    rates = [row.split(",")[3] for row in (ranks[0] / "plateau" / "log.csv").read_text().split()]
    assert len(set(rates[1:])) > 1, "the rate did drop"

"""Devices and processes: the same command on a laptop, a GPU and several machines (torchrun)."""

from __future__ import annotations

import functools
import math
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from vitruvian.types import UserError


@dataclass(frozen=True)
class Place:
    """Where this process trains."""

    device: torch.device
    rank: int = 0
    processes: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The device for "auto", "cpu", "cuda" or "mps".

    Raises:
        UserError: the machine has no such device.
    """
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if present[kind])
    if name not in present:
        raise UserError(f"no device {name!r}; choose auto, cpu, cuda or mps")
    if not present[name]:
        raise UserError(f"this machine has no {name} that PyTorch can use; take --device cpu")
    return torch.device("cuda", local_rank) if name == "cuda" else torch.device(name)


def has_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16; a CPU that emulates it is many times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in checks)


def bf16_pays(device: torch.device) -> bool:
    """Whether the device is faster in bfloat16.

    A CPU that has instructions for it may be slower: some multiply half as fast with them as in single
    precision, so that both are timed, once for each process.
    """
    return has_bf16(device) and (device.type != "cpu" or _bf16_is_faster())


@functools.cache
def _bf16_is_faster(side: int = 1024, rounds: int = 5) -> bool:
    """Whether the CPU multiplies matrices a tenth faster in bfloat16, by the best of some rounds (0.3 s).

    The first round, in which libraries make their code, does not count.
    """
    one = torch.ones(side, side)
    sides = {kind: one.to(kind) for kind in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(sides, math.inf)
    for number in range(rounds + 1):
        for kind, values in sides.items():
            begun = time.perf_counter()
            values @ values
            if number:
                best[kind] = min(best[kind], time.perf_counter() - begun)
    return best[torch.bfloat16] < 0.9 * best[torch.float32]


def hardware(where: Place) -> str:
    """What a training runs on, in words."""
    if where.device.type == "cuda":
        name = torch.cuda.get_device_name(where.device)
    else:
        name = f"{where.device.type}, {torch.get_num_threads()} threads, {platform.machine()}"
    return f"{where.processes} x {name}" if where.processes > 1 else name


@contextmanager
def place(device: str) -> Iterator[Place]:
    """This process's place; under torchrun it joins the others (NCCL on GPUs, else gloo)."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    chosen = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if processes == 1:
        yield Place(chosen)
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Place(chosen, rank, processes)
    finally:
        dist.destroy_process_group()


def agree(flag: bool, where: Place) -> bool:
    """True on every process when it is on any."""
    if where.processes == 1:
        return flag
    value = torch.tensor(int(flag), device=where.device)
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return bool(value.item())


def of_first(value: float, where: Place) -> float:
    """The first process's value, on every process."""
    if where.processes == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64, device=where.device)
    dist.broadcast(shared, 0)
    return float(shared.item())

"""Clients that measure a service from a process of their own, and how it compares with `predict`."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np

from vitruvian.types import UserError
from vitruvian.use.files import list_photos
from vitruvian.use.predict import Model, load, predict_photos

ROUNDS = 3
_ALONE = 60  # requests, one after the other, that say how long a single one takes
_STARTS = 120.0  # s that a service may take to answer

_KINDS = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png", b"RI": "image/webp"}


@dataclass(frozen=True)
class Load:
    """What clients measured."""

    seconds: np.ndarray  # (n,) of each answer
    statuses: np.ndarray  # (n,)
    wall: float  # s
    cpu: float  # s that the clients themselves computed


def bench_serve(name: str, folder: Path, count: int, clients: int) -> str:
    """A service with so many clients against `predict_photos` on the same files, both in turn.

    The clients' processor time is taken off: they and the service share the cores, as other
    machines' clients would not. Both look once, at the whole image.
    """
    paths = list(islice(list_photos([folder]), count))
    bodies = [path.read_bytes() for path in paths]
    model = load(name)
    rounds = []
    with running(["serve", name, "--port", "0"]) as address, _clients() as ask:
        ask(address, bodies[:_ALONE], clients, None)  # warm
        _files(model, paths[:_ALONE])
        for _ in range(ROUNDS):
            rounds.append(_round(model, paths, bodies, address, clients, ask))
    files, raw, served, single, tail, of_files, of_service = np.median(rounds, 0)
    ratio, slower, cost = np.median([(r[2] / r[0], r[4] / r[3], r[5] / r[6]) for r in rounds], 0)
    return (
        f"{model.info.name} on {len(paths)} photographs, one pass, median of {ROUNDS} rounds\n"
        f"  files to poses                {files:8.1f} images/s\n"
        f"  service, {clients:4} clients         {raw:8.1f} images/s\n"
        f"    without the clients' work   {served:8.1f} images/s,"
        f" {100 * ratio:.0f} % of files to poses\n"
        f"  processor time of an image    {1e3 * of_files:8.2f} ms from its file,"
        f" {1e3 * of_service:.2f} ms served: {100 * cost:.0f} %\n"
        f"  a single request              {1e3 * single:8.1f} ms\n"
        f"  99 % at half load within      {1e3 * tail:8.1f} ms, {slower:.1f} x the single request"
    )


def _round(
    model: Model,
    paths: Sequence[Path],
    bodies: Sequence[bytes],
    address: tuple[str, int],
    clients: int,
    ask: Any,
) -> tuple[float, ...]:
    """Images/s from files, served, and without the clients; s of one request and of 99 % at half load;
    s of processor time from files and served."""
    count, cores = len(paths), os.cpu_count() or 1
    seconds, of_files = _files(model, paths)
    before = _processor_time(address)
    full = ask(address, bodies, clients, None)
    of_service = _processor_time(address) - before
    alone = ask(address, bodies[:_ALONE], 1, None)
    half = ask(address, bodies, clients, count / full.wall / 2)
    for one in (full, alone, half):
        if wrong := sorted({int(status) for status in one.statuses if status != 200}):
            raise UserError(f"the service answered {wrong}: measure with photographs that it takes")
    return (
        count / seconds,
        count / full.wall,
        count / (full.wall - full.cpu / cores),
        float(np.median(alone.seconds)),
        float(np.quantile(half.seconds, 0.99)),
        of_files / count,
        of_service / count,
    )


def _files(model: Model, paths: Sequence[Path]) -> tuple[float, float]:
    """Seconds, and seconds of processor time, from files to poses."""
    began, cpu = time.perf_counter(), time.process_time()
    for _ in predict_photos(model, paths, passes=1, pictures=False):
        pass
    return time.perf_counter() - began, time.process_time() - cpu


def _processor_time(address: tuple[str, int]) -> float:
    """Of a service, s."""
    with urlopen("http://{}:{}/metrics".format(*address)) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_cpu"))


@contextmanager
def running(arguments: Sequence[str]) -> Iterator[tuple[str, int]]:
    """A `vitruvian serve` of its own: host and port while it runs.

    Raises:
        UserError: it does not start.
    """
    command = [sys.executable, "-m", "vitruvian", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if " at http://" not in line:
                raise UserError("the service did not start: what it wrote above says why")
            host, port = line.split(" at http://")[1].split()[0].rsplit(":", 1)
            yield host, int(port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STARTS)


# ---- clients, in a process of their own ----------------------------------------------------------


@contextmanager
def _clients() -> Iterator[Any]:
    """A function that has another process ask: (address, bodies, clients, rate) -> `Load`."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        yield lambda *asked: pool.apply(ask_all, asked)


def ask_all(
    address: tuple[str, int], bodies: Sequence[bytes], clients: int, rate: float | None
) -> Load:
    """Sends each photograph once, over `clients` connections.

    Args:
        address: host and port.
        bodies: files.
        clients: connections; each has one request under way.
        rate: requests a second, started at regular times whatever the answers take; times count from
            when a request was due. None: each client asks again as soon as it is answered.
    """
    cpu, began = time.process_time(), time.perf_counter()
    rows = asyncio.run(_ask_all(address, bodies, clients, rate))
    wall = time.perf_counter() - began
    seconds, statuses = (np.array(column) for column in zip(*rows, strict=True))
    return Load(seconds, statuses, wall, time.process_time() - cpu)


async def _ask_all(
    address: tuple[str, int], bodies: Sequence[bytes], clients: int, rate: float | None
) -> list[tuple[float, int]]:
    requests = [_request(body) for body in bodies]
    rows: list[tuple[float, int]] = []
    following = iter(range(len(requests)))
    began = time.perf_counter()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(*address)
        for number in following:
            due = time.perf_counter()
            if rate is not None:
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            status = await _exchange(reader, writer, requests[number])
            rows.append((time.perf_counter() - due, status))
        writer.close()

    await asyncio.gather(*(client() for _ in range(min(clients, len(requests)))))
    return rows


def _request(body: bytes) -> bytes:
    kind = _KINDS.get(body[:2], "application/octet-stream")
    head = (
        f"POST /predict?passes=1 HTTP/1.1\r\nhost: service\r\ncontent-type: {kind}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(lines[0].split()[1])

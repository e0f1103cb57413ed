"""Runs a service: one process, or several that share a port and their counters."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np

from vitruvian.types import UserError
from vitruvian.use.serve.metrics import Metrics, width
from vitruvian.use.serve.served import map_runners, open_models, serve_model, shared
from vitruvian.use.serve.settings import Settings

_NEEDED = ("fastapi", "httptools", "python_multipart", "uvicorn")
_MOST_CONNECTIONS = 1000  # of a process
_KEPT = 15  # s that a connection without a request is kept
_MOST_DEATHS = 5  # of workers within a minute, after which the service gives up

_M_MMAP_THRESHOLD, _LARGE = -3, 1 << 20  # from malloc.h; bytes

Numbers = Any  # a shared array of multiprocessing, float64


def run(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Serves until SIGINT or SIGTERM, then answers what was accepted.

    Args:
        settings: see there.
        say: told in one line where the service is, once it answers.

    Raises:
        UserError: something is not installed, a model cannot be opened, or the port is taken.
    """
    if lacking := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise UserError(f"serving needs {lacking[0]}: install vitruvian with its extra [serve]")
    listener = _listen(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{listener.getsockname()[1]}"

    def ready(names: Sequence[str]) -> None:
        say(f"vitruvian serves {', '.join(names)} at {address} (Ctrl-C stops it)")

    if settings.workers == 1:
        _work(settings, listener, None, 0, ready)
    else:
        names = [
            name for name, _ in open_models(settings)
        ]  # an error is one line, not one a worker
        _supervise(settings, listener, len(names), partial(ready, names))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with its protocol named asyncio sends without delay; else each answer waits 40 ms for another
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        why = error.strerror or str(error)
        raise UserError(f"cannot listen on {host} port {port} ({why}): give another") from None
    return listener


# ---- one process ---------------------------------------------------------------------------------


def _work(
    settings: Settings,
    listener: socket.socket,
    numbers: Numbers | None,
    row: int,
    ready: Callable[[Sequence[str]], None],
) -> None:
    """Serves in this process until a signal; `ready` is told the models' names once it answers."""
    import uvicorn

    from vitruvian.use.serve.app import create_app
    from vitruvian.use.serve.protocol import Connection as HttpConnection

    models = open_models(settings)
    maps = map_runners(models, settings)
    values = np.zeros((1, width(len(models)))) if numbers is None else _array(numbers, len(models))
    metrics = Metrics(values, row, tuple(name for name, _ in models))
    common = shared()
    served = [
        serve_model(name, model, settings, common, *maps[name], partial(metrics.batch, number))
        for number, (name, model) in enumerate(models)
    ]
    app = create_app(settings, served, metrics, common.close)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready([name for name, _ in models])

    set_log()
    config = uvicorn.Config(
        app, http=HttpConnection, loop="asyncio", ws="none", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_KEPT, timeout_graceful_shutdown=round(2 * settings.timeout) + 5,
    )  # fmt: skip
    _give_memory_back()
    gc.collect()
    gc.freeze()  # what is there now stays: no need to look through it again while requests come
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again when it has finished
        signal.signal(number, lambda *_: None)
    Server(config).run(sockets=[listener])


def set_log() -> None:
    """Warnings go to stderr, but none of a request's making: its answer says what is wrong with it."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def _give_memory_back() -> None:
    """Has glibc return large blocks when they are freed; else the memory of photographs stays taken."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _array(numbers: Numbers, models: int) -> np.ndarray:
    return np.frombuffer(numbers, np.float64).reshape(-1, width(models))


# ---- several processes ---------------------------------------------------------------------------


@dataclass
class _Worker:
    process: Any
    told: Connection  # says something when the worker answers
    answers: bool = False


def _supervise(
    settings: Settings, listener: socket.socket, models: int, ready: Callable[[], None]
) -> None:
    """Keeps workers running until a signal; one that dies is replaced."""
    context = multiprocessing.get_context("spawn")
    numbers = context.RawArray("d", settings.workers * width(models))
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())

    def start(row: int) -> _Worker:
        told, tell = context.Pipe(duplex=False)
        arguments = (settings, listener, numbers, row, tell)
        process = context.Process(target=_worker, args=arguments, name=f"vitruvian serve {row}")
        process.start()
        tell.close()
        return _Worker(process, told)

    workers = [start(row) for row in range(settings.workers)]
    deaths: list[float] = []
    failed = announced = False
    while not stopping.is_set() and not failed:
        wait([one.process.sentinel for one in workers], timeout=0.1)
        for row, one in enumerate(workers):
            if one.process.is_alive():
                one.answers = one.answers or one.told.poll()
            elif not stopping.is_set():
                deaths = [at for at in deaths if time.monotonic() - at < 60] + [time.monotonic()]
                failed = failed or not one.answers or len(deaths) > _MOST_DEATHS
                if not failed:
                    logging.warning("a worker died and is replaced")
                    workers[row] = start(row)
        if not announced and all(one.answers for one in workers):
            announced = True
            ready()
    for one in workers:
        if one.process.is_alive():
            one.process.terminate()
    for one in workers:
        one.process.join()
    if failed:
        raise UserError("the workers died: what they wrote above says why")


def _worker(
    settings: Settings, listener: socket.socket, numbers: Numbers, row: int, tell: Connection
) -> None:
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        _work(settings, listener, numbers, row, lambda names: tell.send(True))
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


def _stop_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

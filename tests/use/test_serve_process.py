"""A real service on a real socket: clients that hang up, signals, workers, memory, files."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient
from uvicorn.server import ServerState

from serving import COMMAND, LONG, PHOTO, Running, file, running
from vitruvian import cli, load, use
from vitruvian.models import bundled
from vitruvian.use.serve import process, protocol
from vitruvian.use.serve.app import create_app
from vitruvian.use.serve.load import ask_all
from vitruvian.use.serve.metrics import Metrics, width
from vitruvian.use.serve.settings import Settings

pytestmark = pytest.mark.skipif(not bundled(), reason="no model is bundled yet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service would write temporary files."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def one(folder: Path) -> Iterator[Running]:
    with running("default", "--timeout", "5", TMPDIR=str(folder)) as service:
        yield service


def connected(service: Running, *lines: str) -> socket.socket:
    """A socket over which the start of a request was sent."""
    connection = socket.create_connection(service.address, timeout=LONG)
    head = ["POST /predict HTTP/1.1", "Host: x", "Content-Type: image/jpeg", *lines]
    connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
    return connection


def received(connection: socket.socket) -> bytes:
    """All that comes until the service closes the connection."""
    with connection:
        return b"".join(iter(lambda: connection.recv(4096), b""))


def until(what: object, seconds: float = LONG) -> None:
    """Waits until a function is true."""
    end = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("line", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_client_that_hangs_up(one: Running, line: str) -> None:
    before = one.metric('vitruvian_requests_total{route="/predict",status="499"}')
    for _ in range(20):
        connection = connected(one, line)
        connection.sendall(b"7d0\r\n" + PHOTO[:2000])
        connection.close()
    assert one.predict() == 200
    name = 'vitruvian_requests_total{route="/predict",status="499"}'
    until(lambda: one.metric(name) == before + 20)


def test_a_client_that_hangs_up_before_its_answer(one: Running) -> None:
    for _ in range(20):
        connection = connected(one, f"Content-Length: {len(PHOTO)}")
        connection.sendall(PHOTO)
        connection.close()
    assert one.predict() == 200
    until(lambda: json.loads(one.ask("GET", "/health")[1])["waiting"] == 0)


def test_a_client_that_dawdles(one: Running) -> None:
    connection = connected(one, "Content-Length: 100000")
    connection.sendall(PHOTO[:100])
    assert one.predict() == 200
    answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"took longer than 5 s to arrive" in answer
    assert b"connection: close" in answer


def test_a_body_too_large_is_answered_not_cut_off(one: Running) -> None:
    with connected(one, "Content-Length: 20000000", "Expect: 100-continue") as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert one.predict(bytes(20_000_000)) == 413
    with connected(one, "Transfer-Encoding: chunked") as connection:
        block = b"100000\r\n" + bytes(0x100000) + b"\r\n"
        with suppress(OSError):
            for _ in range(200):  # without end
                connection.sendall(block)
    assert one.predict() == 200


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nX: " + b"x" * 300_000, b"\x16\x03\x01" * 99])
def test_what_is_no_request(one: Running, head: bytes) -> None:
    with socket.create_connection(one.address, timeout=LONG) as connection:
        with suppress(OSError):
            connection.sendall(head + b"\r\n\r\n")
        with suppress(OSError):
            assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert one.predict() == 200


async def heard(sent: list[bytes], monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What a connection answers to each of these heads, sent a byte at a time and never finished."""
    monkeypatch.setattr(protocol, "_SECONDS", 0.3)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(app, http=protocol.Connection, log_config=None)
    config.load()
    loop, state = asyncio.get_running_loop(), ServerState()
    server = await loop.create_server(
        lambda: protocol.Connection(config=config, server_state=state, app_state={}), "127.0.0.1"
    )

    async def one(data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), LONG)
        writer.close()
        return answer

    answers = await asyncio.gather(*map(one, sent))
    server.close()
    return answers


def test_the_head_of_a_request_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    sent = [b"", b"GET / HT", b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, whole, whole[:-30] * 2]
    nothing, slow, long, fine, slow_second = asyncio.run(heard(sent, monkeypatch))
    assert nothing == b""
    assert slow.startswith(b"HTTP/1.1 400 ")
    assert slow.endswith(b"did not arrive in time.")
    assert long.endswith(b"is too long.")
    assert fine.endswith(b"\r\n\r\nok")
    assert slow_second.startswith(b"HTTP/1.1 400 ")


def test_poses_are_those_of_predict(one: Running) -> None:
    model = load("default")
    for path in sorted((Path(use.__file__).parent / "photos").glob("*.*g")):
        (person,) = json.loads(one.ask("POST", "/predict", path.read_bytes())[1])["persons"]
        expected = model.predict(path)
        xy = [[joint["x"], joint["y"]] for joint in person["joints"]]
        np.testing.assert_allclose(xy, expected.xy[0], atol=0.02)
        scores = [joint["score"] for joint in person["joints"]]
        np.testing.assert_allclose(scores, expected.score[0], atol=1e-3)
        assert person["box"] == pytest.approx(
            (expected.box[0] + [0.5, 0.5, 0, 0]).tolist(), abs=0.02
        )


def test_clients_that_measure(one: Running) -> None:
    full = ask_all(one.address, [PHOTO] * 12, clients=4, rate=None)
    assert full.statuses.tolist() == [200] * 12
    assert full.seconds.shape == (12,)
    assert 0 < full.cpu < full.wall
    steady = ask_all(one.address, [PHOTO] * 6, clients=6, rate=20)
    assert steady.wall >= 5 / 20
    assert steady.statuses.tolist() == [200] * 6


def resident(pid: int, name: str = "VmRSS") -> float:
    """MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory is used")
def test_memory_stays_and_nothing_is_written(one: Running, folder: Path) -> None:
    rng = np.random.default_rng(5)
    large = file(np.zeros((2000, 3000, 3), np.uint8), "PNG")
    noise = b"\xff\xd8\xff" + rng.bytes(12_000_000)

    def storm(count: int) -> None:
        bodies = [PHOTO, large, noise, noise[:100_000], PHOTO[:999]]
        with ThreadPoolExecutor(8) as clients:
            statuses = set(clients.map(one.predict, bodies * count))
        assert statuses <= {200, 422, 429, 504}, statuses

    storm(6)
    before = resident(one.pid)
    storm(20)
    assert resident(one.pid) < before + 150
    assert resident(one.pid, "VmHWM") < 1200
    assert list(folder.iterdir()) == []
    assert one.predict() == 200


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_what_was_accepted_is_answered_before_it_stops(number: int) -> None:
    with running("default") as service, ThreadPoolExecutor(24) as clients:
        assert service.predict() == 200
        stalled = connected(service, "Content-Length: 999")  # does not hold it up for ever
        slow = connected(service, f"Content-Length: {len(PHOTO)}")
        slow.sendall(PHOTO[:-100])
        big = file(np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8), "PNG")
        answers = [clients.submit(service.predict, big) for _ in range(24)]
        until(lambda: service.metric("vitruvian_waiting_persons") >= 4)
        service.process.send_signal(number)
        time.sleep(0.3)
        slow.sendall(PHOTO[-100:])
        assert received(slow).startswith(b"HTTP/1.1 200 ")
        statuses = []
        for answer in answers:
            with suppress(OSError):  # refused after the signal, before it was accepted
                statuses.append(answer.result(LONG))
        assert set(statuses) == {200}
        assert len(statuses) >= 4
        assert received(stalled).startswith(b"HTTP/1.1 408 ")
        assert service.process.wait(LONG) == 0


@pytest.mark.slow
def test_workers_share_a_port_and_their_counters_and_are_replaced() -> None:
    """An answer is counted once it is sent, which its reader may see first."""
    counted = 'vitruvian_requests_total{route="/predict",status="200"}'
    with running("default", "--workers", "2") as service, ThreadPoolExecutor(8) as clients:
        assert set(clients.map(service.predict, [PHOTO] * 40)) == {200}
        until(lambda: service.metric(counted) == 40)
        workers = children(service.pid)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: workers[0] not in children(service.pid) and len(children(service.pid)) == 2)
        assert set(clients.map(service.predict, [PHOTO] * 8)) == {200}
        until(lambda: service.metric(counted) == 48)
        late = children(service.pid)
        assert service.stop() == 0
    for pid in late:
        assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_workers_do_not_outlive_their_parent() -> None:
    with running("default", "--workers", "2") as service:
        workers = children(service.pid)
        service.process.kill()
        service.process.wait(LONG)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def children(pid: int) -> list[int]:
    """Processes that serve; multiprocessing has another that tidies up."""
    if sys.platform != "linux":
        pytest.skip("/proc says which processes there are")
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    command = "spawn_main"
    return [
        int(child)
        for child in found
        if command in Path(f"/proc/{child}/cmdline").read_bytes().decode()
    ]


# ---- what keeps it from starting -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nothing"], "no model 'nothing'"), (["default", "default"], "two models are called"),
     (["default", "--boxes", "9", "--queue", "3"], "longer --queue"),
     (["default", "--host", "192.0.2.1"], "cannot listen on 192.0.2.1 port"),
     (["default", "--host", "no such host"], "cannot listen on no such host")],
)  # fmt: skip
def test_what_cannot_start_is_one_line(
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["vitruvian", "serve", "--port", "0", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setattr(sys, "argv", ["vitruvian", "serve", "default"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == (
        "error: serving needs uvicorn: install vitruvian with its extra [serve]\n"
    )


def test_a_port_that_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        monkeypatch.setattr(sys, "argv", ["vitruvian", "serve", "default", "--port", port])
        with pytest.raises(SystemExit):
            cli.main()
    assert "in use" in capsys.readouterr().err


def test_damaged_forms_fill_no_log(caplog: pytest.LogCaptureFixture) -> None:
    process.set_log()
    app = create_app(Settings(), [], Metrics(np.zeros((1, width(0))), 0, ()))
    form = {"content-type": "multipart/form-data; boundary=b"}
    response = TestClient(app).post("/predict", content=b"x" * 99, headers=form)
    assert response.status_code == 400
    assert [one for one in caplog.records if one.name.startswith("python_multipart")] == []


def test_maps_without_torch_say_so_at_once() -> None:
    command = [sys.executable, "-c", COMMAND, "serve", "default", "--maps", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 1
    assert "torch" in done.stderr
    assert done.stderr.count("\n") == 1

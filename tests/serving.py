"""A service of a net that finds the brightest pixel, and the photographs that it is sent."""

from __future__ import annotations

import http.client
import io
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from vitruvian.models import FileEntry, ModelInfo, Predict, Preprocessing
from vitruvian.skeleton import Skeleton
from vitruvian.types import Runner
from vitruvian.use.predict import Model
from vitruvian.use.serve.app import create_app
from vitruvian.use.serve.metrics import Metrics, width
from vitruvian.use.serve.served import Served, serve_model, shared
from vitruvian.use.serve.settings import Settings

DOTS = Skeleton("dots", ("left_a", "b", "right_c"), limbs=(("left_a", "b"), ("b", "right_c")))
SHORT = 0.1  # s within which a test that waits for a timeout gets it


def brightest(crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
    """Joint j is the centre of what is bright in channel j of (B, H, W, J), its score how bright."""
    most = crops.max((1, 2)).astype(np.float32)
    light = crops * (crops > most[:, None, None] / 2).astype(np.float32)
    total = np.maximum(light.sum((1, 2)), 1)
    rows, columns = np.indices(crops.shape[1:3])[..., None]
    xy = [(light * along).sum((1, 2)) / total for along in (columns, rows)]
    return np.stack(xy, -1).astype(np.float32), most / 255


def model(run: Runner = brightest, passes: int = 1, graphs: bool = True) -> Model:
    """A model of three joints whose net is `run`."""
    names = ("model.onnx", "model.flip.onnx")
    info = ModelInfo(
        name="dots/one",
        system="none",
        config={},
        skeleton=DOTS,
        preprocessing=Preprocessing(crop=(40, 30)),
        predict=Predict(passes=passes, threshold=0.5),
        parameters=7,
        gmacs=0,
        files={name: FileEntry(sha256="", bytes=0) for name in names} if graphs else {},
    )
    return Model(info, run, Path())


@contextmanager
def service(
    settings: Settings | None = None, maps: Any = None, **models: Any
) -> Iterator[tuple[TestClient, list[Served]]]:
    """A client of the service of models by name, and what is served; `maps` gives their heatmaps."""
    settings, named = settings or Settings(), models or {"dots": model()}
    metrics = Metrics(np.zeros((1, width(len(named)))), 0, tuple(named))
    common = shared()
    served = [
        serve_model(
            name, one, settings, common, maps, "no maps here", partial(metrics.batch, number)
        )
        for number, (name, one) in enumerate(named.items())
    ]
    app = create_app(settings, served, metrics, common.close)
    with TestClient(app) as client:
        yield client, served


def dots(height: int = 60, width: int = 90) -> np.ndarray:
    """A photograph (height, width, 3) with one bright square of 5 px for each joint."""
    photo = np.zeros((height, width, 3), np.uint8)
    for j, (x, y) in enumerate(places(height, width)):
        photo[y - 2 : y + 3, x - 2 : x + 3, j] = 255
    return photo


def places(height: int = 60, width: int = 90) -> list[tuple[int, int]]:
    """The centres x, y of the squares of `dots`."""
    return [(width // 4, height // 3), (width // 2, height // 2), (3 * width // 4, 2 * height // 3)]


def file(photo: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """A photograph as the bytes of a file."""
    out = io.BytesIO()
    Image.fromarray(photo).save(out, kind, **options)
    return out.getvalue()


def png_bomb(width: int, height: int) -> bytes:
    """A valid PNG of black pixels, a thousand times smaller than they are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    head = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    rows = zlib.compressobj(9)
    row = bytes(1 + 3 * width)
    data = b"".join(rows.compress(row) for _ in range(height)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# ---- a process of its own ------------------------------------------------------------------------

PHOTO = file(dots(200, 300), "JPEG")
LONG = 60.0  # s; a busy machine starts a service in ten
# torch cannot be imported: a service needs none
COMMAND = (
    "import sys; sys.modules['torch'] = None; sys.modules['timm'] = None; "
    "from vitruvian.cli import main; main()"
)


class Running:
    """A service in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]):
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "vitruvian serves" in line, line
        self.process, self.pid = process, process.pid
        host, port = line.split("http://")[1].split()[0].split(":")
        self.address = host, int(port)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=LONG)
        try:
            connection.request(method, path, body, {"content-type": "image/jpeg"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def predict(self, body: bytes = PHOTO) -> int:
        return self.ask("POST", "/predict", body)[0]

    def metric(self, name: str) -> float:
        lines = self.ask("GET", "/metrics")[1].decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(LONG)


@contextmanager
def running(*arguments: str, torch: bool = False, **environment: str) -> Iterator[Running]:
    """`vitruvian serve` with these arguments, and these variables of the environment."""
    start = ["-m", "vitruvian"] if torch else ["-c", COMMAND]
    command = [sys.executable, *start, "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()

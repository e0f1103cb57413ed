"""What the service says of itself: health, counters, description, pages; and its heatmaps."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import serving
from serving import dots, file, places, service
from vitruvian.use.serve.settings import Settings

PHOTO = file(dots())


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with service(dots=serving.model(), other=serving.model(graphs=False)) as (client, _):
        yield client


def test_health_and_models(client: TestClient) -> None:
    assert client.get("/health").json() == {
        "status": "ok",
        "models": ["dots", "other"],
        "waiting": 0,
    }
    shown = client.get("/models").json()
    assert shown["limits"]["boxes"] == 100
    first = shown["models"][0]
    assert first["name"] == "dots"
    assert first["joints"][0] == {"name": "left_a", "side": "left"}
    assert first["limbs"] == [["left_a", "b"], ["b", "right_c"]]
    assert (first["maps"], first["no_maps"]) == (False, "no maps here")


def test_health_when_nobody_answers() -> None:
    with service() as (client, served):
        served[0].batcher.close()
        assert client.get("/health").status_code == 503
        assert client.post("/predict", content=PHOTO).status_code == 503


def test_metrics_count() -> None:
    with service() as (client, _):
        for content in (PHOTO, PHOTO, b"x"):
            client.post("/predict", content=content)
        client.get("/nothing")
        lines = client.get("/metrics").text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values['vitruvian_requests_total{route="/predict",status="200"}'] == "2"
    assert values['vitruvian_requests_total{route="/predict",status="422"}'] == "1"
    assert values['vitruvian_requests_total{route="other",status="404"}'] == "1"
    assert values['vitruvian_errors_total{route="/predict"}'] == "1"
    assert values['vitruvian_request_seconds_bucket{route="/predict",le="+Inf"}'] == "3"
    assert values['vitruvian_request_seconds_count{route="/predict"}'] == "3"
    assert float(values['vitruvian_request_seconds_sum{route="/predict"}']) > 0
    assert values['vitruvian_persons_total{model="dots"}'] == "2"
    assert values['vitruvian_waiting_persons{model="dots"}'] == "0"
    assert float(values["process_cpu_seconds_total"]) > 0


def test_the_description_describes_what_is_there(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    assert {"/predict", "/predict/batch", "/health", "/metrics", "/models"} == set(
        description["paths"]
    )
    post = description["paths"]["/predict"]["post"]
    assert {"200", "413", "415", "422", "429", "504"} <= set(post["responses"])
    assert {one["name"] for one in post["parameters"]} == {
        "model", "boxes", "passes", "flip", "maps"
    }  # fmt: skip
    assert {"image/jpeg", "multipart/form-data"} <= set(post["requestBody"]["content"])


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_need_nobody_else(client: TestClient, path: str) -> None:
    page = client.get(path)
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    for outside in ("http://", "https://", "//cdn", "@import", " style="):
        assert outside not in page.text.replace("http://www.w3.org/", "")


def test_other_sites_read_answers_only_where_they_may(client: TestClient) -> None:
    site = {"origin": "https://example.org"}
    assert "access-control-allow-origin" not in client.get("/health", headers=site).headers
    with service(Settings(origins=("https://example.org",))) as (open_to_it, _):
        answer = open_to_it.get("/health", headers=site)
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        other = open_to_it.get("/health", headers={"origin": "https://example.com"})
        assert "access-control-allow-origin" not in other.headers


def test_maps_are_pictures_of_their_part() -> None:
    """A map as large as the crop that shows channel j; box and picture lead back to the photograph."""

    def run(crops: np.ndarray, flip: bool) -> Any:
        shown = crops.transpose(0, 3, 1, 2).astype(np.float32) / 510
        return *serving.brightest(crops, flip), {"light": shown}

    with service(maps=run) as (client, _):
        answer = client.post("/predict?maps=1", content=PHOTO)
    assert answer.status_code == 200
    (shown,) = answer.json()["persons"][0]["maps"]
    assert (shown["name"], shown["height"], shown["width"]) == ("light", 40, 30)
    assert shown["peaks"] == [0.5, 0.5, 0.5]
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(shown["png"]))))
    assert picture.shape == (3 * 40, 30)
    left, top, width, height = shown["box"]
    for j, (x, y) in enumerate(places()):
        row, column = np.unravel_index(picture[40 * j :][:40].argmax(), (40, 30))
        assert left + (column + 0.5) * width / 30 - 0.5 == pytest.approx(x, abs=3.5)
        assert top + (row + 0.5) * height / 40 - 0.5 == pytest.approx(y, abs=3.5)

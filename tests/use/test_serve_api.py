"""The service as its clients see it, with a net whose answers are known."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import serving
from serving import SHORT, dots, file, places, service
from vitruvian.use.serve.settings import Settings

PHOTO = file(dots())
RAW = {"content-type": "image/png"}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with service(dots=serving.model(), other=serving.model(graphs=False)) as (client, _):
        yield client


def found(answer: Any) -> list[list[float]]:
    """xy of the joints of the only person."""
    (person,) = answer["persons"]
    return [[joint["x"], joint["y"]] for joint in person["joints"]]


def close(answer: Any) -> bool:
    """Within half a pixel of the crop."""
    return bool(np.abs(np.array(found(answer)) - np.array(places())).max() <= 1.5)


# ---- what is asked -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("content_type", ["image/x", "application/octet-stream", ""])
def test_a_raw_photograph(client: TestClient, kind: str, content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = client.post("/predict", content=file(dots(), kind, quality=95), headers=headers)
    answer = response.json()
    assert response.status_code == 200
    assert (answer["model"], answer["width"], answer["height"]) == ("dots", 90, 60)
    assert close(answer)
    (person,) = answer["persons"]
    assert (person["box"], person["source"]) == ([0, 0, 90, 60], "image")
    assert [joint["name"] for joint in person["joints"]] == list(serving.DOTS.joint_names)
    assert person["score"] == pytest.approx(
        np.mean([joint["score"] for joint in person["joints"]]), abs=1e-4
    )
    assert person["score"] > 0.8


def test_a_form_is_as_good(client: TestClient) -> None:
    raw = client.post("/predict", content=PHOTO, headers=RAW).json()
    form = client.post("/predict", files={"anything": ("../../etc/passwd", PHOTO, "text/x")})
    assert form.json() == raw


def test_boxes_are_where_it_is_looked(client: TestClient) -> None:
    boxes = [[0, 0, 90, 60], [15, 10, 20.5, 20]]
    for response in (
        client.post("/predict", content=PHOTO, params={"boxes": json.dumps(boxes)}, headers=RAW),
        client.post("/predict", files={"photo": PHOTO}, data={"boxes": json.dumps(boxes)}),
    ):
        persons = response.json()["persons"]
        assert {person["source"] for person in persons} == {"user"}
        assert [person["box"] for person in persons] == boxes
        scores = [[joint["score"] for joint in person["joints"]] for person in persons]
        assert min(scores[0]) > 0.4
        assert scores[1][0] == 1
        assert scores[1][2] == 0  # outside of the second box
    assert client.post("/predict?boxes=[]", content=PHOTO, headers=RAW).json()["persons"] == []


def test_a_batch_is_as_good_as_its_photographs(client: TestClient) -> None:
    sizes = [(60, 90), (40, 50), (80, 30)]
    files = [("p", (f"{i}.png", file(dots(*size)))) for i, size in enumerate(sizes)]
    files.insert(1, ("p", ("x.png", b"no photograph")))
    boxes = json.dumps([None, None, [[0, 0, 50, 40], [5, 5, 20, 30]], []])
    response = client.post("/predict/batch", files=files, data={"boxes": boxes, "model": "other"})
    assert response.status_code == 200
    first, bad, second, third = response.json()["photographs"]
    assert close(first)
    assert first["model"] == "other"
    assert bad == {"error": "photograph 2 is no JPEG, PNG or WebP: send one of these"}
    assert len(second["persons"]) == 2
    assert (third["persons"], third["width"], third["height"]) == ([], 30, 80)


def test_a_second_look_is_finer_and_of_the_same_file() -> None:
    """A second look at a large JPEG, decoded smaller first, as `predict` takes one at an array."""
    photo = dots(1200, 1800)
    x, y = places(1200, 1800)[1]
    for j, (dx, dy) in enumerate(((-40, 0), (0, 60), (40, -60))):
        photo[..., j] = 0
        photo[y + dy - 35 : y + dy + 36, x + dx - 35 : x + dx + 36, j] = 255
    once, twice = serving.model(), serving.model(passes=2)
    with service(once=once, twice=twice) as (client, _):
        content = file(photo, "JPEG", quality=95, subsampling=0)
        answers = {
            name: client.post(f"/predict?model={name}", content=content).json()
            for name in ("once", "twice")
        }
        assert client.post("/predict?model=once&passes=2", content=content).json() == {
            **answers["twice"], "model": "once"
        }  # fmt: skip
    assert answers["twice"]["persons"][0]["box"][2] < 400 < answers["once"]["persons"][0]["box"][2]
    expected = twice.predict(photo)
    assert np.abs(np.array(found(answers["twice"])) - expected.xy[0]).max() < 8


def test_a_photograph_is_turned_as_its_exif_says(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = file(np.ascontiguousarray(np.rot90(dots())), "JPEG", quality=95, exif=exif)
    answer = client.post("/predict", content=turned).json()
    assert (answer["width"], answer["height"]) == (90, 60)
    assert close(answer)


def test_the_flip_test_is_passed_on() -> None:
    asked = []

    def run(crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        asked.append(flip)
        return serving.brightest(crops, flip)

    with service(dots=serving.model(run)) as (client, _):
        for value in ("1", "true", "0", "False"):
            assert client.post(f"/predict?flip={value}", content=PHOTO).status_code == 200
    assert asked == [True, True, False, False]


# ---- what is refused -----------------------------------------------------------------------------

JSON = {"content-type": "application/json"}
REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"content": b""}, 422, "is empty: send the bytes of a JPEG"),
    ({"content": b"hello", "headers": RAW}, 422, "no JPEG, PNG or WebP"),
    ({"content": PHOTO[:-30]}, 422, "cut short or damaged"),
    ({"content": file(dots(), "JPEG")[:-30]}, 422, "cut short"),
    ({"content": file(dots(), "GIF")}, 422, "no JPEG, PNG or WebP"),
    ({"json": {"url": "http://localhost/x.jpg"}}, 415, "'application/json' is not taken"),
    ({"data": {"path": "/etc/passwd"}}, 415, "x-www-form-urlencoded' is not taken"),
    ({"content": PHOTO, "headers": {"content-type": "text/html"}}, 415, "send image/jpeg"),
    ({"content": PHOTO, "headers": {"content-encoding": "gzip"}}, 415, "send it as it is"),
    ({"content": PHOTO, "params": {"model": "dot"}}, 404, "no model 'dot', only dots, other"),
    ({"content": PHOTO, "params": {"url": "x"}}, 422, "no option 'url', only model, boxes"),
    ({"content": PHOTO, "params": {"passes": "6"}}, 422, "send 1 to 5"),
    ({"content": PHOTO, "params": {"flip": "yes"}}, 422, "flip is 'yes': send 0 or 1"),
    ({"content": PHOTO, "params": {"maps": "1"}}, 422, "no maps here"),
    ({"content": PHOTO, "params": {"boxes": "[[1,2,3"}}, 422, "boxes is no JSON"),
    ({"content": PHOTO, "params": {"boxes": "[" * 9999}}, 422, "boxes is no JSON"),
    ({"content": PHOTO, "params": {"boxes": "[[1,2,3]]"}}, 422, "rows of four numbers"),
    ({"content": PHOTO, "params": {"boxes": "[[1,2,3,4,1]]"}}, 422, "in px: leave scores out"),
    ({"content": PHOTO, "params": {"boxes": '{"a":1}'}}, 422, "height in px"),
    ({"content": PHOTO, "params": {"boxes": '[["a",2,3,4]]'}}, 422, "rows of four numbers"),
    ({"content": PHOTO, "params": {"boxes": "[[1,2,NaN,4]]"}}, 422, "box 1 is [1.0, 2.0, nan"),
    ({"content": PHOTO, "params": {"boxes": "[[0,0,9,9],[1e99,2,3,4]]"}}, 422, "box 2 is [inf"),
    ({"content": PHOTO, "params": {"boxes": "[[1,2,3,-4]]"}}, 422, "box 1"),
    ({"content": PHOTO, "params": {"boxes": "[[0,0,9,9],[90,0,5,5]]"}}, 422, "box 2 lies outside"),
    ({"content": PHOTO, "params": {"boxes": "[[0,-9,5,9]]"}}, 422, "photograph of 90 x 60 px"),
    ({"files": {"photo": PHOTO}, "data": {"boxes": str([[1, 1, 9, 9]] * 10_000)}}, 413,
     "10000 boxes are more than 100"),
    ({"files": {"photo": PHOTO}, "data": {"boxes": "1" * 300_000}}, 413, "field 'boxes'"),
    ({"files": {"photo": PHOTO}, "data": {"x": "1"}}, 422, "no option 'x'"),
    ({"files": {"photo": PHOTO}, "data": {"flip": "1"}, "params": {"flip": "1"}}, 422, "twice"),
    ({"files": [("a", PHOTO), ("b", PHOTO)]}, 413, "send one, or use /predict/batch"),
    ({"files": {"photo": b""}}, 422, "photograph 1 is empty"),
    ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "no boundary"),
    ({"content": b"x" * 99, "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400,
     "damaged"),
    ({"content": b'--b\r\nContent-Disposition: form-data; name="p"; filename="p"\r\n\r\nxyz',
      "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, "cut short"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "status", "words"), REFUSED)
def test_what_is_refused_is_one_line(
    client: TestClient, request_: dict[str, Any], status: int, words: str
) -> None:
    response = client.post("/predict", **request_)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert words in error
    assert "\n" not in error
    assert len(error) < 300
    assert close(client.post("/predict", content=PHOTO).json())


@pytest.mark.parametrize(
    ("boxes", "status", "words"),
    [("[null]", 422, "for each photograph"), ("3", 422, "for each photograph"),
     (json.dumps([[[0, 0, 9, 9]] * 60] * 2), 413, "120 persons are more than 100"),
     ("[null, 5]", 200, "rows of four numbers")],
)  # fmt: skip
def test_boxes_of_a_batch(client: TestClient, boxes: str, status: int, words: str) -> None:
    files = [("p", PHOTO)] * 2
    response = client.post("/predict/batch", files=files, data={"boxes": boxes})
    assert response.status_code == status
    assert words in response.text


def test_a_batch_has_an_end(client: TestClient) -> None:
    response = client.post("/predict/batch", files=[("p", PHOTO)] * 33)
    assert (response.status_code, response.json()) == (
        413, {"error": "more than 32 photographs: send fewer at once"}
    )  # fmt: skip
    for request in ({"content": PHOTO, "headers": RAW}, {}):
        response = client.post("/predict/batch", **request)  # type: ignore[arg-type]
        assert response.status_code == 415
        assert response.json()["error"].endswith("is not taken: send multipart/form-data")
    empty = {"content": b"--b--", "headers": {"content-type": "multipart/form-data; boundary=b"}}
    assert client.post("/predict/batch", **empty).json() == {  # type: ignore[arg-type]
        "error": "no photographs: send a form with files"
    }


def test_a_body_has_an_end_with_a_length_or_without() -> None:
    with service(Settings(body=50_000)) as (client, _):
        too_large = PHOTO + bytes(50_000)
        assert client.post("/predict", content=PHOTO + bytes(40_000)).status_code == 200
        for content in (too_large, iter([too_large[:30_000], too_large[30_000:]])):
            response = client.post("/predict", content=content)
            assert response.status_code == 413
            assert "larger than 0.0476837 MiB" in response.text
        response = client.post("/predict/batch", files={"p": too_large})
        assert response.status_code == 413


def test_an_address_that_is_none_and_a_method_that_is_none(client: TestClient) -> None:
    assert client.get("/etc/passwd").status_code == 404
    assert client.get("/predict").json() == {"error": "this address takes another method"}
    assert client.get("/predict").status_code == 405


# ---- too much at once ----------------------------------------------------------------------------


class Held:
    """A net that answers when it is let."""

    def __init__(self) -> None:
        self.busy, self.go = threading.Event(), threading.Event()

    def __call__(self, crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        self.busy.set()
        assert self.go.wait(9)
        return serving.brightest(crops, flip)


def test_a_full_queue_says_so_and_goes_on() -> None:
    net = Held()
    settings = Settings(queue=3, boxes=3, batch=1)
    with (
        service(settings, dots=serving.model(net), other=serving.model()) as (client, served),
        ThreadPoolExecutor(3) as clients,
    ):
        waiting = [clients.submit(client.post, "/predict", content=PHOTO) for _ in range(3)]
        assert net.busy.wait(9)
        while served[0].batcher.weight < 3:
            pass
        for address, request in (
            ("/predict", {"content": PHOTO}),
            ("/predict/batch", {"files": [("p", PHOTO)] * 2}),
        ):
            response = client.post(address, **request)  # type: ignore[arg-type]
            assert response.status_code == 429
            assert response.headers["retry-after"] == "1"
            assert "send it again later" in response.json()["error"]
        assert client.post("/predict?model=other", content=PHOTO).status_code == 200
        assert client.get("/health").json()["waiting"] == 3
        net.go.set()
        assert [answer.result(9).status_code for answer in waiting] == [200] * 3
        assert close(client.post("/predict", content=PHOTO).json())


def test_no_answer_in_time() -> None:
    net = Held()
    with service(Settings(timeout=SHORT), dots=serving.model(net)) as (client, served):
        response = client.post("/predict", content=PHOTO)
        assert response.status_code == 504
        assert "no answer within 0.1 s" in response.json()["error"]
        net.go.set()
        while served[0].batcher.weight:
            pass
        assert client.post("/predict", content=PHOTO).status_code == 200


def test_a_net_that_fails_fails_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    fails = [True]

    def run(crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        if fails:
            raise RuntimeError("a secret of the machine")
        return serving.brightest(crops, flip)

    with service(dots=serving.model(run)) as (client, _):
        response = client.post("/predict", content=PHOTO)
        assert response.status_code == 500
        assert "secret" not in response.text
        assert "a secret of the machine" in caplog.text
        fails.clear()
        assert client.post("/predict", content=PHOTO).status_code == 200

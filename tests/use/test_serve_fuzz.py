"""Bad input: a clear 4xx, nothing decoded that is too large, and the next request served."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from serving import dots, file, png_bomb, service
from vitruvian.use.serve import photograph
from vitruvian.use.serve.limits import Memory, read_header
from vitruvian.use.serve.settings import RefusedError, Settings
from vitruvian.use.serve.uploads import Budget

FILES = {
    "JPEG": file(dots(), "JPEG", quality=80),
    "progressive": file(dots(), "JPEG", quality=80, progressive=True),
    "PNG": file(dots(), "PNG"),
    "WEBP": file(dots(), "WEBP"),
    "lossless": file(dots(), "WEBP", lossless=True),
}
FEW = settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with service(Settings(pixels=100_000)) as (client, _):
        yield client


def answered(client: TestClient, **request: Any) -> int:
    """The status: an answer or one line that says what is wrong; a good photograph is then served."""
    response = client.post("/predict", **request)
    if response.status_code == 200:
        assert {"model", "persons"} <= set(response.json())
    else:
        assert 400 <= response.status_code < 500, response.text
        assert "\n" not in response.json()["error"]
    assert client.post("/predict", content=FILES["PNG"]).status_code == 200
    return response.status_code


@given(
    data=st.binary(max_size=300), start=st.sampled_from([b"", *(f[:40] for f in FILES.values())])
)
@FEW
def test_random_bytes(client: TestClient, start: bytes, data: bytes) -> None:
    answered(client, content=start + data)


@given(kind=st.sampled_from(sorted(FILES)), part=st.floats(0, 1))
@FEW
def test_files_that_are_cut_short(client: TestClient, kind: str, part: float) -> None:
    content = FILES[kind]
    status = answered(client, content=content[: int(part * len(content))])
    assert status == 422 or part > 0.9


@given(
    kind=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=9),
    insert=st.binary(max_size=9),
)
@FEW
def test_files_that_were_changed(
    client: TestClient, kind: str, changes: list[tuple[float, int]], insert: bytes
) -> None:
    content = bytearray(FILES[kind])
    for place, value in changes:
        content[int(place * len(content))] = value
    middle = int(changes[0][0] * len(content))
    content[middle:middle] = insert
    answered(client, content=bytes(content))


@given(
    boundary=st.sampled_from(["b", "", "b" * 300, "\xe9"]),
    parts=st.lists(st.binary(max_size=80), max_size=4),
    glue=st.sampled_from([b"\r\n--b\r\n", b"--b\r\n", b"\n--b\n", b"--b--\r\n", b"\r\n\r\n"]),
)
@FEW
def test_forms_that_are_none(
    client: TestClient, boundary: str, parts: list[bytes], glue: bytes
) -> None:
    header = f"multipart/form-data; boundary={boundary}".encode("latin-1")
    content = b"--b\r\n" + glue.join(parts) + b"\r\n--b--\r\n"
    assert answered(client, content=content, headers={b"content-type": header}) >= 400


number = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.integers(-(10**20), 10**20),
    st.floats(-100, 100), st.sampled_from([1e-30, 1e30, 0.5, 3e38]),
)  # fmt: skip


@given(
    boxes=st.recursive(
        st.one_of(st.none(), st.booleans(), st.text(max_size=3), number),
        lambda inner: st.lists(inner, max_size=5),
        max_leaves=20,
    )
    | st.lists(st.tuples(number, number, number, number), min_size=1, max_size=3)
)
@FEW
def test_boxes_of_any_kind(client: TestClient, boxes: Any) -> None:
    request = {"content": FILES["PNG"], "params": {"boxes": json.dumps(boxes)}}
    status = answered(client, **request)
    if status == 200 and boxes is not None:
        for person in client.post("/predict", **request).json()["persons"]:
            values = [joint[key] for joint in person["joints"] for key in ("x", "y", "score")]
            assert np.isfinite(np.array(values, float)).all()


# ---- what claims to be large ---------------------------------------------------------------------


def claiming(kind: str, width: int, height: int) -> bytes:
    """A small file whose header claims another size."""
    content = bytearray(FILES[kind])
    if kind == "PNG":
        content[16:24] = width.to_bytes(4) + height.to_bytes(4)
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    else:
        frame = content.index(b"\xff\xc0" if kind == "JPEG" else b"\xff\xc2")
        content[frame + 5 : frame + 9] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [claiming("JPEG", 60_000, 60_000), claiming("progressive", 65_535, 65_535),
     claiming("PNG", 2_000_000, 2_000_000), png_bomb(2000, 2000),
     file(np.zeros((400, 400, 3), np.uint8), "WEBP")],
    ids=["jpeg", "progressive", "png", "bomb", "webp"],
)  # fmt: skip
def test_what_claims_too_many_pixels_is_not_decoded(
    client: TestClient, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError("decoded")

    with monkeypatch.context() as patched:
        patched.setattr(photograph, "decode_photo", never)
        response = client.post("/predict", content=content)
    assert response.status_code == 413
    assert "megapixels, more than 0.1: send it smaller" in response.json()["error"]


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_comment_that_unfolds_is_not_unfolded(client: TestClient, kind: bytes) -> None:
    """80 MB of zeros in a comment of 80 KB, before and after the picture."""
    zeros = zlib.compress(bytes(80_000_000), 9)
    data = b"k\0\1\0\0\0" + zeros if kind == b"iTXt" else b"k\0\0" + zeros
    png = FILES["PNG"]
    for place in (33, png.index(b"IEND") - 4):
        answered(client, content=png[:place] + chunk(kind, data) + png[place:])


def test_a_jpeg_of_a_thousand_scans(client: TestClient) -> None:
    content = FILES["progressive"]
    scan = content.index(b"\xff\xda")
    response = client.post("/predict", content=content[:scan] + 1000 * content[scan:])
    assert response.status_code == 422
    assert "more than 50 scans" in response.json()["error"]


def test_headers_say_what_decoding_takes() -> None:
    for kind, content in FILES.items():
        header = read_header(content, "it", 5400)
        assert header.size == (60, 90)
        assert header.working(1) >= 6 * 5400 + 3 * 5400
        assert header.working(8) < header.working(1)
        with pytest.raises(
            RefusedError, match=r"it has 0\.0054 megapixels, more than 0\.005399: send"
        ) as refused:
            read_header(content, "it", 5399)
        assert refused.value.status == 413, kind
    lying = claiming("JPEG", 0, 60)
    with pytest.raises(RefusedError, match="height or width is 0"):
        read_header(lying, "it", 9)


# ---- memory --------------------------------------------------------------------------------------


def test_memory_is_shared_in_order() -> None:
    memory, done = Memory(10), []

    def take(nbytes: int) -> None:
        memory.take(nbytes)
        done.append(nbytes)

    memory.take(8)
    waiting = []
    for nbytes in (9, 2):  # the second would fit, but the first came first
        waiting.append(threading.Thread(target=take, args=(nbytes,)))
        waiting[-1].start()
        waiting[-1].join(0.05)
    assert done == []
    memory.give(8)
    waiting[0].join(5)
    assert done == [9]
    memory.give(9)
    waiting[1].join(5)
    assert done == [9, 2]
    memory.give(2)
    memory.take(99)  # more than there is: alone
    assert memory.held == 99


def test_what_photographs_held_is_given_back() -> None:
    memory = Memory(1 << 30)
    kind = photograph.Kind(passes=1)
    for content in FILES.values():
        made = photograph.prepare(photograph.Wish(content, "it"), kind, (40, 30), 10**6, 9, memory)
        assert memory.held == made.pixels.nbytes == 3 * 5400 // made.factor**2
        del made
        assert memory.held == 0
    with pytest.raises(Exception, match="damaged"):
        photograph.prepare(
            photograph.Wish(FILES["PNG"][:-30], "it"), kind, (40, 30), 10**6, 9, memory
        )
    assert memory.held == 0


def test_bodies_are_given_back() -> None:
    budget = Budget(10)
    with budget.request() as take:
        take(6)
        with budget.request() as other:
            other(4)
            with pytest.raises(RefusedError, match="later") as refused:
                other(1)
            assert refused.value.status == 429
        take(4)
    with budget.request() as take:
        take(10)

"""Requests -> the bytes of photographs, in memory, never more than the limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from vitruvian.use.serve.settings import RefusedError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_LONGEST_FIELD = 1 << 18  # bytes of a form's field that is no file
_MOST_FIELDS = 16
_RAW = ("", "application/octet-stream")  # or image/*
_DRAINED = 4  # times the limit that is read of a body too large, so that its sender gets an answer


class Budget:
    """Bytes of bodies that all requests together may hold."""

    def __init__(self, most: int):
        self._left = most

    @contextmanager
    def request(self) -> Iterator[Callable[[int], None]]:
        """What a request calls with the bytes that it receives; they are given back at its end.

        Raises:
            RefusedError: by the call, when there are none left.
        """
        taken = 0

        def take(nbytes: int) -> None:
            nonlocal taken
            if nbytes > self._left:
                raise RefusedError(
                    429, "too many photographs are being received: send it again later"
                )
            self._left -= nbytes
            taken += nbytes

        try:
            yield take
        finally:
            self._left += taken


@dataclass
class Upload:
    """What a request brought."""

    files: list[tuple[str, bytes]] = field(default_factory=list)  # name, content
    fields: dict[str, str] = field(default_factory=dict)


async def receive(
    request: Request, limit: int, most_files: int | None, take: Callable[[int], None]
) -> Upload:
    """The photographs and fields of a request, raw or multipart.

    Args:
        request: whose body is read.
        limit: bytes of it.
        most_files: photographs of a form; None: one, which may come without a form.
        take: told of the bytes; see `Budget.request`.

    Raises:
        RefusedError: another content type, too large, damaged, or too many parts.
        ClientDisconnect: the client hung up.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise RefusedError(415, f"content-encoding {encoding!r} is not taken: send it as it is")
    name = kind.decode("latin-1")
    if name == "multipart/form-data":
        form = _Form(options.get(b"boundary", b""), most_files or 1)
        await _read(request, limit, take, form.write)
        return form.close()
    if most_files is not None or (name not in _RAW and not name.startswith("image/")):
        taken = "" if most_files is not None else "image/jpeg, image/png, image/webp or "
        raise RefusedError(
            415, f"content-type {name[:80]!r} is not taken: send {taken}multipart/form-data"
        )
    chunks: list[bytes] = []
    await _read(request, limit, take, chunks.append)
    return Upload([("the photograph", b"".join(chunks))])


async def drain(request: Request, limit: int, seconds: float) -> None:
    """Reads on after a refusal, within bounds, as many clients listen only when they have sent all."""
    if request.headers.get("expect"):
        return
    left = _DRAINED * limit
    try:
        async with asyncio.timeout(seconds):
            async for chunk in _chunks(request):
                left -= len(chunk)
                if left < 0:
                    return
    except (TimeoutError, ClientDisconnect):
        return


async def _read(
    request: Request, limit: int, take: Callable[[int], None], write: Callable[[bytes], object]
) -> None:
    declared = request.headers.get("content-length", "")
    too_large = RefusedError(
        413, f"the request is larger than {limit / 2**20:g} MiB: send less at once"
    )
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    size = 0
    async for chunk in _chunks(request):
        size += len(chunk)
        if size > limit:
            raise too_large
        take(len(chunk))
        write(chunk)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """A request's body; unlike `Request.stream` it can be gone on with after a break."""
    while not request.scope.get("vitruvian.read"):
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if not message.get("more_body", False):
            request.scope["vitruvian.read"] = True
        if message.get("body"):
            yield message["body"]


class _Form:
    """Collects the parts of a multipart form; nothing is written to a disk."""

    def __init__(self, boundary: bytes, most_files: int):
        self._most_files = most_files
        self._upload = Upload()
        self._header, self._value = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        self._name, self._file = "", ""
        self._body, self._finished = bytearray(), False
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, a, b: self._header.extend(data[a:b]),
            "on_header_value": lambda data, a, b: self._value.extend(data[a:b]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }
        if not boundary:
            raise RefusedError(400, "the multipart form says no boundary: send one")
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise RefusedError(400, "the multipart form's boundary is too long") from None

    def write(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise RefusedError(400, "the multipart form is damaged: send it again") from None

    def close(self) -> Upload:
        if not self._finished:
            raise RefusedError(400, "the multipart form is cut short: send it again")
        return self._upload

    def _finish(self) -> None:
        self._finished = True

    def _begin(self) -> None:
        self._headers, self._body = {}, bytearray()

    def _end_header(self) -> None:
        name = bytes(self._header).decode("latin-1").lower()
        self._headers[name] = bytes(self._value).decode("utf-8", "replace")
        self._header.clear()
        self._value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition"))
        name, file = options.get(b"name", b""), options.get(b"filename")
        self._name = name.decode("latin-1")[:80]
        self._file = "" if file is None else f"photograph {len(self._upload.files) + 1}"
        if self._file and len(self._upload.files) >= self._most_files:
            raise RefusedError(413, self._too_many())
        if not self._file and len(self._upload.fields) >= _MOST_FIELDS:
            raise RefusedError(400, f"more than {_MOST_FIELDS} fields: send fewer")

    def _too_many(self) -> str:
        if self._most_files == 1:
            return "more than one photograph: send one, or use /predict/batch"
        return f"more than {self._most_files} photographs: send fewer at once"

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._body += memoryview(data)[start:end]
        if not self._file and len(self._body) > _LONGEST_FIELD:
            raise RefusedError(413, f"field {self._name!r} is longer than {_LONGEST_FIELD} bytes")

    def _end(self) -> None:
        if self._file:
            self._upload.files.append((self._file, bytes(self._body)))
        elif self._name in self._upload.fields:
            raise RefusedError(400, f"field {self._name!r} is there twice: send it once")
        else:
            self._upload.fields[self._name] = self._body.decode("utf-8", "replace")
        self._body = bytearray()

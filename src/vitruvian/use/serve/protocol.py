"""HTTP connections: uvicorn's, with an end to how long and how slow the head of a request may be."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 1 << 16  # bytes; one that comes at once may be as long as what is read at once
_SECONDS = 10.0  # from the connection, or the first byte of a later request, to the end of the head


class Connection(HttpToolsProtocol):
    """A connection that is closed when the head of a request is too long or late."""

    _head = 0  # bytes of a head that has not ended
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._late is not None:
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self._refuse("The head of the request is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arrived()
        why = "The head of the request did not arrive in time."
        self._late = self.loop.call_later(_SECONDS, self._refuse, why)

    def on_headers_complete(self) -> None:
        self._arrived()
        super().on_headers_complete()

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late, self._head = None, 0

    def _refuse(self, why: str) -> None:
        self._arrived()
        if not self.transport.is_closing():
            self.send_400_response(why)

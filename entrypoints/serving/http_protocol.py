"""uvicorn's protocol, with one system call a response, and as many connections in each process."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Of the connections that come within so many seconds, a process takes so many at once. Before each
# further one it rests, so that another process can take it: waking up takes longer than accepting.
WINDOW = 0.002
ACCEPTS_PER_WAKEUP = 4
ACCEPT_COOLDOWN = 0.0001


# In the scope of a request whose response does not end by itself.
STREAM = "order_aggregator.stream"


class _Pace:
    """How many connections this process has accepted in the current window."""

    def __init__(self) -> None:
        self._began = 0.0
        self._accepted = 0

    def accepted(self) -> None:
        """Rest, if there were many."""
        now = time.monotonic()
        if now - self._began > WINDOW:
            self._began = now
            self._accepted = 0
        self._accepted += 1
        if self._accepted > ACCEPTS_PER_WAKEUP:
            time.sleep(ACCEPT_COOLDOWN)


_pace = _Pace()


class HttpProtocol(HttpToolsProtocol):
    """Sends the head of a response together with its body."""

    def connection_made(self, transport: Any) -> None:
        """A client has come."""
        super().connection_made(cast(asyncio.Transport, _Gathering(transport)))
        _pace.accepted()

    def shutdown(self) -> None:
        """The server ends: so does a stream, whose client comes back to another."""
        super().shutdown()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.scope.get(STREAM):
            self.transport.close()


class _Gathering:
    """A transport that sends what is written in one turn of the event loop at its end."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.set_protocol = transport.set_protocol

    def write(self, data: bytes) -> None:
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._unsent:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()

"""A client's end of a connection whose other end is served in the same event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import attrs
import uvloop

from order_aggregator.entrypoints.api.http import Connection, Connections

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], within: float = 20.0) -> T:
    """Run it in an event loop as the API has it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(main, within))


@attrs.frozen
class Received:
    """An answer, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Sends raw bytes, and reads answers."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._received = b""

    async def send(self, *chunks: bytes) -> None:
        """Send each so that it arrives alone."""
        for chunk in chunks:
            await self._loop.sock_sendall(self._end, chunk)
            await asyncio.sleep(0.001)

    async def receive(self, *, has_body: bool = True) -> Received:
        """The next answer."""
        while b"\r\n\r\n" not in self._received:
            await self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 ")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(headers.get("Content-Length", 0)) if has_body else 0
        while len(self._received) < size:
            await self._more()
        body, self._received = self._received[:size], self._received[size:]
        return Received(int(first.split()[1]), headers, body)

    async def receive_all(self) -> list[Received]:
        """The answers that come until the server closes the connection."""
        answers = []
        while not await self.is_closed():
            answers.append(await self.receive())
        return answers

    async def is_closed(self) -> bool:
        """Wait for another answer or the end; whether it is the end."""
        if not self._received:
            try:
                await self._more()
            except EOFError:
                return True
        return False

    def end_sending(self) -> None:
        """Send no more, but listen."""
        self._end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Neither send nor listen."""
        self._end.close()

    async def _more(self) -> None:
        try:
            received = await self._loop.sock_recv(self._end, 65536)
        except ConnectionResetError:
            received = b""
        if not received:
            raise EOFError
        self._received += received


async def connect(connections: Connections, buffer: int | None = None) -> Client:
    """Connect a client. `buffer`: so few bytes wait in the kernel for the client to read them."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
        if buffer is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: Connection(connections), theirs)
    return Client(ours)


async def until(true: Callable[[], bool]) -> None:
    """Wait for what nobody tells us of."""
    while not true():  # noqa: ASYNC110 - as said
        await asyncio.sleep(0.001)


@asynccontextmanager
async def leaving_none(connections: Connections) -> AsyncIterator[None]:
    """Close what a failing test leaves open: the loop could not be closed otherwise."""
    try:
        yield
    finally:
        for connection in list(connections.open):
            connection._transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def ticking(connections: Connections) -> AsyncIterator[None]:
    """Look for what has taken too long, more often than the API does."""
    async with leaving_none(connections):
        task = asyncio.create_task(_tick(connections))
        try:
            yield
        finally:
            task.cancel()


async def _tick(connections: Connections) -> None:
    while True:
        connections.tick()
        await asyncio.sleep(0.01)

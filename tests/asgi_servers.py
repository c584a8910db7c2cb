"""ASGI servers on loopback, each in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import attrs
import hypercorn.asyncio
import uvicorn
import uvloop

from order_aggregator.entrypoints.runtime.listening import listen
from order_aggregator.entrypoints.serving.asgi import AsgiApplication
from order_aggregator.entrypoints.serving.processes import UVICORN
from service import eventually


@attrs.frozen
class Server:
    """One that serves, until it is told to stop."""

    port: int
    stop: Callable[[], None]

    def connect(self) -> socket.socket:
        """A client's connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def responses(self, request: bytes) -> bytes:
        """All that is sent back until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(request)
            return everything(connection)


def everything(connection: socket.socket) -> bytes:
    """What comes until the end."""
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


@contextmanager
def serving_uvicorn(application: AsgiApplication) -> Iterator[Server]:
    """As the product is served."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(application, **UVICORN))
    thread = Thread(target=server.run, args=([listener],))

    def stop() -> None:
        server.should_exit = True

    thread.start()
    eventually(lambda: server.started)
    try:
        yield Server(listener.getsockname()[1], stop)
    finally:
        stop()
        thread.join()


@contextmanager
def serving_hypercorn(application: AsgiApplication) -> Iterator[Server]:
    """As somebody else may serve it."""
    listener = listen("127.0.0.1", 0)
    config = hypercorn.Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.loglevel = "CRITICAL"
    stopped = asyncio.Event()
    loop = uvloop.new_event_loop()

    def stop() -> None:
        loop.call_soon_threadsafe(stopped.set)

    async def main() -> None:
        app: Any = application
        await hypercorn.asyncio.serve(app, config, shutdown_trigger=stopped.wait)

    thread = Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        yield Server(listener.getsockname()[1], stop)
    finally:
        stop()
        thread.join()
        loop.close()
        listener.detach()

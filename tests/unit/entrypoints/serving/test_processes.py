"""How the API's processes are watched over."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace

import uvloop
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.sock import TCPSocket

from order_aggregator.adapters.system.settings import Settings
from order_aggregator.entrypoints.serving.processes import _Processes, api


async def serve_and_stop(listener: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, sock=listener)
    server.close()
    await server.wait_closed()


def test_a_listener_is_closed_once() -> None:
    """Closed twice, the second time may be another thread's file of the same number."""
    opened = socket.create_server(("127.0.0.1", 0)).detach()
    wrapped = TCPSocket("", Config(), Logger(Config()), fd=opened)
    process = SimpleNamespace(sockets=[wrapped])
    _Processes(Settings(), api, opened, None).cfg.post_fork(None, process)
    uvloop.run(serve_and_stop(*process.sockets))
    # Its own `close` was not called, and there is nothing left to close.
    assert wrapped.sock is not None
    assert wrapped.sock.fileno() == -1

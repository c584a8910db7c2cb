"""One of the API's processes, in this one."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from typing import Any

import pytest
from gunicorn.glogging import Logger

from order_aggregator.adapters.system.settings import read_settings
from order_aggregator.entrypoints.api import server
from order_aggregator.entrypoints.api.concurrency import Turns
from order_aggregator.entrypoints.api.gateway import Gateway
from order_aggregator.entrypoints.api.server import _Acceptor, _Process, _Processes
from order_aggregator.entrypoints.api.services import Limits
from wire import Client, leaving_none, run


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """A process hears signals; afterwards we do again."""
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def never(*_: Any) -> Any:
    raise AssertionError


def gateway() -> Gateway:
    return Gateway(never, Limits(patience=0.05), Turns(), 1, lambda: None)


@pytest.fixture
def process(listener: socket.socket) -> Iterator[_Process]:
    app = _Processes(read_settings({}), never)
    process = _Process(1, os.getppid(), [listener], app, 30, app.cfg, Logger(app.cfg))
    yield process
    process.tmp.close()


def unconnected() -> socket.socket:
    end = socket.socket()
    end.setblocking(False)
    return end


async def connect(end: socket.socket, listener: socket.socket) -> Client:
    await asyncio.get_running_loop().sock_connect(end, listener.getsockname())
    return Client(end)


def stop(process: _Process) -> None:
    process.alive = False


def lose_parent(process: _Process) -> None:
    process.ppid = -1


@pytest.mark.parametrize("end", [stop, lose_parent])
def test_a_process_ends_when_told_to_or_alone_though_a_client_stalls(
    monkeypatch: pytest.MonkeyPatch, process: _Process, end: Callable[[_Process], None]
) -> None:
    monkeypatch.setattr(server, "TICK", 0.05)

    async def main() -> tuple[int, float]:
        served = gateway()
        running = asyncio.create_task(process._serve(served))
        async with leaving_none(served.connections):
            with closing(await connect(unconnected(), process.sockets[0])) as client:
                await client.send(b"GET / HTTP/1.1\r\n")
                end(process)
                answer = await client.receive()
                started_at = time.monotonic()
                await running
                return answer.status, time.monotonic() - started_at

    status, seconds = run(main())
    assert status == 408
    assert seconds < 2


@contextmanager
def no_files_left() -> Iterator[None]:
    """No file can be opened, and no connection accepted."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_file = os.dup(0)
    os.close(next_file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_file, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_when_no_file_is_left_clients_wait_until_there_is_one(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    monkeypatch.setattr(server, "TICK", 0.05)

    async def main() -> int:
        connections = gateway().connections
        acceptor = _Acceptor(listener, connections)
        async with leaving_none(connections), AsyncExitStack() as stack:
            first, second = [stack.enter_context(unconnected()) for _ in range(2)]
            with no_files_left():
                client = await connect(first, listener)
                await asyncio.sleep(0.02)
                assert not connections.open
            await client.send(b"garbage")
            found = (await client.receive()).status
            # Told to stop just then, it does not come back.
            with no_files_left():
                await connect(second, listener)
                await asyncio.sleep(0.02)
                await acceptor.stop()
            await asyncio.sleep(0.1)
            assert not connections.open
            return found

    assert run(main()) == 400

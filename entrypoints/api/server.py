"""The API's processes: gunicorn watches over them, and each is an event loop of its own."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import structlog
import uvloop
from gunicorn.app.base import BaseApplication
from gunicorn.workers.base import Worker

from ...adapters.system.settings import Settings
from ..garbage import collect_less
from ..logs import configure_logs

if TYPE_CHECKING:
    from flask import Flask

    from .concurrency import Turns
    from .gateway import Gateway
    from .http import Connections

    Build = Callable[[Settings, Turns], AbstractContextManager[Flask]]

log = structlog.get_logger()

STOP_WITHIN = 15
# Connections that wait to be accepted, and that a process serves.
MAX_CONNECTIONS = 16_384
# For databases, brokers, logs and the like.
OTHER_FILES = 150
TICK = 1.0
ACCEPTED_AT_ONCE = 8
# Seconds for which a process that has accepted some leaves what comes next to the others.
REST = 0.002
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
METRICS = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def api(settings: Settings, turns: Turns) -> Iterator[Flask]:
    """The application of one process, with its relay beside it."""
    # Here, so that the process that only watches over the others stays small, and because metrics
    # look at the environment when they are imported.
    from ...bootstrap import bootstrap
    from .assembly import api_of

    with api_of(bootstrap(settings), turns) as app:
        yield app


def serve(settings: Settings, build: Build = api) -> None:
    """Serve until SIGTERM or SIGINT; requests that are being answered are finished.

    `build` makes the application, in each process its own.
    """
    with _shared_metrics(settings):
        log.info("api.started", host=settings.host, port=settings.port)
        with _at_the_end(partial(log.info, "api.stopped")):
            _Processes(settings, build).run()


@contextmanager
def _shared_metrics(settings: Settings) -> Iterator[None]:
    """A folder in which several processes keep their figures, so that each can answer for all."""
    if settings.api_processes == 1:
        yield
        return
    folder = tempfile.mkdtemp(prefix="order-aggregator-metrics-")
    os.environ[METRICS] = folder
    with _at_the_end(partial(shutil.rmtree, folder, ignore_errors=True)):
        yield


@contextmanager
def _at_the_end(call: Callable[[], object]) -> Iterator[None]:
    """Call it when all is over: each process that has served comes by here too, when it ends."""
    parent = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == parent:
            call()


class _Processes(BaseApplication):
    """What gunicorn is to run."""

    def __init__(self, settings: Settings, build: Build) -> None:
        self._settings = settings
        self._build = build
        super().__init__()

    def load_config(self) -> None:
        """Say how."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        options = {
            "bind": [f"{host}:{self._settings.port}"],
            "workers": self._settings.api_processes,
            "worker_class": _Process,
            "backlog": MAX_CONNECTIONS,
            "graceful_timeout": STOP_WITHIN,
            "control_socket_disable": True,
            # It sets up logging in its own way first.
            "on_starting": lambda _arbiter: configure_logs(self._settings.log_level),
            "logconfig_dict": {
                "loggers": {"gunicorn.error": {"level": "WARNING", "propagate": True}}
            },
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def gateway(self) -> Gateway:
        """What one process serves; called in that process."""
        from .concurrency import Turns
        from .gateway import Gateway
        from .services import Limits

        configure_logs(self._settings.log_level)
        turns = Turns()
        end = ExitStack()
        app = end.enter_context(self._build(self._settings, turns))
        return Gateway(app, Limits(), turns, self._settings.api_threads, end.close)


class _Process(Worker):
    """One process: accepts connections, and serves them in an event loop."""

    def init_signals(self) -> None:
        """Leave signals to the event loop, once there is one."""
        super().init_signals()
        signal.set_wakeup_fd(-1)

    def load_wsgi(self) -> None:
        """What is served is more than a WSGI application."""
        self._gateway = cast(_Processes, self.app).gateway()

    def run(self) -> None:
        """Serve until told to stop."""
        collect_less()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(self._gateway))

    async def _serve(self, gateway: Gateway) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, stop.set)
        acceptors = [_Acceptor(listener, gateway.connections) for listener in self.sockets]
        # The parent may have been killed.
        while self.alive and not stop.is_set() and os.getppid() == self.ppid:
            await self._tick(gateway, stop.wait())
        for acceptor in acceptors:
            await acceptor.stop()
        closing = loop.create_task(gateway.close())
        while not closing.done():
            await self._tick(gateway, asyncio.shield(closing))
        closing.result()

    async def _tick(self, gateway: Gateway, until: Awaitable[object]) -> None:
        """Do what is to be done every second, and wait that long, or until this is done."""
        self.notify()
        gateway.connections.tick()
        with suppress(TimeoutError):
            await asyncio.wait_for(until, TICK)


class _Acceptor:
    """Accepts a few connections at a time, so that the processes get about as many each."""

    def __init__(self, listener: socket.socket, connections: Connections) -> None:
        self._listener = listener
        self._connections = connections
        self._most = _files_for_connections()
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[Any]] = set()
        self._stopped = False
        self._start()

    async def stop(self) -> None:
        """Accept no more, once those that have been accepted are there."""
        self._stopped = True
        self._loop.remove_reader(self._listener)
        if self._beginning:
            await asyncio.wait(self._beginning)

    def _start(self) -> None:
        if not self._stopped:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        accepted = False
        try:
            for _ in range(ACCEPTED_AT_ONCE):
                if len(self._connections.open) >= self._most:
                    self._pause(TICK)
                    return
                client, _address = self._listener.accept()
                self._begin(client)
                accepted = True
        except BlockingIOError:
            pass
        except OSError as error:
            # Else it was that client's fault, or it has gone.
            if error.errno in _NO_ROOM:
                log.error("api.cannot_accept", error=str(error))
                self._pause(TICK)
                return
        if accepted:
            self._pause(REST)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._loop.call_later(seconds, self._start)

    def _begin(self, client: socket.socket) -> None:
        client.setblocking(False)
        with suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(
            self._loop.connect_accepted_socket(self._connections.new, client)
        )
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)


def _files_for_connections() -> int:
    """How many connections may be open: as many as the system allows, and files for the rest."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return wanted - OTHER_FILES

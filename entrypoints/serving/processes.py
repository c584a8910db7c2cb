"""The API's processes: gunicorn watches over them, in each uvicorn serves."""

from __future__ import annotations

import logging
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]

from ...adapters.system.log import Log
from ...adapters.system.settings import Settings
from ..runtime.gc_tuning import reduce_gc
from ..runtime.listening import BACKLOG, listen
from ..runtime.logs import configure_logs
from ..runtime.signals import on_parent_exit
from ..runtime.tls import server_context
from ..runtime.tracing import tracing
from .http_protocol import HttpProtocol
from .metrics_folder import reserve_room, shared_metrics

if TYPE_CHECKING:
    from flask import Flask

    from ..api.scheduling import GreenletScheduler

    Build = Callable[[Settings, GreenletScheduler], AbstractContextManager[Flask]]

log = Log()

STOP_WITHIN = 15  # seconds
# Connections that a process serves.
MAX_CONNECTIONS = 16_384
# Seconds that a connection is kept for another request.
KEEP_ALIVE = 75
# How uvicorn serves.
UVICORN: dict[str, Any] = {
    "loop": "uvloop",
    "http": HttpProtocol,
    "ws": "none",
    "lifespan": "on",
    "access_log": False,
    "log_config": None,
    "server_header": False,
    "proxy_headers": False,
    "timeout_graceful_shutdown": STOP_WITHIN,
    "timeout_notify": 1,
}
# What browsers are told where there is TLS: to come by TLS alone, for a year.
HSTS = ("Strict-Transport-Security", "max-age=31536000")
# For databases, brokers, logs and the like.
OTHER_FILES = 150


@contextmanager
def api(settings: Settings, scheduler: GreenletScheduler) -> Iterator[Flask]:
    """The application of one process, with its relay beside it."""
    # Here, so that the process that only watches over the others stays small, and because metrics
    # look at the environment when they are imported.
    from ...bootstrap import bootstrap

    with tracing("api"), bootstrap(settings).api(scheduler=scheduler) as app:
        yield app


def serve(settings: Settings, build: Build = api) -> None:
    """Serve until SIGTERM or SIGINT; requests that are being answered are finished.

    `build` makes the application, in each process its own. Raises InvalidSetting where
    nobody can listen, or the certificate cannot be used.
    """
    tls = server_context(settings)
    # gunicorn closes it.
    listener = listen(settings.host, settings.port).detach()
    with shared_metrics(settings), on_parent_exit(partial(log.info, "api.stopped")):
        log.info("api.started", host=settings.host, port=settings.port, tls=tls is not None)
        _Processes(settings, build, listener, tls).run()


class _Processes(BaseApplication):
    """The settings in gunicorn's words, and what each of its workers loads."""

    def __init__(
        self, settings: Settings, build: Build, listener: int, tls: SSLContext | None
    ) -> None:
        self._settings = settings
        self._tls = tls
        self._build = build
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Say how."""
        options = {
            "bind": [f"fd://{self._listener}"],
            "workers": self._settings.api_processes,
            "worker_class": _Process if self._tls is None else _with_tls(self._tls),
            "graceful_timeout": STOP_WITHIN,
            "keepalive": KEEP_ALIVE,
            "backlog": BACKLOG,
            "control_socket_disable": True,
            # It sets up logging in its own way first.
            "on_starting": lambda _arbiter: self._configure_logs(),
            "post_fork": lambda _arbiter, process: _unwrap_listeners(process),
            "logconfig_dict": {
                "loggers": {"gunicorn.error": {"level": "WARNING", "propagate": True}}
            },
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def _configure_logs(self) -> None:
        configure_logs(self._settings.log_level, self._settings.log_format)

    def load(self) -> Any:
        """What one process serves; called in that process."""
        self._configure_logs()
        reserve_room()
        from .asgi import AsgiApplication

        return AsgiApplication(
            lambda scheduler: self._build(self._settings, scheduler),
            threads=self._settings.api_threads,
        )


class _Process(UvicornWorker):  # type: ignore[misc]
    """One process."""

    CONFIG_KWARGS = UVICORN

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # It takes its lines away from the handler that has our format.
        logging.getLogger("uvicorn.error").propagate = True

    def run(self) -> None:
        """Serve until told to stop."""
        reduce_gc()
        _allow_connections()
        super().run()

    def handle_exit(self, _number: int, _frame: object) -> None:
        """Finish what is in hand after SIGQUIT, too: gunicorn passes SIGINT on as that."""
        signal.raise_signal(signal.SIGTERM)

    async def callback_notify(self) -> None:
        """Tell the parent that the event loop runs, every second; end if there is none any more."""
        await super().callback_notify()
        if os.getppid() != self.ppid:
            signal.raise_signal(signal.SIGTERM)


def _unwrap_listeners(process: Any) -> None:
    """Give it the sockets themselves, in the place of what gunicorn wraps around them.

    uvloop lets go of a socket that it has closed; of anything else it calls `close` as well, when
    another thread may have opened a file of that number.
    """
    process.sockets = [listener.sock for listener in process.sockets]


def _with_tls(context: SSLContext) -> type[_Process]:
    """One process with TLS. All have one context, and so resume each other's sessions."""

    class Process(_Process):
        CONFIG_KWARGS = UVICORN | {
            "ssl_context_factory": lambda _config, _default: context,
            "headers": [HSTS],
        }

    return Process


def _allow_connections() -> None:
    """Open as many files as the system allows, and connections may need."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))

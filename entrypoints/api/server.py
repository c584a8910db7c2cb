"""The API on granian, in one process or several."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from socket import gethostbyname
from typing import TYPE_CHECKING

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces

from ...adapters.system.settings import Settings
from ..logs import configure_logs
from ..signals import end_with

if TYPE_CHECKING:
    from flask import Flask

    from .gateway import Gateway

    Build = Callable[[Settings], AbstractContextManager[Flask]]

log = structlog.get_logger()

STOP_WITHIN = 15
SWITCH_INTERVAL = 0.0005  # seconds
# That wait to be accepted, and that a process serves: far more than requests in hand, so that those
# are refused which are too many.
CONNECTIONS = 16_384
METRICS = "PROMETHEUS_MULTIPROC_DIR"
SERVER = "ORDER_AGGREGATOR_SERVER"


@contextmanager
def api(settings: Settings) -> Iterator[Flask]:
    """The application of one process, with its relay beside it."""
    # Here, so that the process that only watches over the others stays small, and because metrics
    # look at the environment when they are imported.
    from ...bootstrap import bootstrap
    from .assembly import api_of
    from .waits import LoopWaits

    with api_of(bootstrap(settings), new_wait=LoopWaits()) as app:
        yield app


def serve(settings: Settings, build: Build = api) -> None:
    """Serve until SIGTERM or SIGINT; requests that are being answered are finished.

    `build` makes the application, in each process its own.
    """
    os.environ[SERVER] = str(os.getpid())
    with _shared_metrics(settings):
        log.info("api.started", host=settings.host, port=settings.port)
        Granian(
            "the API",
            # It takes no names.
            address=settings.host if ":" in settings.host else gethostbyname(settings.host),
            port=settings.port,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            websockets=False,
            backlog=CONNECTIONS,
            backpressure=CONNECTIONS,
            workers=settings.api_processes,
            respawn_failed_workers=True,
            workers_kill_timeout=STOP_WITHIN,
            log_enabled=False,
            # By itself it would look for the module by its path, and take our root for a package.
        ).serve(target_loader=partial(load, settings, build), wrap_loader=False)
        log.info("api.stopped")


@contextmanager
def _shared_metrics(settings: Settings) -> Iterator[None]:
    """A folder in which several processes keep their figures, so that each can answer for all."""
    if settings.api_processes == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="order-aggregator-metrics-") as folder:
        os.environ[METRICS] = folder
        yield


def load(settings: Settings, build: Build) -> Gateway:
    """What one process serves."""
    from .gateway import Gateway
    from .services import Limits

    # The thread that places orders gives up the interpreter at each answer of the database, and the
    # event loop would keep it for as long as this: by Python's default, ten times as long.
    sys.setswitchinterval(SWITCH_INTERVAL)
    configure_logs(settings.log_level)
    end_with(int(os.environ[SERVER]))
    end = ExitStack()
    return Gateway(end.enter_context(build(settings)), Limits(), settings.api_threads, end.close)

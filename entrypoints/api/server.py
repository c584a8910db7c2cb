"""The API on granian: threads that wait for the same commit, in one process or several."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.util import Finalize
from socket import gethostbyname
from typing import TYPE_CHECKING

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces

from ...adapters.system.settings import Settings, read_settings
from ..logs import configure_logs
from ..signals import end_with

if TYPE_CHECKING:
    from flask import Flask

log = structlog.get_logger()

STOP_WITHIN = 15
METRICS = "PROMETHEUS_MULTIPROC_DIR"
SERVER = "ORDER_AGGREGATOR_SERVER"


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests that are being answered are finished."""
    os.environ[SERVER] = str(os.getpid())
    with _shared_metrics(settings):
        log.info("api.started", host=settings.host, port=settings.port)
        Granian(
            "the API",
            # It takes no names.
            address=settings.host if ":" in settings.host else gethostbyname(settings.host),
            port=settings.port,
            interface=Interfaces.WSGI,
            http=HTTPModes.http1,
            workers=settings.api_processes,
            blocking_threads=settings.api_threads,
            respawn_failed_workers=True,
            workers_kill_timeout=STOP_WITHIN,
            log_enabled=False,
            # By itself it would look for the module by its path, and take our root for a package.
        ).serve(target_loader=load, wrap_loader=False)
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


def load() -> Flask:
    """The application of one worker process."""
    # Here, so that the process that only watches over the others stays small, and because metrics
    # look at the environment when they are imported.
    from ...bootstrap import bootstrap
    from .assembly import api_of

    settings = read_settings()
    configure_logs(settings.log_level)
    end_with(int(os.environ[SERVER]))
    end = ExitStack()
    # Processes of multiprocessing, as granian's are, end without atexit.
    Finalize(None, end.close, exitpriority=0)
    return end.enter_context(api_of(bootstrap(settings)))

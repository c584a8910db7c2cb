"""The API on granian: threads that wait for the same commit, in one process or several."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

import structlog
from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from uuid_utils.compat import uuid7

from ...adapters.system.settings import Settings, read_settings
from ...bootstrap import Container, bootstrap
from ..logs import configure_logs
from ..relay import Relay
from ..signals import end_with

if TYPE_CHECKING:
    from .services import ApiServices

log = structlog.get_logger()

STOP_WITHIN = 15
METRICS = "PROMETHEUS_MULTIPROC_DIR"


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests that are being answered are finished."""
    with tempfile.TemporaryDirectory(prefix="order-aggregator-metrics-") as metrics:
        os.environ[METRICS] = metrics
        log.info("api.started", host=settings.host, port=settings.port)
        Granian(
            "the API",
            address=settings.host,
            port=settings.port,
            interface=Interfaces.WSGI,
            http=HTTPModes.http1,
            workers=settings.api_processes,
            blocking_threads=settings.api_threads,
            respawn_failed_workers=True,
            workers_kill_timeout=STOP_WITHIN,
            log_enabled=False,
            # By itself it would look for the module by its path, and take our root for another package.
        ).serve(target_loader=load, wrap_loader=False)
        log.info("api.stopped")


def load() -> Flask:
    """The application of one worker process."""
    settings = read_settings()
    configure_logs(settings.log_level)
    end_with(os.getppid())
    end = ExitStack()
    atexit.register(end.close)
    return end.enter_context(api_of(bootstrap(settings)))


@contextmanager
def api_of(container: Container) -> Iterator[Flask]:
    """The application on this container's parts, with its relay beside it in a thread.

    On leaving, orders that wait are placed and the relay is stopped.
    """
    # Here, because metrics look at the environment when they are imported.
    from .app import close, create_app

    stop = Event()
    relays = container.settings().broker_url is not None
    relay = Relay(container.relay_messages() if relays else None, container.resend_orders(), stop)
    app = create_app(_services(container, relay))
    thread = Thread(target=relay.run, name="relay", daemon=True)
    thread.start()
    try:
        yield app
    finally:
        close(app)
        stop.set()
        relay.wake()
        thread.join()


def _services(container: Container, relay: Relay) -> ApiServices:
    from .services import ApiServices

    checks = {"database": container.read_model().ping, "broker": container.bus().ping}
    return ApiServices(
        read_model=container.read_model(),
        place_orders=container.place_orders(),
        sync_vendor=container.sync_vendor(),
        gateways=container.gateways(),
        new_order_id=uuid7,
        readiness_checks=checks,
        wake_relay=relay.wake,
    )

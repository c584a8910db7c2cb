"""The application, put together from a container's parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from flask import Flask
from uuid_utils.compat import uuid7

from ...bootstrap import Container
from ..relay import Relay, build_relay
from .app import close, create_app
from .scheduling import Scheduler, ThreadScheduler
from .services import ApiServices


@contextmanager
def build_api(container: Container, scheduler: Scheduler | None = None) -> Iterator[Flask]:
    """The application on this container's parts, with its relay beside it in a thread.

    Requests are threads, unless another `scheduler` is given. On leaving, orders that wait are
    placed and the relay is stopped.
    """
    stop = Event()
    relay = build_relay(container, stop)
    app = create_app(_services(container, relay, scheduler or ThreadScheduler()))
    thread = Thread(target=relay.run, name="relay", daemon=True)
    thread.start()
    try:
        yield app
    finally:
        close(app)
        stop.set()
        relay.wake()
        thread.join()


def _services(container: Container, relay: Relay, scheduler: Scheduler) -> ApiServices:
    checks = {"database": container.read_model().ping, "broker": container.bus().ping}
    return ApiServices(
        read_model=container.read_model(),
        place_orders=container.place_orders(),
        sync_vendor=container.sync_vendor(),
        gateways=container.gateways(),
        new_order_id=uuid7,
        readiness_checks=checks,
        wake_relay=relay.wake,
        scheduler=scheduler,
    )

"""An application that runs, from its start to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event, Thread

from flask import Blueprint, Flask

from ..relay import Relay
from .app import close, create_app
from .services import ApiServices


@contextmanager
def running_api(
    services: ApiServices,
    relay: Relay,
    stop: Event,
    database_watch: AbstractContextManager[None],
    *pages: Blueprint,
) -> Iterator[Flask]:
    """The application, with the relay beside it in a thread.

    On leaving, orders that wait are placed and the relay is stopped, by `stop`.
    """
    app = create_app(services, *pages)
    thread = Thread(target=relay.run, name="relay", daemon=True)
    with database_watch:
        thread.start()
        try:
            yield app
        finally:
            close(app)
            stop.set()
            relay.wake()
            thread.join()

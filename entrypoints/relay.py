"""Sends what waits in the outbox, and announces again what nobody fulfilled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Event
from time import monotonic
from typing import Protocol
from uuid import UUID

import structlog

from ..domain.errors import Conflict, MalformedMessage, Unavailable
from ..domain.events import decode
from .logs import log_orders
from .patience import Stopped, patiently

log = structlog.get_logger()

# How late a message is sent when the process that committed it has died.
POLL = timedelta(seconds=0.2)
# What comes within this time is sent together: a batch costs a commit here, and one in a worker.
GATHER = timedelta(seconds=0.01)
RESEND_EVERY = timedelta(seconds=30)
AFTER_CRASH = timedelta(seconds=1)


class RelaysMessages(Protocol):
    """The use case `RelayMessages`."""

    def __call__(self) -> Sequence[bytes]:
        """Relay a batch."""

    def finish(self) -> None:
        """Remove what was sent last."""


class Relay:
    """The loop around RelayMessages and ResendOrders."""

    def __init__(
        self,
        relay_messages: RelaysMessages | None,
        resend_orders: Callable[[], Sequence[UUID]],
        stop: Event,
    ) -> None:
        # None where the outbox table itself is the queue.
        self._relay_messages = relay_messages
        self._resend_orders = resend_orders
        self._stop = stop
        self._wake = Event()
        self._next_resend = monotonic()

    def wake(self) -> None:
        """Something was committed to the outbox: do not wait for the next poll."""
        if self._relay_messages is not None:
            self._wake.set()

    def run(self) -> None:
        """Relay until told to stop."""
        log.info("relay.started")
        while not self._stop.is_set():
            try:
                self._step()
            except Stopped:
                break  # what was not sent is still in the outbox
            except Exception:
                # The API's orders depend on this thread: it goes on, whatever it was.
                log.exception("relay.crashed")
                self._stop.wait(AFTER_CRASH.total_seconds())
        self._finish()
        log.info("relay.stopped")

    def _step(self) -> None:
        if monotonic() >= self._next_resend:
            self._next_resend = monotonic() + RESEND_EVERY.total_seconds()
            self._resend()
        if not self._send():
            self._wake.wait(POLL.total_seconds())
        self._wake.clear()
        self._stop.wait(GATHER.total_seconds())

    def _send(self) -> bool:
        if self._relay_messages is None:
            return False
        bodies = patiently(self._relay_messages, self._stop, "relay.waiting")
        log_orders(log.info, "orders.sent", [key for body in bodies for key in _order_ids(body)])
        return bool(bodies)

    def _finish(self) -> None:
        if self._relay_messages is not None:
            # Else it is sent again after its lease, and a message too many changes nothing.
            with suppress(Unavailable, Conflict):
                self._relay_messages.finish()

    def _resend(self) -> None:
        order_ids = patiently(self._resend_orders, self._stop, "relay.waiting")
        log_orders(log.warning, "orders.resent", order_ids)


def _order_ids(body: bytes) -> list[str]:
    try:
        return list(map(str, decode(body).order_ids))
    except MalformedMessage:
        return [repr(body)]  # the worker will park it

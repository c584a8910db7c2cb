"""Sends what waits in the outbox, announces again what nobody fulfilled, and more of that kind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import timedelta
from threading import Event
from time import monotonic
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import attrs

from ..adapters.system.log import Log
from ..adapters.wire import decode
from ..domain.errors import Conflict, MalformedMessage, Unavailable
from ..domain.ports.outbox import Backlog
from ..domain.values import timestamp_text
from .runtime.logs import log_orders

T = TypeVar("T")
log = Log()

# How late a message is sent when the process that committed it has died.
POLL = timedelta(seconds=0.2)
# What comes within this time is sent together: a batch costs a commit here, and one in a worker.
LINGER = timedelta(seconds=0.01)
RESEND_EVERY = timedelta(seconds=30)
WATCH_EVERY = timedelta(seconds=5)
WITHHOLD_EVERY = timedelta(seconds=5)
FORGET_EVERY = timedelta(seconds=10)
# How late an expired hold is said to be so; its stock is sold on at once.
EXPIRE_EVERY = timedelta(seconds=1)
CRASH_BACKOFF = timedelta(seconds=1)
# Seconds between attempts while the bus, or the storage, does not take or give messages.
FIRST_BACKOFF = 0.2
LAST_BACKOFF = 5.0


class RelayUseCase(Protocol):
    """The use case `RelayMessages`."""

    unconfirmed: int

    def __call__(self) -> Sequence[bytes]:
        """Relay a batch."""

    def finish(self) -> None:
        """Remove what was sent last."""


@attrs.frozen(kw_only=True)
class Housekeeping:
    """Use cases that have to run now and then."""

    resend_orders: Callable[[], Sequence[UUID]]
    watch_outbox: Callable[[], Backlog | None]
    withhold_stale_stock: Callable[[], Sequence[str]]
    forget_keys: Callable[[], int]
    forget_events: Callable[[], int]
    expire_holds: Callable[[], Sequence[UUID]]
    fill_backorders: Callable[[], Sequence[UUID]]


class Relay:
    """The loop around RelayMessages, and what else has to be done now and then."""

    def __init__(
        self,
        *,
        relay_messages: RelayUseCase | None,
        housekeeping: Housekeeping,
        stop: Event,
        on_turn: Callable[[], None] = lambda: None,
        beside: Iterable[AbstractContextManager[None]] = (),
    ) -> None:
        """`relay_messages` is None where the outbox table itself is the queue.

        `on_turn` is called in each turn of the loop.
        `beside`: what goes on by itself, to the same `stop`, while the relay runs.
        """
        self._relay_messages = relay_messages
        self._resend = _Periodic(housekeeping.resend_orders, RESEND_EVERY)
        self._watch = _Periodic(housekeeping.watch_outbox, WATCH_EVERY)
        self._withhold = _Periodic(housekeeping.withhold_stale_stock, WITHHOLD_EVERY)
        self._forget = _Periodic(housekeeping.forget_keys, FORGET_EVERY)
        self._forget_events = _Periodic(housekeeping.forget_events, FORGET_EVERY)
        self._expire = _Periodic(housekeeping.expire_holds, EXPIRE_EVERY)
        self._fill = _Periodic(housekeeping.fill_backorders, POLL)
        self._stop = stop
        self._on_turn = on_turn
        self._beside = tuple(beside)
        self._wake = Event()
        self._backoff = _backoff()

    def wake(self) -> None:
        """Something was committed to the outbox: do not wait for the next poll."""
        if self._relay_messages is not None:
            self._wake.set()

    def run(self) -> None:
        """Relay until told to stop."""
        log.info("relay.started")
        with ExitStack() as running:
            for each in self._beside:
                running.enter_context(each)
            self._run()
        log.info("relay.stopped")

    def _run(self) -> None:
        while not self._stop.is_set():
            self._on_turn()
            try:
                self._step()
            except (Unavailable, Conflict) as error:
                delay = next(self._backoff)
                log.warning("relay.waiting", reason=str(error), seconds=round(delay, 1))
                self._stop.wait(delay)
            except Exception:
                # The API's orders depend on this thread: it goes on, whatever it was.
                log.exception("relay.crashed")
                self._stop.wait(CRASH_BACKOFF.total_seconds())
        self._finish()

    def _step(self) -> None:
        log_orders(log.warning, "orders.resent", self._resend() or ())
        if backlog := self._watch():
            since = timestamp_text(backlog.since)
            log.warning("outbox.waiting", messages=backlog.messages, since=since)
        for vendor_id in self._withhold() or ():
            log.warning("vendor.stale", vendor_id=vendor_id)
        self._forget()
        self._forget_events()
        log_orders(log.info, "holds.expired", self._expire() or ())
        log_orders(log.info, "backorders.filled", self._fill() or ())
        sent, unconfirmed = self._send()
        if unconfirmed:
            # Whoever commits more meanwhile does not shorten the wait.
            self._stop.wait(next(self._backoff))
            return
        self._backoff = _backoff()
        if not sent:
            self._wake.wait(POLL.total_seconds())
        self._wake.clear()
        self._stop.wait(LINGER.total_seconds())

    def _send(self) -> tuple[int, int]:
        """How many messages the bus confirmed, and how many it did not."""
        if self._relay_messages is None:
            return 0, 0
        bodies = self._relay_messages()
        log_orders(log.info, "orders.sent", [key for body in bodies for key in _order_ids(body)])
        return len(bodies), self._relay_messages.unconfirmed

    def _finish(self) -> None:
        if self._relay_messages is not None:
            # Else it is sent again after its lease, and a message too many changes nothing.
            with suppress(Unavailable, Conflict):
                self._relay_messages.finish()


class _Periodic(Generic[T]):
    """Makes a call when it is due: at first, and then no more often than `every`."""

    def __init__(self, call: Callable[[], T], every: timedelta) -> None:
        self._call = call
        self._every = every.total_seconds()
        self._next = monotonic()

    def __call__(self) -> T | None:
        if monotonic() < self._next:
            return None
        self._next = monotonic() + self._every
        return self._call()


def _backoff() -> Iterator[float]:
    """Seconds to wait: doubling up to LAST_BACKOFF, and by chance up to a half less."""
    delay = FIRST_BACKOFF
    while True:
        yield delay * random.uniform(0.5, 1)  # noqa: S311
        delay = min(2 * delay, LAST_BACKOFF)


def _order_ids(body: bytes) -> list[str]:
    try:
        return list(map(str, decode(body)))
    except MalformedMessage:
        return [repr(body)]  # the worker will park it

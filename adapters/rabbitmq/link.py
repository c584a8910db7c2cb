"""Keeps a connection to the broker up, by a thread of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from threading import Condition, Event, Thread
from typing import Generic, Protocol, TypeVar

from pika.channel import Channel
from pika.connection import Parameters
from pika.exceptions import AMQPError, ChannelClosed, ConnectionClosed

from ...domain.errors import BrokerUnavailable
from ..system.log import Log
from .session import CLOSE_TIMEOUT, Callback, Session

log = Log()

# Seconds from opening the channel until it can be used.
SETUP_TIMEOUT = 10.0
# Seconds before connecting again: twice as long each time, and by chance up to a half less.
FIRST_DELAY = 0.2
LAST_DELAY = 5.0

# Declares on a new channel what a session needs, then makes the call.
Declare = Callable[[Channel, Callback], None]


class SessionHandler(Protocol):
    """What a session is used for. Only the thread that serves the session calls it."""

    session: Session

    def begin(self, ready: Callback) -> None:
        """Prepare the channel, then call `ready`. What it needs is declared."""

    def finish(self) -> None:
        """Leave in good order; the session is about to be closed."""

    def lost(self) -> None:
        """The session is over."""


W = TypeVar("W", bound=SessionHandler)


class ReconnectingConnection(Generic[W]):
    """Runs one session after the other, each with work of its own. Thread-safe."""

    def __init__(
        self,
        parameters: Parameters,
        declare: Declare,
        purpose: str,
        handler_factory: Callable[[Session], W],
    ) -> None:
        self._parameters = parameters
        self._declare = declare
        self._employ = handler_factory
        self._purpose = purpose
        self._changed = Condition()
        self._thread: Thread | None = None
        self._session: Session | None = None
        self._usable: W | None = None
        self._last_error = "not connected"
        # Whether the next session only takes the place of one that was good.
        self._renewing = False
        self._closing = Event()

    def start(self) -> None:
        """Begin to connect, unless that was done before; it returns at once."""
        with self._changed:
            if self._thread is None and not self._closing.is_set():
                self._thread = Thread(
                    target=self._run, name=f"rabbitmq-{self._purpose}", daemon=True
                )
                self._thread.start()

    def usable(self, timeout: float) -> W:
        """The work of a session that is ready; raises BrokerUnavailable after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_use() or self._closing.is_set(), timeout)
            work = self._in_use()
            if work is None:
                raise BrokerUnavailable(self._last_error)
            return work

    def renew(self, session: Session) -> None:
        """Have another session instead of this one, unless that has been lost already."""
        with self._changed:
            if self._usable and self._usable.session is session:
                self._lose("being renewed")
        session.call(session.close)

    def close(self) -> None:
        """Finish the work, close the connection and end the thread."""
        with self._changed:
            self._closing.set()
            session, work, thread = self._session, self._usable, self._thread
            self._lose("closed")
            self._changed.notify_all()
        if session:
            session.call(lambda: _finish(session, work))
        if thread:
            thread.join(2 * CLOSE_TIMEOUT)

    def _run(self) -> None:
        delays = _delays()
        while session := self._next_session():
            error = self._serve(session)
            # None: by `renew` or `close`.
            self._renewing = error is None
            if error is None:
                continue
            with self._changed:
                if self._usable:
                    delays = _delays()
                self._lose(describe(error))
            self._pause(error, next(delays))

    def _serve(self, session: Session) -> BaseException | None:
        work = self._employ(session)
        try:
            return session.run(lambda: self._opened(session, work))
        finally:
            work.lost()

    def _next_session(self) -> Session | None:
        with self._changed:
            self._session = None if self._closing.is_set() else Session(self._parameters)
            return self._session

    def _opened(self, session: Session, work: W) -> None:
        session.call_later(SETUP_TIMEOUT, lambda: self._check(session))
        self._declare(session.channel, lambda: work.begin(lambda: self._ready(work)))

    def _check(self, session: Session) -> None:
        if not self._usable:
            session.fail(TimeoutError("the broker did not finish setting up the channel"))

    def _ready(self, work: W) -> None:
        if not self._renewing:
            log.info("broker.connected", purpose=self._purpose)
        with self._changed:
            if not self._closing.is_set():
                self._usable = work
                self._changed.notify_all()

    def _in_use(self) -> W | None:
        return self._usable if self._usable and self._usable.session.is_open else None

    def _lose(self, obstacle: str) -> None:
        self._usable = None
        self._last_error = obstacle

    def _pause(self, error: BaseException, delay: float) -> None:
        expected = isinstance(root_cause(error), AMQPError | OSError)
        log.warning(
            "broker.waiting",
            purpose=self._purpose,
            reason=describe(error),
            retry_in=round(delay, 2),
            exc_info=None if expected else error,
        )
        self._closing.wait(delay)


def root_cause(error: BaseException) -> BaseException:
    """What lies at the bottom of what pika wraps."""
    while inner := _inner(error):
        error = inner
    return error


def describe(error: BaseException) -> str:
    """The root cause in one line."""
    error = root_cause(error)
    if isinstance(error, ConnectionClosed | ChannelClosed):
        return error.reply_text
    return str(error) or type(error).__name__


def _inner(error: BaseException) -> BaseException | None:
    inner = [*error.args, *getattr(error, "exceptions", ()), getattr(error, "exception", None)]
    return next((item for item in reversed(inner) if isinstance(item, BaseException)), None)


def _finish(session: Session, work: SessionHandler | None) -> None:
    if work and session.is_open:
        work.finish()
    session.close()


def _delays() -> Iterator[float]:
    delay = FIRST_DELAY
    while True:
        yield delay * random.uniform(0.5, 1)  # noqa: S311
        delay = min(2 * delay, LAST_DELAY)

"""psycopg's connection, made to wait with a deadline and without blocking an event loop."""

from __future__ import annotations

import asyncio
import select
from asyncio import Future
from time import monotonic
from typing import Any, TypeVar

import attrs
import psycopg
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout
from psycopg.waiting import Ready, Wait

from ..system import greenlets

T = TypeVar("T")

# Seconds for the server to do what it is asked, and to say so. Longer than it may work on a
# statement: a server that is there says first that this took too long.
RESPONSE_TIMEOUT = 10.0

# A process id may be in use again, by a session that is younger.
_END_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = ANY(%s) AND usename = current_user AND datname = current_database()
        AND backend_start < clock_timestamp() - make_interval(secs => %s)
"""

_EVENTS = {Wait.R: select.POLLIN, Wait.W: select.POLLOUT, Wait.RW: select.POLLIN | select.POLLOUT}
_READY = {select.POLLIN: Ready.R, select.POLLOUT: Ready.W, _EVENTS[Wait.RW]: Ready.RW}


@attrs.define
class Peer:
    """The server, as its connections know it."""

    # When a deadline was missed last: what was connected before may be as dead.
    silent_at: float = float("-inf")
    # Process ids of the server's ends of connections that were given up, until they are ended.
    orphans: set[int] = attrs.field(factory=set)


class Connection(psycopg.Connection[Any]):
    """Waits as a thread does, or as a call in an event loop does, whichever uses it.

    Where the server misses a deadline, the connection is closed: psycopg.OperationalError.
    """

    # Seconds for each exchange.
    response_timeout = RESPONSE_TIMEOUT
    peer: Peer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connected_at = monotonic()
        self._backend_pid = self.pgconn.backend_pid

    @property
    def is_suspect(self) -> bool:
        """Whether a connection like this one has missed a deadline since it was made."""
        return self._connected_at <= self.peer.silent_at

    def give_up(self) -> None:
        """Close it, and have the next connection end the server's side, which may not notice."""
        self.close()
        self.peer.orphans.add(self._backend_pid)

    def end_orphans(self) -> None:
        """End the sessions of connections that were given up, with the locks that they hold.

        PostgreSQL has no timeout for a client that falls silent in the middle of a pipeline.
        """
        orphans = list(self.peer.orphans)
        if orphans:
            self.execute(_END_SESSIONS, (orphans, self.response_timeout))
            self.peer.orphans.difference_update(orphans)

    def wait(self, gen: PQGen[T], *_args: Any, **_kwargs: Any) -> T:
        """Go on with what psycopg does whenever the server lets it, until the deadline."""
        try:
            if greenlets.in_greenlet():
                return self._wait_in_loop(gen)
            return super().wait(gen, timeout=self.response_timeout)
        except _WaitTimeout:
            self.peer.silent_at = monotonic()
            self.give_up()
            problem = f"no response from the server within {self.response_timeout:g} s"
            raise psycopg.OperationalError(problem) from None

    def _wait_in_loop(self, gen: PQGen[T]) -> T:
        fileno = self.pgconn.socket
        deadline = monotonic() + self.response_timeout
        try:
            wanted = next(gen)
            while True:
                ready = _ready(fileno, wanted) or _awaited(fileno, wanted, deadline - monotonic())
                if not ready:
                    raise _WaitTimeout
                wanted = gen.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result


def _ready(fileno: int, wanted: Wait) -> Ready:
    """What can be done at once."""
    poll = select.poll()
    poll.register(fileno, _EVENTS[wanted])
    found = poll.poll(0)
    # What is neither is an error, and reading tells of it.
    return _READY.get(found[0][1] & _EVENTS[wanted], Ready.R) if found else Ready.NONE


def _awaited(fileno: int, wanted: Wait, timeout: float) -> Ready:
    """What can be done as soon as something can; nothing, once the time is up."""
    loop = asyncio.get_running_loop()
    ready: Future[Ready] = loop.create_future()

    def settle(what: Ready) -> None:
        if not ready.done():
            ready.set_result(what)

    timer = loop.call_later(max(0.0, timeout), settle, Ready.NONE)
    if wanted & Wait.R:
        loop.add_reader(fileno, settle, Ready.R)
    if wanted & Wait.W:
        loop.add_writer(fileno, settle, Ready.W)
    try:
        return greenlets.await_(ready)
    finally:
        timer.cancel()
        loop.remove_reader(fileno)
        loop.remove_writer(fileno)

"""psycopg's connection, made to wait for the server without blocking an event loop."""

from __future__ import annotations

import asyncio
import select
from asyncio import Future
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait

from ..system import greenlets

T = TypeVar("T")

_EVENTS = {Wait.R: select.POLLIN, Wait.W: select.POLLOUT, Wait.RW: select.POLLIN | select.POLLOUT}
_READY = {select.POLLIN: Ready.R, select.POLLOUT: Ready.W, _EVENTS[Wait.RW]: Ready.RW}


class Connection(psycopg.Connection[Any]):
    """Waits as a thread does, or as a call in an event loop does, whichever uses it."""

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        """Go on with what psycopg does whenever the server lets it."""
        if not greenlets.in_call():
            return super().wait(gen, *args, **kwargs)
        fileno = self.pgconn.socket
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(_ready(fileno, wanted) or _awaited(fileno, wanted))
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


def _awaited(fileno: int, wanted: Wait) -> Ready:
    """What can be done as soon as something can."""
    loop = asyncio.get_running_loop()
    ready: Future[Ready] = loop.create_future()

    def settle(what: Ready) -> None:
        if not ready.done():
            ready.set_result(what)

    if wanted & Wait.R:
        loop.add_reader(fileno, settle, Ready.R)
    if wanted & Wait.W:
        loop.add_writer(fileno, settle, Ready.W)
    try:
        return greenlets.result_of(ready)
    finally:
        loop.remove_reader(fileno)
        loop.remove_writer(fileno)

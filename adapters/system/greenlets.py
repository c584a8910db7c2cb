"""Calls that run in an event loop and wait like in a thread: the loop goes on meanwhile.

Each call has a greenlet. What it waits for switches back to the loop, which later switches to it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from asyncio import Future
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from greenlet import getcurrent, greenlet

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_IDLE = 1_000


class _Greenlet(greenlet):
    """Makes one call after the other: a new one for each would cost more than many a call."""

    def __init__(self, idle: list[_Greenlet]) -> None:
        super().__init__()
        self._idle = idle

    def run(self) -> None:
        """Wait for a call and make it, again and again."""
        while len(self._idle) < MAX_IDLE:
            self._idle.append(self)
            call = self.loop.switch()
            try:
                call()
            except Exception:
                log.exception("a call in the event loop failed")
            # Whatever it has in hand is not to stay here until the next one.
            del call

    @property
    def loop(self) -> greenlet:
        """The greenlet in which the event loop runs."""
        if self.parent is None:
            raise RuntimeError("a call has ended")
        return self.parent


class GreenletPool:
    """Starts calls, all in one event loop."""

    def __init__(self) -> None:
        self._idle: list[_Greenlet] = []

    def start(self, call: Callable[[], object]) -> None:
        """Run a call until it is done or waits. For the event loop itself, not for such a call."""
        if not self._idle:
            _Greenlet(self._idle).switch()
        self._idle.pop().switch(call)


def in_greenlet() -> bool:
    """Whether the caller was started by `GreenletPool`, and so must not block its thread."""
    return isinstance(getcurrent(), _Greenlet)


def await_(future: Future[T]) -> T:
    """Wait for it, inside a call."""
    current = getcurrent()
    if not isinstance(current, _Greenlet):
        raise TypeError("only what `GreenletPool` has started can wait in an event loop")
    future.add_done_callback(lambda _: current.switch())
    current.loop.switch()
    return future.result()


def run_in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a call that blocks: made in another thread if the caller must not."""
    if not in_greenlet():
        return call(*args, **kwargs)
    loop = asyncio.get_running_loop()
    return await_(loop.run_in_executor(None, lambda: call(*args, **kwargs)))


def result_of(future: concurrent.futures.Future[T]) -> T:
    """The result of what another thread does, once it is there."""
    return await_(asyncio.wrap_future(future)) if in_greenlet() else future.result()

"""How a caller sleeps until its order is placed: as a thread, or as a greenlet in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar, cast

from greenlet import getcurrent, greenlet

P = ParamSpec("P")
T = TypeVar("T")


class Wait(Protocol):
    """One caller's sleep."""

    def sleep(self, seconds: float) -> bool:
        """Sleep until woken, or for so long; whether it was woken."""

    def wake(self) -> None:
        """Wake the caller: once at most, from any thread."""


class ThreadWait:
    """The sleep of a thread."""

    def __init__(self) -> None:
        # A bare lock is the cheapest thing that a thread can sleep on.
        self._woken = threading.Lock()
        self._woken.acquire()

    def sleep(self, seconds: float) -> bool:
        """Sleep until woken, or for so long; whether it was woken."""
        return self._woken.acquire(timeout=seconds)

    def wake(self) -> None:
        """Wake the thread."""
        self._woken.release()


async def as_greenlet(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a call that may sleep by `LoopWaits`, without blocking the event loop meanwhile."""
    running = greenlet(call)
    state = running.switch(*args, **kwargs)
    while not running.dead:
        await cast("Awaitable[object]", state)
        state = running.switch()
    return cast("T", state)


class LoopWaits:
    """Makes sleeps for callers that run by `as_greenlet`, all in the same event loop."""

    def __init__(self) -> None:
        self._woken: deque[asyncio.Future[bool]] = deque()
        self._called = False

    def __call__(self) -> LoopWait:
        """A sleep for the caller."""
        return LoopWait(self._wake)

    def _wake(self, future: asyncio.Future[bool]) -> None:
        # Many are woken at a time, and each call into the loop from outside is a system call.
        self._woken.append(future)
        if not self._called:
            self._called = True
            future.get_loop().call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # In this order: what is appended from now on is found below, or is followed by a call.
        self._called = False
        while self._woken:
            _settle(self._woken.popleft(), woken=True)


class LoopWait:
    """The sleep of a greenlet."""

    def __init__(self, wake: Callable[[asyncio.Future[bool]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[bool] = self._loop.create_future()
        self._wake = wake

    def sleep(self, seconds: float) -> bool:
        """Sleep until woken, or for so long; whether it was woken."""
        caller = getcurrent().parent
        if caller is None:
            raise RuntimeError("only a caller that runs by as_greenlet can sleep")
        timer = self._loop.call_later(seconds, _settle, self._future, False)
        caller.switch(self._future)
        timer.cancel()
        return self._future.result()

    def wake(self) -> None:
        """Wake the greenlet."""
        self._wake(self._future)


def _settle(future: asyncio.Future[bool], woken: bool) -> None:
    if not future.done():
        future.set_result(woken)

"""How the API does many things at once: in threads, or in turns in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Protocol

from ...adapters.system import greenlets

# Calls that the event loop starts before it looks again at what clients have sent.
CALLS_PER_TICK = 4


class Waiter(Protocol):
    """One caller's sleep."""

    def wait(self, seconds: float) -> bool:
        """Waiter until woken, or for so long; whether it was woken."""

    def notify(self) -> None:
        """Wake the caller: once at most."""


class Scheduler(Protocol):
    """Callers that sleep, and calls that are made beside them."""

    def waiter(self) -> Waiter:
        """A sleep for the caller."""

    def start(self, call: Callable[[], None]) -> None:
        """Have a call made soon."""

    def start_from_outside(self, call: Callable[[], None]) -> None:
        """The same for a call that waits for nothing, from any thread."""


class ThreadScheduler:
    """Callers are threads; one more, which begins with the first call, makes the calls."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="order-writer")

    def waiter(self) -> Waiter:
        """A sleep for the calling thread."""
        return _ThreadWaiter()

    def start(self, call: Callable[[], None]) -> None:
        """Have a call made when those before it are done."""
        self._executor.submit(call)

    start_from_outside = start


class _ThreadWaiter:
    def __init__(self) -> None:
        # A bare lock is the cheapest thing that a thread can sleep on.
        self._woken = threading.Lock()
        self._woken.acquire()

    def wait(self, seconds: float) -> bool:
        return self._woken.acquire(timeout=seconds)

    def notify(self) -> None:
        self._woken.release()


class GreenletScheduler:
    """Everything is a call in one event loop, started in its turn, and sleeps as a greenlet."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls = greenlets.GreenletPool()
        self._waiting: deque[Callable[[], None]] = deque()
        self._scheduled = False
        self._unfinished = 0
        self._finished = asyncio.Event()

    def waiter(self) -> Waiter:
        """A sleep for the calling greenlet."""
        return _GreenletWaiter()

    def start(self, call: Callable[[], None]) -> None:
        """Have a call begin when those before it have begun."""
        self._waiting.append(call)
        self._unfinished += 1
        if not self._scheduled:
            self._schedule()

    def start_from_outside(self, call: Callable[[], None]) -> None:
        """Have a call made by the event loop; none is made once that is closed."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    async def finished(self) -> None:
        """Wait until no call is left."""
        if self._unfinished:
            self._finished.clear()
            await self._finished.wait()

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._run_pending)

    def _run_pending(self) -> None:
        try:
            for _ in range(min(CALLS_PER_TICK, len(self._waiting))):
                self._calls.start(partial(self._make, self._waiting.popleft()))
        finally:
            self._scheduled = False
            if self._waiting:
                self._schedule()

    def _make(self, call: Callable[[], None]) -> None:
        try:
            call()
        finally:
            self._unfinished -= 1
            if not self._unfinished:
                self._finished.set()


class _GreenletWaiter:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[bool] = self._loop.create_future()

    def wait(self, seconds: float) -> bool:
        timer = self._loop.call_later(seconds, self._settle, False)
        try:
            return greenlets.await_(self._woken)
        finally:
            timer.cancel()

    def notify(self) -> None:
        self._settle(woken=True)

    def _settle(self, woken: bool) -> None:
        if not self._woken.done():
            self._woken.set_result(woken)

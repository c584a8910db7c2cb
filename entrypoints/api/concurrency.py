"""How the API does many things at once: in threads, or in turns in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, Protocol

import structlog

from ...adapters.system import greenlets

P = ParamSpec("P")
log = structlog.get_logger()

# Calls that the event loop starts before it looks again at what clients have sent.
SLICE = 16


class Sleep(Protocol):
    """One caller's sleep."""

    def until_woken(self, seconds: float) -> bool:
        """Sleep until woken, or for so long; whether it was woken."""

    def wake(self) -> None:
        """Wake the caller: once at most."""


class Concurrency(Protocol):
    """Callers that sleep, and calls that are made beside them."""

    def sleep(self) -> Sleep:
        """A sleep for the caller."""

    def start(self, call: Callable[[], None]) -> None:
        """Have a call made soon. It must not raise."""


class Threads:
    """Callers are threads; one more, which begins with the first call, makes the calls."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="order-writer")

    def sleep(self) -> Sleep:
        """A sleep for the calling thread."""
        return _SleepOfThread()

    def start(self, call: Callable[[], None]) -> None:
        """Have a call made when those before it are done."""
        self._executor.submit(call)


class _SleepOfThread:
    def __init__(self) -> None:
        # A bare lock is the cheapest thing that a thread can sleep on.
        self._woken = threading.Lock()
        self._woken.acquire()

    def until_woken(self, seconds: float) -> bool:
        return self._woken.acquire(timeout=seconds)

    def wake(self) -> None:
        self._woken.release()


class Turns:
    """Everything is a call in one event loop, started in its turn, and sleeps as a greenlet."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], object]] = deque()
        self._scheduled = False
        self._unfinished = 0

    def sleep(self) -> Sleep:
        """A sleep for the calling greenlet."""
        return _SleepOfGreenlet()

    def start(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have a call begin when those before it have begun."""
        self._calls.append(partial(call, *args, **kwargs))
        self._unfinished += 1
        if not self._scheduled:
            self._schedule()

    async def finished(self) -> None:
        """Wait until no call is left."""
        while self._unfinished:
            await asyncio.sleep(0.01)

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._take_turns)

    def _take_turns(self) -> None:
        try:
            for _ in range(min(SLICE, len(self._calls))):
                greenlets.start(self._make, self._calls.popleft())
        finally:
            self._scheduled = False
            if self._calls:
                self._schedule()

    def _make(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception:
            log.exception("api.call_failed")
        finally:
            self._unfinished -= 1


class _SleepOfGreenlet:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[bool] = self._loop.create_future()

    def until_woken(self, seconds: float) -> bool:
        timer = self._loop.call_later(seconds, self._settle, False)
        try:
            return greenlets.result_of(self._woken)
        finally:
            timer.cancel()

    def wake(self) -> None:
        self._settle(woken=True)

    def _settle(self, woken: bool) -> None:
        if not self._woken.done():
            self._woken.set_result(woken)

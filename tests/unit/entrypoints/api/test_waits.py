"""Sleeping and waking, as a thread and as greenlets of one event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from order_aggregator.entrypoints.api.waits import LoopWait, LoopWaits, ThreadWait, as_greenlet


def woken_later(wake: Callable[[], None]) -> None:
    threading.Timer(0.05, wake).start()


def test_a_thread_sleeps_until_it_is_woken() -> None:
    wait = ThreadWait()
    woken_later(wait.wake)
    assert wait.sleep(10)


def test_a_thread_sleeps_no_longer_than_asked() -> None:
    assert not ThreadWait().sleep(0.01)


def test_a_call_that_does_not_sleep_just_answers() -> None:
    assert asyncio.run(as_greenlet(divmod, 7, 3)) == (2, 1)


def test_what_a_call_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(as_greenlet(divmod, 7, 0))


def test_greenlets_sleep_side_by_side_and_are_woken_by_another_thread() -> None:
    asleep: list[LoopWait] = []
    new_wait = LoopWaits()

    def call(number: int) -> tuple[int, bool]:
        wait = new_wait()
        asleep.append(wait)
        if len(asleep) == 500:
            threading.Thread(target=wake_all).start()
        return number, wait.sleep(10)

    def wake_all() -> None:
        for wait in asleep:
            wait.wake()

    async def main() -> list[tuple[int, bool]]:
        return await asyncio.gather(*(as_greenlet(call, number) for number in range(500)))

    assert asyncio.run(main()) == [(number, True) for number in range(500)]


def test_nobody_who_is_woken_at_any_moment_is_forgotten() -> None:
    """The other thread wakes each at once, so while earlier ones are just being told."""
    new_wait = LoopWaits()
    asleep: list[LoopWait] = []
    arrived = threading.Semaphore(0)

    def wake() -> None:
        for _ in range(2000):
            arrived.acquire()
            asleep.pop().wake()

    def call() -> bool:
        wait = new_wait()
        asleep.append(wait)
        arrived.release()
        return wait.sleep(10)

    async def main() -> list[bool]:
        waker = threading.Thread(target=wake)
        waker.start()
        answers = await asyncio.gather(*(as_greenlet(call) for _ in range(2000)))
        waker.join()
        return answers

    started_at = time.monotonic()
    assert all(asyncio.run(main()))
    assert time.monotonic() - started_at < 9


def test_a_greenlet_sleeps_no_longer_than_asked_and_a_late_wake_does_no_harm() -> None:
    new_wait = LoopWaits()
    asleep: list[LoopWait] = []

    def call() -> bool:
        asleep.append(new_wait())
        return asleep[0].sleep(0.01)

    async def main() -> bool:
        woken = await as_greenlet(call)
        asleep[0].wake()
        await asyncio.sleep(0.01)
        return woken

    assert not asyncio.run(main())


def test_only_a_greenlet_can_sleep_in_the_loop() -> None:
    async def main() -> None:
        LoopWaits()().sleep(1)

    with pytest.raises(RuntimeError, match="as_greenlet"):
        asyncio.run(main())

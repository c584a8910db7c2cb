"""Sleeping and waking, as threads and as calls of one event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import pytest

from event_loop import run, until
from order_aggregator.entrypoints.api.scheduling import (
    CALLS_PER_TICK,
    GreenletScheduler,
    Scheduler,
    ThreadScheduler,
    Waiter,
)
from started_threads import StartedThreads


def in_threads(call: Callable[[Scheduler], None]) -> None:
    call(ThreadScheduler())


def in_turns(call: Callable[[Scheduler], None]) -> None:
    async def main() -> None:
        turns = GreenletScheduler()
        turns.start(lambda: call(turns))
        await turns.finished()

    run(main())


Calling = Callable[[Callable[[Scheduler], object]], object]


@pytest.fixture(params=[in_threads, in_turns])
def calling(request: pytest.FixtureRequest) -> Calling:
    """Makes a call, in each kind of scheduler, and gives what comes of it."""

    def await_(call: Callable[[Scheduler], object]) -> object:
        results = []
        request.param(lambda scheduler: results.append(call(scheduler)))
        return results[0]

    return await_


def test_a_caller_sleeps_until_it_is_woken_by_another_call(calling: Calling) -> None:
    def call(scheduler: Scheduler) -> bool:
        waiter = scheduler.waiter()
        scheduler.start(waiter.notify)
        return waiter.wait(10)

    assert calling(call) is True


def test_who_was_woken_before_it_sleeps_does_not_sleep(calling: Calling) -> None:
    def call(scheduler: Scheduler) -> bool:
        waiter = scheduler.waiter()
        waiter.notify()
        return waiter.wait(10)

    assert calling(call) is True


def test_a_caller_sleeps_no_longer_than_asked_and_a_late_wake_does_no_harm(
    calling: Calling,
) -> None:
    def call(scheduler: Scheduler) -> tuple[bool, bool]:
        waiter = scheduler.waiter()
        started_at = time.monotonic()
        woken = waiter.wait(0.02)
        waiter.notify()
        return woken, 0.01 < time.monotonic() - started_at < 5

    assert calling(call) == (False, True)


def test_calls_are_made_in_their_order_though_one_raises(calling: Calling) -> None:
    made: list[int] = []

    def fail() -> None:
        made.append(1)
        raise ZeroDivisionError

    def call(scheduler: Scheduler) -> list[int]:
        done = scheduler.waiter()
        scheduler.start(lambda: made.append(0))
        scheduler.start(fail)
        scheduler.start(lambda: made.append(2))
        scheduler.start(done.notify)
        assert done.wait(10)
        return made

    assert calling(call) == [0, 1, 2]


def test_threads_make_calls_in_one_thread_beside_the_callers() -> None:
    threads = ThreadScheduler()
    done = threads.waiter()
    made_in: list[int] = []
    for _ in range(3):
        threads.start(lambda: made_in.append(threading.get_ident()))
    threads.start(done.notify)
    assert done.wait(10)
    assert len(set(made_in)) == 1
    assert made_in[0] != threading.get_ident()


def test_thousands_of_calls_sleep_side_by_side_in_one_thread() -> None:
    asleep: list[Waiter] = []
    woken: list[bool] = []

    async def main() -> None:
        started = StartedThreads()
        turns = GreenletScheduler()

        def call() -> None:
            asleep.append(turns.waiter())
            woken.append(asleep[-1].wait(10))

        for _ in range(3000):
            turns.start(call)
        await until(lambda: len(asleep) == 3000)
        assert started.running() == 0
        for waiter in asleep:
            waiter.notify()
        await turns.finished()

    run(main())
    assert woken == [True] * 3000


def test_a_call_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        turns = GreenletScheduler()
        turns.start(lambda: 1 // 0)  # type: ignore[arg-type]
        await turns.finished()

    run(main())
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_between_slices_of_calls_the_loop_looks_at_what_clients_have_sent() -> None:
    made: list[int] = []

    async def main() -> list[int]:
        turns = GreenletScheduler()
        for number in range(3 * CALLS_PER_TICK):
            turns.start(lambda number=number: made.append(number))  # type: ignore[misc]
        seen = []
        while len(made) < 3 * CALLS_PER_TICK:
            seen.append(len(made))
            await asyncio.sleep(0)
        return seen

    assert set(run(main())) == {0, CALLS_PER_TICK, 2 * CALLS_PER_TICK}
    assert made == sorted(made)


def test_finished_waits_for_every_call_and_for_those_that_they_start() -> None:
    done: list[str] = []

    async def main() -> None:
        turns = GreenletScheduler()
        await turns.finished()

        def first() -> None:
            turns.waiter().wait(0.02)
            turns.start(second)
            done.append("first")

        def second() -> None:
            turns.waiter().wait(0.02)
            done.append("second")

        for _ in range(2):
            turns.start(first)
            await turns.finished()

    run(main())
    assert done == ["first", "second"] * 2


def test_a_call_from_outside_is_made_by_the_event_loop_while_there_is_one() -> None:
    made: list[threading.Thread] = []

    async def main() -> GreenletScheduler:
        turns, done = GreenletScheduler(), asyncio.Event()

        def call() -> None:
            made.append(threading.current_thread())
            done.set()

        await asyncio.to_thread(turns.start_from_outside, call)
        await done.wait()
        return turns

    turns = run(main())
    turns.start_from_outside(lambda: made.append(threading.current_thread()))
    assert made == [threading.main_thread()]

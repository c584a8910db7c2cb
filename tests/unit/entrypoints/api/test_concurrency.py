"""Sleeping and waking, as threads and as calls of one event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import pytest

from event_loop import run, until
from order_aggregator.entrypoints.api.concurrency import SLICE, Concurrency, Sleep, Threads, Turns
from started_threads import StartedThreads


def in_threads(call: Callable[[Concurrency], None]) -> None:
    call(Threads())


def in_turns(call: Callable[[Concurrency], None]) -> None:
    async def main() -> None:
        turns = Turns()
        turns.start(lambda: call(turns))
        await turns.finished()

    run(main())


Calling = Callable[[Callable[[Concurrency], object]], object]


@pytest.fixture(params=[in_threads, in_turns])
def calling(request: pytest.FixtureRequest) -> Calling:
    """Makes a call, in each kind of concurrency, and gives what comes of it."""

    def result_of(call: Callable[[Concurrency], object]) -> object:
        results = []
        request.param(lambda concurrency: results.append(call(concurrency)))
        return results[0]

    return result_of


def test_a_caller_sleeps_until_it_is_woken_by_another_call(calling: Calling) -> None:
    def call(concurrency: Concurrency) -> bool:
        sleep = concurrency.sleep()
        concurrency.start(sleep.wake)
        return sleep.until_woken(10)

    assert calling(call) is True


def test_who_was_woken_before_it_sleeps_does_not_sleep(calling: Calling) -> None:
    def call(concurrency: Concurrency) -> bool:
        sleep = concurrency.sleep()
        sleep.wake()
        return sleep.until_woken(10)

    assert calling(call) is True


def test_a_caller_sleeps_no_longer_than_asked_and_a_late_wake_does_no_harm(
    calling: Calling,
) -> None:
    def call(concurrency: Concurrency) -> tuple[bool, bool]:
        sleep = concurrency.sleep()
        started_at = time.monotonic()
        woken = sleep.until_woken(0.02)
        sleep.wake()
        return woken, 0.01 < time.monotonic() - started_at < 5

    assert calling(call) == (False, True)


def test_calls_are_made_in_their_order_though_one_raises(calling: Calling) -> None:
    made: list[int] = []

    def fail() -> None:
        made.append(1)
        raise ZeroDivisionError

    def call(concurrency: Concurrency) -> list[int]:
        done = concurrency.sleep()
        concurrency.start(lambda: made.append(0))
        concurrency.start(fail)
        concurrency.start(lambda: made.append(2))
        concurrency.start(done.wake)
        assert done.until_woken(10)
        return made

    assert calling(call) == [0, 1, 2]


def test_threads_make_calls_in_one_thread_beside_the_callers() -> None:
    threads = Threads()
    done = threads.sleep()
    made_in: list[int] = []
    for _ in range(3):
        threads.start(lambda: made_in.append(threading.get_ident()))
    threads.start(done.wake)
    assert done.until_woken(10)
    assert len(set(made_in)) == 1
    assert made_in[0] != threading.get_ident()


def test_thousands_of_calls_sleep_side_by_side_in_one_thread() -> None:
    asleep: list[Sleep] = []
    woken: list[bool] = []

    async def main() -> None:
        started = StartedThreads()
        turns = Turns()

        def call() -> None:
            asleep.append(turns.sleep())
            woken.append(asleep[-1].until_woken(10))

        for _ in range(3000):
            turns.start(call)
        await until(lambda: len(asleep) == 3000)
        assert started.running() == 0
        for sleep in asleep:
            sleep.wake()
        await turns.finished()

    run(main())
    assert woken == [True] * 3000


def test_a_call_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        turns = Turns()
        turns.start(lambda: 1 // 0)  # type: ignore[arg-type]
        await turns.finished()

    run(main())
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_between_slices_of_calls_the_loop_looks_at_what_clients_have_sent() -> None:
    made: list[int] = []

    async def main() -> list[int]:
        turns = Turns()
        for number in range(3 * SLICE):
            turns.start(lambda number=number: made.append(number))  # type: ignore[misc]
        seen = []
        while len(made) < 3 * SLICE:
            seen.append(len(made))
            await asyncio.sleep(0)
        return seen

    assert set(run(main())) == {0, SLICE, 2 * SLICE}
    assert made == sorted(made)


def test_finished_waits_for_every_call_and_for_those_that_they_start() -> None:
    done: list[str] = []

    async def main() -> None:
        turns = Turns()
        await turns.finished()

        def first() -> None:
            turns.sleep().until_woken(0.02)
            turns.start(second)
            done.append("first")

        def second() -> None:
            turns.sleep().until_woken(0.02)
            done.append("second")

        for _ in range(2):
            turns.start(first)
            await turns.finished()

    run(main())
    assert done == ["first", "second"] * 2

"""Calls that wait in an event loop."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable

import pytest
from greenlet import getcurrent

from event_loop import run, until
from order_aggregator.adapters.system.greenlets import (
    GreenletPool,
    await_,
    in_greenlet,
    run_in_thread,
)


def made(*calls: Callable[[], object], within: float = 5.0) -> list[object]:
    """The results of calls that are started in this order, in theirs."""
    results: list[object] = []

    async def main() -> None:
        starter = GreenletPool()
        for call in calls:
            starter.start(lambda call=call: results.append(call()))  # type: ignore[misc]
        await until(lambda: len(results) == len(calls))

    run(main(), within)
    return results


def waiting(seconds: float) -> Callable[[], float]:
    return lambda: await_(asyncio.ensure_future(asyncio.sleep(seconds, seconds)))


def test_a_call_that_waits_lets_the_others_go_on() -> None:
    assert made(waiting(0.05), waiting(0.01), lambda: 0) == [0, 0.01, 0.05]


def test_what_a_call_waits_for_may_fail() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    def call() -> str:
        try:
            await_(asyncio.ensure_future(fail()))
        except ZeroDivisionError:
            return "failed"
        return "done"

    assert made(call) == ["failed"]


def test_a_greenlet_whose_call_is_done_makes_the_next_even_after_one_that_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[object] = []

    def fail() -> None:
        seen.append(getcurrent())
        raise ZeroDivisionError

    async def main() -> None:
        calls = GreenletPool()
        calls.start(fail)
        calls.start(lambda: seen.append(getcurrent()))
        calls.start(lambda: (seen.append(getcurrent()), waiting(0.01)()))  # type: ignore[func-returns-value]
        calls.start(lambda: seen.append(getcurrent()))
        await asyncio.sleep(0.05)

    run(main())
    # The last one came while the third still waited.
    assert len(seen) == 4
    assert len(set(seen[:3])) == 1
    assert seen[3] is not seen[0]
    assert "ZeroDivisionError" in caplog.text


def test_only_so_many_greenlets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("order_aggregator.adapters.system.greenlets.MAX_IDLE", 2)

    async def main() -> int:
        calls = GreenletPool()
        for _ in range(5):
            calls.start(waiting(0.01))
        await asyncio.sleep(0.05)
        return len(calls._idle)

    assert run(main()) == 2


def test_only_a_call_can_wait_for_a_result() -> None:
    async def main() -> None:
        assert not in_greenlet()
        await_(asyncio.get_running_loop().create_future())

    with pytest.raises(TypeError, match="GreenletPool"):
        run(main())
    assert made(in_greenlet) == [True]


def test_outside_the_loop_what_blocks_is_called_right_here() -> None:
    assert run_in_thread(threading.get_ident) == threading.get_ident()


def test_in_the_loop_what_blocks_is_called_in_a_thread_and_the_loop_goes_on() -> None:
    others: list[object] = []

    def call() -> int:
        here = run_in_thread(threading.get_ident)
        run_in_thread(time.sleep, 0.05)
        assert others == ["other"]
        return here

    [_, ident] = made(call, lambda: others.append("other"))
    assert ident != threading.get_ident()


def test_in_the_loop_what_blocks_may_fail() -> None:
    def call() -> str:
        with pytest.raises(ZeroDivisionError):
            run_in_thread(divmod, 7, 0)
        return "failed"

    assert made(call) == ["failed"]


def test_what_a_call_had_in_hand_is_let_go_when_it_is_done() -> None:
    class Body:
        pass

    async def main() -> None:
        body = Body()
        kept = weakref.ref(body)

        def call(body: Body = body) -> None:
            assert isinstance(body, Body)

        GreenletPool().start(call)
        del call, body
        assert kept() is None

    run(main())

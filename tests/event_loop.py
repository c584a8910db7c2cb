"""Calls made in an event loop of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from order_aggregator.adapters.system.greenlets import GreenletPool

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], within: float = 20.0) -> T:
    """Run it in an event loop as the API has it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(main, within))


async def until(true: Callable[[], bool]) -> None:
    """Wait for what nobody tells us of."""
    while not true():  # noqa: ASYNC110 - as said
        await asyncio.sleep(0.001)


def called(call: Callable[[], T], meanwhile: Callable[[], object] = lambda: None) -> tuple[T, int]:
    """What comes of a call in an event loop, and how often the loop had a turn meanwhile.

    After the first few, `meanwhile` is called as well, in a thread.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def keep() -> None:
        try:
            results.append(call())
        except Exception as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    async def main() -> int:
        turns = 0
        GreenletPool().start(keep)
        while not (results or errors):
            await asyncio.sleep(0.01)
            turns += 1
            if turns == 5:
                await asyncio.to_thread(meanwhile)
        return turns

    turns = run(main())
    if errors:
        raise errors[0]
    return results[0], turns


def in_event_loop(call: Callable[[], T]) -> T:
    """The result of a call, made in an event loop."""
    return called(call)[0]


def in_thread(call: Callable[[], T]) -> T:
    """The result of a call, made as any other."""
    return call()

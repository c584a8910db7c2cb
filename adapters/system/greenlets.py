"""Calls that run in an event loop and wait like in a thread: the loop goes on meanwhile.

A call is a greenlet. What it waits for switches back to the loop, which switches to it again.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from greenlet import getcurrent, greenlet

P = ParamSpec("P")
T = TypeVar("T")


class _Call(greenlet):
    """What `start` has started."""


def start(call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run a call until it is done or waits. To be called by the event loop, not by such a call."""
    _Call(call).switch(*args, **kwargs)


def in_call() -> bool:
    """Whether the caller was started by `start`, and so must not block its thread."""
    return isinstance(getcurrent(), _Call)


def result_of(future: Future[T]) -> T:
    """Wait for it, inside a call."""
    call = getcurrent()
    if not isinstance(call, _Call) or call.parent is None:
        raise RuntimeError("only what `start` has started can wait in an event loop")
    future.add_done_callback(lambda _: call.switch())
    call.parent.switch()
    return future.result()


def unblocked(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a call that blocks: made in another thread if the caller must not."""
    if not in_call():
        return call(*args, **kwargs)
    loop = asyncio.get_running_loop()
    return result_of(loop.run_in_executor(None, lambda: call(*args, **kwargs)))

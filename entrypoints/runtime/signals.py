"""Ending a process in good order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

PARENT = "ORDER_AGGREGATOR_PARENT"
PARENT_CHECK_SECONDS = 1.0


def stop_on_signals() -> Event:
    """An event that SIGTERM and SIGINT (Ctrl-C) set."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def exit_with_parent() -> None:
    """If `order-aggregator run` started this process, end when that has died."""
    parent = os.environ.get(PARENT)
    if parent is not None:
        Thread(target=_watch, args=(int(parent),), name="end-with-parent", daemon=True).start()


@contextmanager
def on_parent_exit(call: Callable[[], object]) -> Iterator[None]:
    """Call it when all is over: processes forked meanwhile come by here too, when they end."""
    parent = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == parent:
            call()


def _watch(parent: int) -> None:
    never = Event()
    while os.getppid() == parent:
        never.wait(PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)

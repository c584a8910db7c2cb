"""Waiting for what does not answer yet."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TypeVar

from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential_jitter,
)

from ...adapters.system.log import Log
from ...domain.errors import Conflict, Unavailable
from .liveness import liveness

T = TypeVar("T")
log = Log()

FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0


class ShutdownRequested(Exception):
    """The process was asked to end before the call succeeded."""


def retry_until_available(call: Callable[[], T], stop: Event, waiting: str) -> T:
    """Repeat the call, with growing waits, while it raises Unavailable or Conflict.

    `waiting` is the log event for each wait. It is called at least once; after that, raises Stopped
    once `stop` is set.
    """

    def say(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Unavailable):
            log.warning(waiting, reason=str(error), seconds=round(state.upcoming_sleep, 1))

    retrying = Retrying(
        retry=retry_if_exception_type((Unavailable, Conflict)),
        wait=wait_exponential_jitter(multiplier=FIRST_WAIT, max=LONGEST_WAIT, jitter=FIRST_WAIT),
        sleep=sleep_using_event(stop),
        stop=stop_when_event_set(stop),
        before_sleep=say,
    )

    def attempt() -> T:
        # Whoever waits for the database or the broker is alive.
        liveness.beat()
        return call()

    try:
        return retrying(attempt)
    except RetryError as error:
        raise ShutdownRequested from error

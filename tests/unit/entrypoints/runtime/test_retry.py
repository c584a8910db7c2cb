"""Waiting for what does not answer yet."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Timer
from time import monotonic

import pytest

from order_aggregator.domain.errors import Conflict, StorageUnavailable
from order_aggregator.entrypoints.runtime.retry import ShutdownRequested, retry_until_available


@pytest.mark.parametrize("error", [StorageUnavailable("away"), Conflict("crossed")])
def test_it_is_called_until_it_answers(error: Exception) -> None:
    answers: Iterator[Exception | int] = iter([error, error, 7])

    def call() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retry_until_available(call, Event(), "test.waiting") == 7


def test_what_waiting_does_not_mend_is_raised_at_once() -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        retry_until_available(call, Event(), "test.waiting")
    assert len(calls) == 1


def _never() -> None:
    raise StorageUnavailable("away")


def test_a_stop_ends_the_wait() -> None:
    stop = Event()
    Timer(0.3, stop.set).start()
    began = monotonic()
    with pytest.raises(ShutdownRequested):
        retry_until_available(_never, stop, "test.waiting")
    assert monotonic() - began < 5


def test_it_is_called_once_though_the_stop_came_before() -> None:
    stop = Event()
    stop.set()
    assert retry_until_available(lambda: 7, stop, "test.waiting") == 7
    with pytest.raises(ShutdownRequested):
        retry_until_available(_never, stop, "test.waiting")

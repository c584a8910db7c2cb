"""Signs of life."""

from __future__ import annotations

from threading import Event

import pytest

from order_aggregator import StorageUnavailable
from order_aggregator.entrypoints.runtime import liveness as module
from order_aggregator.entrypoints.runtime.liveness import Liveness, liveness
from order_aggregator.entrypoints.runtime.retry import retry_until_available


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def test_a_thread_that_does_not_go_on_is_silent(time: list[float]) -> None:
    watch = Liveness()
    with watch.watching():
        time[0] += 7
        assert watch.silence() == 7
        watch.beat()
        assert watch.silence() == 0
        time[0] += 2
    assert watch.silence() == 0


def test_nobody_else_speaks_for_a_thread_that_is_silent(time: list[float]) -> None:
    watch = Liveness()
    with watch.watching():
        time[0] += 7
        watch._signs[-1] = time[0]
        assert watch.silence() == 7


def test_whoever_is_not_watched_gives_no_sign() -> None:
    watch = Liveness()
    watch.beat()
    assert watch.silence() == 0


def test_waiting_for_the_database_is_a_sign_of_life(time: list[float]) -> None:
    silences: list[float] = []

    def away() -> None:
        time[0] += 50
        silences.append(liveness.silence())
        if len(silences) < 3:
            raise StorageUnavailable("away")

    with liveness.watching():
        retry_until_available(away, Event(), "test.waiting")
    assert silences == [50, 50, 50]

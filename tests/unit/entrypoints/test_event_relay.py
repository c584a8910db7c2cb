"""The loop that publishes events."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from time import monotonic

import pytest
from structlog.testing import capture_logs

from order_aggregator.domain.errors import BrokerUnavailable, Conflict
from order_aggregator.entrypoints import event_relay
from order_aggregator.entrypoints.event_relay import EventRelay


def running(rounds: list[int | Exception], stop: Event) -> Callable[[], int]:
    """Publishes with these results, and then has everything stopped."""
    left = iter(rounds)

    def publish() -> int:
        answer = next(left, None)
        if answer is None:
            stop.set()
            return 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    return publish


def test_it_goes_on_at_once_while_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_relay, "POLL", 0.5)
    stop = Event()
    started_at = monotonic()
    EventRelay(running([7] * 50, stop), stop).run()
    assert monotonic() - started_at < 0.4


def test_it_waits_where_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_relay, "POLL", 0.1)
    stop = Event()
    started_at = monotonic()
    EventRelay(running([0, 0, 0], stop), stop).run()
    assert monotonic() - started_at >= 0.3


def test_it_waits_longer_and_longer_for_a_broker_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_relay, "FIRST_BACKOFF", 0.04)
    stop = Event()
    away = BrokerUnavailable("away")
    relay = EventRelay(running([away, Conflict("locked"), away, 1, away], stop), stop)
    relay._backoff = 0.04
    with capture_logs() as logs:
        relay.run()
    waits = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert waits == ["events.waiting"] * 4
    assert relay._backoff == 0.04


def test_a_crash_is_told_and_the_next_round_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_relay, "CRASH_BACKOFF", 0.0)
    stop = Event()
    with capture_logs() as logs:
        EventRelay(running([RuntimeError("a bug"), 1], stop), stop).run()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["events.crashed"]

"""The relay's loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from threading import Event, Thread
from time import monotonic
from typing import Any

import attrs
import pytest
from structlog.testing import capture_logs

from order_aggregator import BrokerUnavailable
from order_aggregator.domain.ports.outbox import Backlog
from order_aggregator.entrypoints import relay as relay_module
from order_aggregator.entrypoints.event_relay import EventRelay
from order_aggregator.entrypoints.relay import Housekeeping, Relay


@attrs.define
class Sending:
    """Relays messages by a function."""

    send: Callable[[], Sequence[bytes]]
    finished: bool = False
    unconfirmed: int = 0

    def __call__(self) -> Sequence[bytes]:
        return self.send()

    def finish(self) -> None:
        self.finished = True


def build_relay(sending: Sending | None, stop: Event, **calls: Callable[[], Any]) -> Relay:
    """A relay that has nothing else to do, unless told."""
    idle: dict[str, Callable[[], Any]] = {
        "resend_orders": list,
        "watch_outbox": lambda: None,
        "withhold_stale_stock": list,
        "forget_keys": int,
        "forget_events": int,
        "expire_holds": list,
        "fill_backorders": list,
    }
    housekeeping = Housekeeping(**{**idle, **calls})
    return Relay(relay_messages=sending, housekeeping=housekeeping, stop=stop)


def test_a_wake_sends_before_the_next_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, sent = Event(), Event()
    waiting = iter([0])

    def send() -> list[bytes]:
        if next(waiting, None) is None:
            sent.set()
        return []

    monkeypatch.setattr(relay_module, "POLL", relay_module.POLL * 1000)
    relay = build_relay(Sending(send), stop)
    thread = Thread(target=relay.run)
    thread.start()
    relay.wake()
    assert sent.wait(2)
    stop.set()
    relay.wake()
    thread.join(2)
    assert not thread.is_alive()


def test_it_goes_on_when_the_broker_is_back() -> None:
    stop = Event()
    answers: list[list[bytes] | Exception] = [
        BrokerUnavailable("away"),
        BrokerUnavailable("away"),
        [b"{}"],
    ]

    def send() -> list[bytes]:
        answer = answers.pop(0) if answers else []
        if isinstance(answer, Exception):
            raise answer
        if not answers:
            stop.set()
        return answer

    sending = Sending(send)
    build_relay(sending, stop).run()
    assert answers == []
    assert sending.finished


def test_a_crash_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "CRASH_BACKOFF", relay_module.POLL)
    stop = Event()
    answers: list[Exception | None] = [ZeroDivisionError(), None]

    def send() -> list[bytes]:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        stop.set()
        return []

    build_relay(Sending(send), stop).run()
    assert answers == []


def test_told_to_stop_while_the_broker_is_away_it_ends() -> None:
    stop, tried = Event(), Event()

    def send() -> list[bytes]:
        tried.set()
        raise BrokerUnavailable("away")

    thread = Thread(target=build_relay(Sending(send), stop).run)
    thread.start()
    assert tried.wait(2)
    begun = monotonic()
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert monotonic() - begun < 2


def test_without_a_broker_it_only_resends() -> None:
    stop = Event()

    def resend() -> list[object]:
        stop.set()
        return []

    build_relay(None, stop, resend_orders=resend).run()


@pytest.fixture
def slow_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait is shorter than a tenth of a second, so that few steps are many."""
    monkeypatch.setattr(relay_module, "FIRST_BACKOFF", 0.2)


def test_what_the_bus_refuses_is_not_tried_again_at_once(slow_start: None) -> None:
    """Whoever commits more meanwhile does not change that."""
    stop, tries = Event(), []

    def refused() -> list[bytes]:
        tries.append(monotonic())
        relay.wake()
        if len(tries) == 4:
            stop.set()
        return []

    relay = build_relay(Sending(refused, unconfirmed=1000), stop)
    relay.run()
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    # At least half of 0.2, 0.4 and 0.8 seconds.
    assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.4), strict=True))


def test_after_a_round_without_refusals_it_waits_no_longer_than_at_first() -> None:
    stop = Event()
    rounds = iter([1, 1, 1, 0, 1, 0])
    sending = Sending(list)

    def send() -> list[bytes]:
        sending.unconfirmed = next(rounds)
        if sending.unconfirmed == 0:
            times.append(monotonic())
            if len(times) == 2:
                stop.set()
        return [b"{}"]

    times: list[float] = []
    sending.send = send
    build_relay(sending, stop).run()
    # Else its fourth pause would last 0.8 seconds at least.
    assert times[1] - times[0] < 0.75


def test_a_backlog_is_logged_also_while_the_broker_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "WATCH_EVERY", timedelta())
    stop = Event()
    since = datetime(2026, 1, 1, tzinfo=UTC)
    backlogs: list[Backlog | None] = [None, Backlog(messages=3, since=since), None]

    def watch() -> Backlog | None:
        if len(backlogs) == 1:
            stop.set()
        return backlogs.pop(0)

    def send() -> list[bytes]:
        raise BrokerUnavailable("away")

    with capture_logs() as lines:
        build_relay(Sending(send), stop, watch_outbox=watch).run()
    assert [line for line in lines if line["event"] == "outbox.waiting"] == [
        {
            "event": "outbox.waiting",
            "log_level": "warning",
            "messages": 3,
            "since": "2026-01-01T00:00:00.000000+00:00",
        }
    ]


def test_it_does_not_wait_for_the_events_that_are_published_beside_it() -> None:
    stop, hangs, sent = Event(), Event(), Event()

    def publish() -> int:
        hangs.set()
        assert sent.wait(5)
        stop.set()
        return 0

    def fill() -> None:
        if hangs.wait(5):
            sent.set()

    relay = build_relay(Sending(list), stop, fill_backorders=fill)
    relay._beside = (EventRelay(publish, stop).running(),)
    relay.run()
    assert sent.is_set()


def test_each_turn_is_noted_also_while_the_broker_is_away() -> None:
    stop = Event()
    turns = count(1)

    def send() -> list[bytes]:
        raise BrokerUnavailable("away")

    relay = build_relay(Sending(send), stop)
    relay._on_turn = lambda: stop.set() if next(turns) == 2 else None
    thread = Thread(target=relay.run)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()

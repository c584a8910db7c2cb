"""The relay's loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Thread
from time import monotonic

import attrs
import pytest

from order_aggregator import BrokerUnavailable
from order_aggregator.entrypoints import relay as relay_module
from order_aggregator.entrypoints.relay import Relay


@attrs.define
class Sending:
    """Relays messages by a function."""

    send: Callable[[], Sequence[bytes]]
    finished: bool = False

    def __call__(self) -> Sequence[bytes]:
        return self.send()

    def finish(self) -> None:
        self.finished = True


def test_a_wake_sends_before_the_next_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, sent = Event(), Event()
    waiting = iter([0])

    def send() -> list[bytes]:
        if next(waiting, None) is None:
            sent.set()
        return []

    monkeypatch.setattr(relay_module, "POLL", relay_module.POLL * 1000)
    relay = Relay(Sending(send), list, stop)
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
    Relay(sending, list, stop).run()
    assert answers == []
    assert sending.finished


def test_a_crash_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "AFTER_CRASH", relay_module.POLL)
    stop = Event()
    answers: list[Exception | None] = [ZeroDivisionError(), None]

    def send() -> list[bytes]:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        stop.set()
        return []

    Relay(Sending(send), list, stop).run()
    assert answers == []


def test_told_to_stop_while_the_broker_is_away_it_ends() -> None:
    stop, tried = Event(), Event()

    def send() -> list[bytes]:
        tried.set()
        raise BrokerUnavailable("away")

    thread = Thread(target=Relay(Sending(send), list, stop).run)
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

    Relay(None, resend, stop).run()  # type: ignore[arg-type]

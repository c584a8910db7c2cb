"""What is particular to a message bus whose queue is a table."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from order_aggregator.adapters.memory import ManualClock
from order_aggregator.adapters.sql import SqlMessageBus, SqlStorage
from order_aggregator.testing.shop import Shop
from order_aggregator.testing.shop_work import work

LEASE = timedelta(seconds=30)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bus(engine: Engine, clock: ManualClock) -> SqlMessageBus:
    return SqlMessageBus(engine, clock)


def test_committed_messages_are_the_queue(storage: SqlStorage, bus: SqlMessageBus) -> None:
    shop = Shop(storage)
    shop.sync("acme", {"apple": 5})
    order = shop.accepted(apple=1)
    with bus.consume() as consumer:
        [delivery] = consumer.receive(9, 0)
        assert str(order.id).encode() in delivery.body
        consumer.acknowledge([delivery])
    assert work(storage, lambda uow: uow.outbox.claim(9, shop.clock.now(), shop.clock.now())) == []


def test_a_message_is_delivered_again_when_its_lease_has_run_out(
    bus: SqlMessageBus, clock: ManualClock
) -> None:
    bus.publish([b"x"])
    with bus.consume() as slow, bus.consume() as quick:
        slow.receive(1, 0)
        clock.advance(LEASE - timedelta(microseconds=1))
        assert quick.receive(1, 0) == []
        clock.advance(timedelta(microseconds=1))
        assert [delivery.attempt for delivery in quick.receive(1, 0)] == [2]


@pytest.mark.parametrize("settlement", ["acknowledge", "retry", "park", "leave"])
def test_settling_too_late_changes_nothing(
    bus: SqlMessageBus, clock: ManualClock, settlement: str
) -> None:
    bus.publish([b"x"])
    with bus.consume() as slow:
        late = slow.receive(1, 0)
        clock.advance(LEASE)
        with bus.consume() as quick:
            [delivery] = quick.receive(1, 0)
            if settlement == "acknowledge":
                slow.acknowledge(late)
            elif settlement == "retry":
                slow.retry([late[0]], 0)
            elif settlement == "park":
                slow.park([(late[0], "too late")])
            else:
                slow.__exit__(None, None, None)
            assert bus.parked == []
            with bus.consume() as third:
                assert third.receive(1, 0) == []
            quick.park([(delivery, "in time")])
    assert bus.parked == [(b"x", "in time")]


def test_a_late_settlement_never_hits_another_message(
    bus: SqlMessageBus, clock: ManualClock
) -> None:
    """SQLite would give the number of the newest message, once deleted, to the next."""
    bus.publish([b"first"])
    with bus.consume() as slow, bus.consume() as quick:
        late = slow.receive(1, 0)
        clock.advance(LEASE)
        quick.acknowledge(quick.receive(1, 0))
        bus.publish([b"second"])
        assert [delivery.attempt for delivery in quick.receive(1, 0)] == [1]
        slow.acknowledge(late)
        clock.advance(LEASE)
        assert [delivery.body for delivery in quick.receive(1, 0)] == [b"second"]


def test_no_relay_takes_what_is_parked(
    storage: SqlStorage, bus: SqlMessageBus, clock: ManualClock
) -> None:
    bus.publish([b"x"])
    with bus.consume() as consumer:
        [delivery] = consumer.receive(1, 0)
        consumer.park([(delivery, "reason")])
    clock.advance(10 * LEASE)
    assert work(storage, lambda uow: uow.outbox.claim(9, clock.now(), clock.now())) == []
    assert bus.parked == [(b"x", "reason")]


def test_each_parked_message_is_kept_with_its_own_reason(bus: SqlMessageBus) -> None:
    bus.publish([b"1", b"2", b"3"])
    with bus.consume() as consumer:
        one, two, three = consumer.receive(3, 0)
        consumer.park([(three, "the third's"), (one, "the first's")])
        consumer.acknowledge([two])
    assert bus.parked == [(b"1", "the first's"), (b"3", "the third's")]


@pytest.mark.parametrize("body", [b"", b"\x00\xff\\x", 'ü"{},\\'.encode(), b"NULL"])
def test_any_bytes_arrive_as_they_are(bus: SqlMessageBus, body: bytes) -> None:
    bus.publish([body])
    with bus.consume() as consumer:
        assert [delivery.body for delivery in consumer.receive(1, 0)] == [body]


def test_a_dead_letter_says_when_and_why_it_was_parked_and_after_how_many_attempts(
    bus: SqlMessageBus, clock: ManualClock
) -> None:
    bus.publish([b"x"])
    with bus.consume() as consumer:
        consumer.retry(consumer.receive(1, 0), 0)
        clock.advance(timedelta(minutes=5))
        [delivery] = consumer.receive(1, 0)
        consumer.park([(delivery, "a bug")])
    [letter] = bus.dead_letters(9)
    assert (letter.reason, letter.attempts, letter.parked_at) == ("a bug", 2, clock.now())

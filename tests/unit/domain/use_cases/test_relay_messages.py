"""Relaying the outbox: at least once, in order, and nothing is lost when the broker is away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from order_aggregator.adapters.memory import MemoryMessageBus
from order_aggregator.adapters.memory.outbox import MemoryOutbox
from order_aggregator.domain.errors import BrokerUnavailable
from order_aggregator.domain.use_cases.relay_messages import BATCH, LEASE, RelayMessages
from order_aggregator.testing.shop import Shop


class WeakBus(MemoryMessageBus):
    """A bus that can be down, or leave every second message unconfirmed."""

    down = False
    confirms_all = True

    def publish(self, bodies: Sequence[bytes]) -> list[bool]:
        if self.down:
            raise BrokerUnavailable("nobody listens")
        super().publish(bodies)
        return [self.confirms_all or position % 2 == 0 for position in range(len(bodies))]

    def ping(self) -> None:
        self.publish([])


@pytest.fixture
def bus() -> WeakBus:
    return WeakBus()


@pytest.fixture
def shop(bus: WeakBus) -> Shop:
    return Shop(bus=bus)


def _put(shop: Shop, *bodies: bytes) -> None:
    with shop.storage.unit_of_work() as uow:
        assert isinstance(uow.outbox, MemoryOutbox)
        uow.outbox._add(bodies, shop.clock.now())
        uow.commit()


def _received(bus: WeakBus) -> list[bytes]:
    def each() -> Iterator[bytes]:
        with bus.consume() as consumer:
            while deliveries := consumer.receive(10_000, 0):
                consumer.acknowledge(deliveries)
                yield from (delivery.body for delivery in deliveries)

    return list(each())


def _claimed_elsewhere(shop: Shop) -> int:
    """The id of the oldest due message, which another relay has just claimed."""
    with shop.storage.unit_of_work() as uow:
        [message] = uow.outbox.claim(1, shop.clock.now(), shop.clock.now() + LEASE)
        uow.commit()
    return message.id


def test_messages_are_published_in_order_and_once(shop: Shop, bus: WeakBus) -> None:
    _put(shop, b"1", b"2")
    _put(shop, b"3")
    assert len(shop.relay_messages()) == 3
    assert _received(bus) == [b"1", b"2", b"3"]
    shop.pass_time(hours=1)
    assert len(shop.relay_messages()) == 0
    assert _received(bus) == []


def test_an_empty_outbox_sends_nothing(shop: Shop, bus: WeakBus) -> None:
    bus.down = True
    assert len(shop.relay_messages()) == 0


def test_one_call_relays_one_batch(shop: Shop) -> None:
    _put(shop, *(b"%d" % number for number in range(BATCH + 5)))
    assert [len(shop.relay_messages()) for _ in range(3)] == [BATCH, 5, 0]


def test_unconfirmed_messages_are_sent_again_at_once(shop: Shop, bus: WeakBus) -> None:
    _put(shop, b"1", b"2", b"3", b"4")
    bus.confirms_all = False
    assert len(shop.relay_messages()) == 2
    bus.confirms_all = True
    assert len(shop.relay_messages()) == 2
    assert _received(bus) == [b"1", b"2", b"3", b"4", b"2", b"4"]
    assert len(shop.relay_messages()) == 0


def test_when_the_broker_is_down_the_messages_are_given_back_at_once(
    shop: Shop, bus: WeakBus
) -> None:
    _put(shop, b"1", b"2")
    bus.down = True
    with pytest.raises(BrokerUnavailable):
        shop.relay_messages()
    bus.down = False
    assert len(shop.relay_messages()) == 2
    assert _received(bus) == [b"1", b"2"]


def test_what_a_dead_relay_had_claimed_is_sent_after_its_lease(shop: Shop, bus: WeakBus) -> None:
    _put(shop, b"1")
    _claimed_elsewhere(shop)
    assert len(shop.relay_messages()) == 0
    shop.clock.advance(LEASE)
    assert len(shop.relay_messages()) == 1
    assert _received(bus) == [b"1"]


def test_no_transaction_is_open_while_the_bus_is_at_work(shop: Shop) -> None:
    """With one open, this unit of work inside `publish` would never get its turn."""

    class Curious(MemoryMessageBus):
        def publish(self, bodies: Sequence[bytes]) -> list[bool]:
            with shop.storage.unit_of_work() as uow:
                now = shop.clock.now()
                assert uow.outbox.claim(10, now, now + LEASE) == []
            return super().publish(bodies)

    _put(shop, b"1")
    relay_messages = RelayMessages(shop.storage.unit_of_work, Curious(), shop.clock)
    assert len(relay_messages()) == 1


def _waiting(shop: Shop) -> int:
    with shop.storage.unit_of_work() as uow:
        return len(uow.outbox.claim(10, shop.clock.now() + LEASE, shop.clock.now()))


def test_what_was_sent_is_removed_by_the_next_call(shop: Shop) -> None:
    _put(shop, b"1")
    shop.relay_messages()
    assert _waiting(shop) == 1
    shop.relay_messages()
    assert _waiting(shop) == 0


def test_what_was_sent_last_is_removed_at_the_end(shop: Shop, bus: WeakBus) -> None:
    _put(shop, b"1", b"2")
    shop.relay_messages()
    shop.relay_messages.finish()
    assert _waiting(shop) == 0
    shop.pass_time(hours=1)
    assert shop.relay_messages() == []
    assert _received(bus) == [b"1", b"2"]


def test_what_a_relay_had_sent_before_it_died_is_sent_again(shop: Shop, bus: WeakBus) -> None:
    _put(shop, b"1")
    shop.relay_messages()
    shop.pass_time(hours=1)
    another = Shop(shop.storage, bus=bus)
    another.clock.advance(2 * LEASE)
    assert another.relay_messages() == [b"1"]

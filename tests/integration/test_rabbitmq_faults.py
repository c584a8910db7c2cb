"""The broker stops, dies and returns; nothing that it confirmed is lost, and nobody hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from order_aggregator.adapters.rabbitmq import RabbitMessageBus
from order_aggregator.domain.errors import BrokerUnavailable
from servers import Broker
from service import eventually
from started_threads import StartedThreads

# Seconds for a broker to start and for both connections to find it.
RECOVERY = 60.0


# Seconds after which a broker has written down for good that a queue was declared. If it dies
# before that, the queue may be gone, and with it all that was confirmed.
SETTLED = 6.0


@pytest.fixture(scope="module")
def url(broker: Broker) -> Iterator[str]:
    """A virtual host where the queues have been for a while."""
    with broker.virtual_host() as url, closing(RabbitMessageBus(url)) as bus:
        bus.ping()
        time.sleep(SETTLED)
        yield url


@pytest.fixture
def bus(broker: Broker, url: str) -> Iterator[RabbitMessageBus]:
    broker.start()
    with closing(RabbitMessageBus(url)) as bus:
        publish_when_possible(bus, b"first")
        drain(bus, b"first")
        yield bus


def publish_when_possible(bus: RabbitMessageBus, body: bytes) -> None:
    end = time.monotonic() + RECOVERY
    while True:
        try:
            if bus.publish([body]) == [True]:
                return
        except BrokerUnavailable:
            time.sleep(0.1)
        assert time.monotonic() < end, "the broker was not found again"


def drain(bus: RabbitMessageBus, last: bytes) -> list[bytes]:
    """All messages there are; `last` was published after every other one."""
    found: list[bytes] = []
    end = time.monotonic() + RECOVERY
    with bus.consume() as consumer:
        while time.monotonic() < end:
            deliveries = consumer.receive(500, 1)
            consumer.acknowledge(deliveries)
            found += [delivery.body for delivery in deliveries]
            if last in found and not deliveries:
                return found
    raise AssertionError(f"{len(found)} messages, without the last one")


def test_confirmed_messages_outlive_the_broker(bus: RabbitMessageBus, broker: Broker) -> None:
    bodies = [b"%d" % number for number in range(500)]
    assert bus.publish(bodies) == [True] * 500
    broker.kill()
    broker.start()
    publish_when_possible(bus, b"last")
    assert set(drain(bus, b"last")) == {*bodies, b"last"}


@pytest.mark.parametrize("end", [Broker.stop, Broker.kill])
def test_broker_restarts_while_messages_are_sent(
    bus: RabbitMessageBus, broker: Broker, end: Callable[[Broker], None]
) -> None:
    """What is not confirmed is sent again; what is confirmed is there, and no call takes long."""
    confirmed: set[bytes] = set()
    longest = 0.0
    stop = threading.Event()

    def send() -> None:
        nonlocal longest
        number = 0
        while not stop.is_set():
            bodies = [b"%d-%d" % (number, index) for index in range(100)]
            number += 1
            started_at = time.monotonic()
            try:
                answers = bus.publish(bodies)
            except BrokerUnavailable:
                answers = [False] * 100
            longest = max(longest, time.monotonic() - started_at)
            confirmed.update(body for body, ok in zip(bodies, answers, strict=True) if ok)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        eventually(lambda: len(confirmed) > 1000)
        end(broker)
        broker.start()
        publish_when_possible(bus, b"recovered")
        before = len(confirmed)
        eventually(lambda: len(confirmed) > before + 1000)
    finally:
        stop.set()
        sender.join()
    publish_when_possible(bus, b"last")
    missing = confirmed - set(drain(bus, b"last"))
    assert not missing
    assert longest < 13


def test_broker_restarts_while_messages_are_consumed(bus: RabbitMessageBus, broker: Broker) -> None:
    """Every message arrives; what was acknowledged long before the restart does not come again."""
    bodies = {b"%d" % number for number in range(3000)}
    assert all(bus.publish(sorted(bodies)))
    seen: set[bytes] = set()
    again: list[bytes] = []
    with bus.consume() as consumer:
        while len(seen) < 1000:
            deliveries = consumer.receive(100, 5)
            consumer.acknowledge(deliveries)
            seen |= {delivery.body for delivery in deliveries}
        unsettled = consumer.receive(100, 5)
        time.sleep(1)  # until the acknowledgements have reached the queue
        settled = set(seen)
        # What it confirms comes after them in the queue's log.
        assert all(bus.publish([b"last"]))
        bodies.add(b"last")
        broker.kill()
        broker.start()
        consumer.acknowledge(unsettled)
        end = time.monotonic() + RECOVERY
        while seen != bodies and time.monotonic() < end:
            deliveries = consumer.receive(100, 1)
            consumer.acknowledge(deliveries)
            again += [delivery.body for delivery in deliveries if delivery.body in settled]
            seen |= {delivery.body for delivery in deliveries}
    assert seen == bodies
    assert not again


def test_receive_and_ping_while_the_broker_is_away(bus: RabbitMessageBus, broker: Broker) -> None:
    with bus.consume() as consumer:
        bus.ping()
        broker.stop()
        started_at = time.monotonic()
        assert consumer.receive(10, 0.5) == []
        with pytest.raises(BrokerUnavailable):
            bus.ping()
        with pytest.raises(BrokerUnavailable):
            bus.publish([b"x"])
        assert time.monotonic() - started_at < 6
        broker.start()
        publish_when_possible(bus, b"x")
        end = time.monotonic() + RECOVERY
        while not (deliveries := consumer.receive(1, 1)):
            assert time.monotonic() < end
        consumer.acknowledge(deliveries)


def test_leaving_while_the_broker_is_away(bus: RabbitMessageBus, broker: Broker) -> None:
    started = StartedThreads()
    with bus.consume() as consumer:
        bus.publish([b"x"])
        (delivery,) = consumer.receive(1, 10)
        broker.kill()
        consumer.acknowledge([delivery])
        consumer.retry([delivery], 0)
        started_at = time.monotonic()
    bus.close()
    assert time.monotonic() - started_at < 3
    assert started.running() == 0

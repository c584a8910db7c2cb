"""How deliveries arrive, and what settling them does on the broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pika
import pytest

from amqp import FaultyNetwork, channel_to, depth
from order_aggregator.adapters.rabbitmq import RabbitMessageBus
from order_aggregator.adapters.rabbitmq.consumer import RabbitConsumer
from order_aggregator.adapters.rabbitmq.topology import DELIVERY_LIMIT
from order_aggregator.domain.ports.message_bus import Delivery
from service import eventually
from started_threads import StartedThreads


@pytest.fixture
def bus(fresh_broker_url: str) -> Iterator[RabbitMessageBus]:
    with closing(RabbitMessageBus(fresh_broker_url)) as bus:
        yield bus


def receive(consumer: RabbitConsumer, count: int, within: float = 10.0) -> list[Delivery]:
    end = time.monotonic() + within
    received: list[Delivery] = []
    while len(received) < count and time.monotonic() < end:
        received += consumer.receive(count - len(received), end - time.monotonic())
    assert len(received) == count, f"{len(received)} of {count} messages within {within} s"
    return received


def publish(bus: RabbitMessageBus, count: int) -> list[bytes]:
    bodies = [b"%d" % number for number in range(count)]
    assert bus.publish(bodies) == [True] * count
    return bodies


def test_making_a_consumer_does_nothing() -> None:
    started = StartedThreads()
    RabbitMessageBus("amqp://nowhere.invalid/").consume()
    assert started.running() == 0


def test_acknowledged_messages_are_gone_from_the_broker(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    bodies = publish(bus, 1200)
    with bus.consume() as consumer:
        received: list[Delivery] = []
        while len(received) < 1200:
            batch = receive(consumer, 200)
            consumer.acknowledge(batch)
            received += batch
    assert [delivery.body for delivery in received] == bodies
    assert {delivery.attempt for delivery in received} == {1}
    assert depth(fresh_broker_url, "order_queue") == 0


def test_acknowledging_settles_nothing_but_what_was_named(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    """The first ones in one go, with `multiple`; then single ones, in any order."""
    publish(bus, 10)
    with bus.consume() as consumer:
        received = receive(consumer, 10)
        consumer.acknowledge([received[i] for i in (2, 0, 1, 9, 5)])
        consumer.acknowledge([received[3]])
        consumer.acknowledge([received[8], received[5], received[0]])
    with channel_to(fresh_broker_url) as channel:
        left = [channel.basic_get("order_queue", auto_ack=True)[2] for _ in range(4)]
    assert left == [b"4", b"6", b"7", None]


def test_unsettled_messages_go_back_when_the_consumer_is_left(bus: RabbitMessageBus) -> None:
    publish(bus, 20)
    with bus.consume() as consumer:
        receive(consumer, 5)
    with bus.consume() as consumer:
        again = receive(consumer, 20)
        assert sorted({delivery.attempt for delivery in again}) in ([1, 2], [2])
        consumer.acknowledge(again)


def test_leaving_ends_thread_and_connection(bus: RabbitMessageBus, fresh_broker_url: str) -> None:
    started = StartedThreads()
    with bus.consume() as consumer:
        consumer.receive(1, 0.5)
        assert started.running() == 1
    assert started.running() == 0


def test_leaving_before_the_connection_is_up() -> None:
    started = StartedThreads()
    with RabbitMessageBus("amqp://127.0.0.1:1/").consume():
        pass
    assert started.running() == 0


def test_attempts_are_counted(bus: RabbitMessageBus) -> None:
    publish(bus, 1)
    with bus.consume() as consumer:
        for attempt in range(1, 6):
            (delivery,) = receive(consumer, 1)
            assert delivery.attempt == attempt
            consumer.retry([delivery], 0)
    with bus.consume() as consumer:
        assert receive(consumer, 1)[0].attempt >= 6


def test_retry_returns_at_once_and_the_message_comes_after_the_delay(bus: RabbitMessageBus) -> None:
    publish(bus, 1)
    with bus.consume() as consumer:
        (delivery,) = receive(consumer, 1)
        started_at = time.monotonic()
        consumer.retry([delivery], 1.0)
        assert time.monotonic() - started_at < 0.2
        (again,) = receive(consumer, 1)
        assert 0.9 < time.monotonic() - started_at < 3
        assert again.attempt == 2


@pytest.mark.parametrize("prefetch", [1, 2, 10])
def test_messages_held_back_do_not_keep_others_waiting(
    fresh_broker_url: str, prefetch: int
) -> None:
    with closing(RabbitMessageBus(fresh_broker_url, prefetch=prefetch)) as bus:
        publish(bus, 10 * prefetch + 5)
        with bus.consume() as consumer:
            for _ in range(10 * prefetch):
                consumer.retry([receive(consumer, 1)[0]], 60)
            for _ in range(5):
                (other,) = receive(consumer, 1)
                assert other.attempt == 1
                consumer.acknowledge([other])
    eventually(lambda: depth(fresh_broker_url, "order_queue") == 10 * prefetch)


def test_window_shrinks_again_when_nothing_is_held_back(fresh_broker_url: str) -> None:
    with closing(RabbitMessageBus(fresh_broker_url, prefetch=10)) as bus:
        publish(bus, 50)
        with bus.consume() as consumer:
            for _ in range(50):
                consumer.retry([receive(consumer, 1)[0]], 1)
            for _ in range(50):
                consumer.acknowledge(receive(consumer, 1))
            publish(bus, 100)
            time.sleep(0.2)
            eventually(lambda: depth(fresh_broker_url, "order_queue") == 90)


def test_message_returned_too_often_is_parked_by_the_broker(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    publish(bus, 1)
    with bus.consume() as consumer:
        for _ in range(DELIVERY_LIMIT + 1):
            consumer.retry([receive(consumer, 1)[0]], 0)
        eventually(lambda: depth(fresh_broker_url, "order_queue.dead") == 1)
        assert consumer.receive(1, 0.3) == []


def test_parked_message_is_kept_with_the_broker(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    publish(bus, 3)
    with bus.consume() as consumer:
        received = receive(consumer, 3)
        consumer.park([(received[1], "no such order")])
        consumer.acknowledge([received[0], received[2]])
        eventually(lambda: depth(fresh_broker_url, "order_queue.dead") == 1)
    assert depth(fresh_broker_url, "order_queue") == 0
    with channel_to(fresh_broker_url) as channel:
        _method, properties, body = channel.basic_get("order_queue.dead", auto_ack=True)
    assert body == b"1"
    assert properties is not None
    assert properties.headers is not None
    assert properties.headers["x-first-death-reason"] == "rejected"


def test_settling_twice_changes_nothing(bus: RabbitMessageBus, fresh_broker_url: str) -> None:
    publish(bus, 4)
    with bus.consume() as consumer:
        received = receive(consumer, 4)
        consumer.acknowledge(received[:2])
        consumer.acknowledge(received[:2])
        consumer.retry([received[0]], 0)
        consumer.park([(received[1], "no such order")])
        consumer.retry([received[2]], 60)
        consumer.acknowledge([received[2]])
        publish(bus, 1)
        (last,) = receive(consumer, 1)
        assert last.attempt == 1
    eventually(lambda: depth(fresh_broker_url, "order_queue") == 2)
    assert depth(fresh_broker_url, "order_queue.dead") == 0


def test_strange_headers_do_not_matter(bus: RabbitMessageBus, fresh_broker_url: str) -> None:
    bus.ping()
    headers = {"x-acquired-count": "many"}
    with channel_to(fresh_broker_url) as channel:
        channel.basic_publish("", "order_queue", b"x", pika.BasicProperties(headers=headers))
    with bus.consume() as consumer:
        assert receive(consumer, 1)[0].attempt == 1


def test_delivery_of_a_lost_connection_is_settled_in_vain(fresh_broker_url: str) -> None:
    with FaultyNetwork(fresh_broker_url) as network, closing(RabbitMessageBus(network.url)) as bus:
        publish(bus, 3)
        with bus.consume() as consumer:
            # All of them, as only what was delivered counts as an attempt.
            stale = receive(consumer, 3)
            session = consumer._link.usable(1).session
            network.cut()
            eventually(lambda: not session.is_open)
            fresh = receive(consumer, 3)
            assert {delivery.body for delivery in fresh} == {b"0", b"1", b"2"}
            assert {delivery.attempt for delivery in fresh} == {2}
            consumer.acknowledge(stale)
            consumer.retry([stale[0]], 0)
            consumer.park([(stale[0], "no such order")])
            time.sleep(0.2)
            assert consumer.receive(1, 0.2) == []
    assert depth(fresh_broker_url, "order_queue.dead") == 0
    eventually(lambda: depth(fresh_broker_url, "order_queue") == 3)


def test_what_had_arrived_by_a_lost_connection_is_received_once(fresh_broker_url: str) -> None:
    with FaultyNetwork(fresh_broker_url) as network, closing(RabbitMessageBus(network.url)) as bus:
        publish(bus, 3)
        with bus.consume() as consumer:
            receive(consumer, 1)
            eventually(lambda: len(consumer._inbox._deliveries) == 2)
            lost = consumer._link.usable(1)
            network.cut()
            eventually(lambda: consumer._link.usable(10) is not lost)
            again = receive(consumer, 3)
            assert sorted(delivery.body for delivery in again) == [b"0", b"1", b"2"]
            assert {delivery.attempt for delivery in again} == {2}
            assert consumer.receive(1, 0.2) == []


def test_consumer_comes_back_when_the_broker_cancels_it(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    with bus.consume() as consumer:
        publish(bus, 1)
        consumer.acknowledge(receive(consumer, 1))
        with channel_to(fresh_broker_url) as channel:
            channel.queue_delete("order_queue")
        eventually(lambda: _queue_has_consumer(fresh_broker_url))
        bus.publish([b"x"])
        publish(bus, 1)
        receive(consumer, 1)


def _queue_has_consumer(url: str) -> bool:
    with channel_to(url) as channel:
        try:
            frame = channel.queue_declare("order_queue", passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return False
        return bool(frame.method.consumer_count == 1)


def test_consumer_comes_back_when_the_broker_closes_the_channel(bus: RabbitMessageBus) -> None:
    """As it does with a consumer that leaves a message unsettled for too long."""
    publish(bus, 1)
    with bus.consume() as consumer:
        (delivery,) = receive(consumer, 1)
        session = consumer._link.usable(1).session
        session.call(lambda: session.channel.basic_ack(999_999))
        (again,) = receive(consumer, 1)
        assert again.attempt == 2
        consumer.acknowledge([delivery])
        consumer.acknowledge([again])
        assert consumer.receive(1, 0.3) == []


def test_busy_consumer_keeps_its_connection(fresh_broker_url: str) -> None:
    with closing(RabbitMessageBus(f"{fresh_broker_url}?heartbeat=1")) as bus:
        publish(bus, 1)
        with bus.consume() as consumer:
            (delivery,) = receive(consumer, 1)
            session = consumer._link.usable(1).session
            end = time.monotonic() + 4
            while time.monotonic() < end:
                pass
            consumer.acknowledge([delivery])
            assert consumer.receive(1, 0.5) == []
            assert consumer._link.usable(0).session is session
    assert depth(fresh_broker_url, "order_queue") == 0


def test_silent_broker_is_given_up_and_found_again(fresh_broker_url: str) -> None:
    """Only the heartbeat can tell that a connection is dead when nothing is said on it."""
    with (
        FaultyNetwork(fresh_broker_url) as network,
        closing(RabbitMessageBus(f"{network.url}?heartbeat=1")) as bus,
    ):
        publish(bus, 1)
        with bus.consume() as consumer:
            receive(consumer, 1)
            session = consumer._link.usable(1).session
            network.hear(server=False)
            eventually(lambda: not session.is_open)
            network.hear()
            assert receive(consumer, 1)[0].attempt == 2


def test_receive_waits_no_longer_than_asked_without_a_broker() -> None:
    with RabbitMessageBus("amqp://127.0.0.1:1/").consume() as consumer:
        started_at = time.monotonic()
        assert consumer.receive(10, 0.5) == []
        assert 0.4 < time.monotonic() - started_at < 1

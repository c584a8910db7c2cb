"""Dead letters on RabbitMQ: what only a broker can do to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pika
import pytest

from amqp import channel_to, depth
from order_aggregator.adapters.rabbitmq import RabbitMessageBus
from order_aggregator.adapters.rabbitmq.topology import DELIVERY_LIMIT
from order_aggregator.domain.errors import BrokerUnavailable
from service import eventually

PARKING = "order_queue.dead"


@pytest.fixture
def bus(fresh_broker_url: str) -> Iterator[RabbitMessageBus]:
    with closing(RabbitMessageBus(fresh_broker_url)) as bus:
        bus.ping()
        yield bus


def park(bus: RabbitMessageBus, url: str, count: int) -> None:
    bus.publish([b"%d" % number for number in range(count)])
    with bus.consume() as consumer:
        left = count
        while left:
            deliveries = consumer.receive(left, 10)
            consumer.park([(each, "reason") for each in deliveries])
            left -= len(deliveries)
        eventually(lambda: depth(url, PARKING) == count)


def test_what_the_broker_itself_parked_says_so(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    bus.publish([b"x"])
    with bus.consume() as consumer:
        for _ in range(DELIVERY_LIMIT + 1):
            consumer.retry(consumer.receive(1, 10), 0)
        eventually(lambda: depth(fresh_broker_url, PARKING) == 1)
    [letter] = bus.dead_letters(9)
    assert (letter.body, letter.reason) == (b"x", "delivered too often")
    assert letter.parked_at is not None


def test_messages_without_an_id_have_one_each_that_lasts_however_often_they_are_looked_at(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    with channel_to(fresh_broker_url) as channel:
        for body in (b"a", b"a", b"b"):
            channel.basic_publish("", PARKING, body)
            channel.basic_publish("", "order_queue", body)
    with bus.consume() as consumer:
        left = 3
        while left:
            deliveries = consumer.receive(left, 10)
            consumer.park([(each, "reason") for each in deliveries])
            left -= len(deliveries)
        eventually(lambda: depth(fresh_broker_url, PARKING) == 6)
    letters = bus.dead_letters(9)
    assert len({letter.id for letter in letters}) == 6
    for _ in range(25):
        assert bus.dead_letters(9) == letters
    ids = [letter.id for letter in letters[1:]]
    assert bus.discard(ids) == letters[1:]
    assert bus.dead_letters(9) == letters[:1]


def test_no_message_is_returned_as_often_as_brokers_bear(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    """RabbitMQ 4 drops what was returned 20 times, unless its queue says something else."""
    park(bus, fresh_broker_url, 3)
    for _ in range(2 * DELIVERY_LIMIT):
        assert len(bus.dead_letters(1)) == 1
    with channel_to(fresh_broker_url) as channel:
        _method, properties, body = channel.basic_get(PARKING)
    assert body == b"0"
    assert properties is not None
    assert properties.headers is not None
    count = properties.headers["x-delivery-count"]
    assert isinstance(count, int)
    assert count < DELIVERY_LIMIT


def test_what_is_replayed_into_a_full_queue_stays_parked(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    arguments = {"x-queue-type": "classic", "x-max-length": 1, "x-overflow": "reject-publish"}
    park(bus, fresh_broker_url, 3)
    ids = [letter.id for letter in bus.dead_letters(9)]
    with closing(RabbitMessageBus(fresh_broker_url)) as full, channel_to(fresh_broker_url) as side:
        full.ping()
        side.queue_delete("order_queue")
        side.queue_declare("order_queue", arguments=arguments)
        with pytest.raises(BrokerUnavailable):
            full.replay(ids)
        side.queue_delete("order_queue")
    assert [letter.id for letter in bus.dead_letters(9)] == ids[1:]


def test_what_another_client_had_in_hand_is_parked_again_when_that_is_gone(
    bus: RabbitMessageBus, fresh_broker_url: str
) -> None:
    park(bus, fresh_broker_url, 3)
    letters = bus.dead_letters(9)
    with channel_to(fresh_broker_url) as channel:
        for _ in range(3):
            channel.basic_get(PARKING)
        assert bus.dead_letters(9) == []
    eventually(lambda: bus.dead_letters(9) == letters)


def test_while_the_broker_is_away_nothing_can_be_looked_at() -> None:
    with closing(RabbitMessageBus("amqp://127.0.0.1:1/")) as bus:
        with pytest.raises(BrokerUnavailable):
            bus.dead_letters(9)
        for call in (bus.find_dead_letters, bus.replay, bus.discard):
            with pytest.raises(BrokerUnavailable):
                call(["1"])


def test_a_queue_that_somebody_else_looks_at_is_waited_for(
    bus: RabbitMessageBus, fresh_broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("order_aggregator.adapters.rabbitmq.dead_letters.LOCK_TIMEOUT", 0.3)
    park(bus, fresh_broker_url, 1)
    connection = pika.BlockingConnection(pika.URLParameters(fresh_broker_url))
    connection.channel().queue_declare(f"{PARKING}.lock", exclusive=True)
    with pytest.raises(BrokerUnavailable, match="lock"):
        bus.dead_letters(9)
    connection.close()
    assert len(bus.dead_letters(9)) == 1

"""What the adapter declares on the broker, and for whom it is a reason not to start."""

from __future__ import annotations

import pika.exceptions
import pytest

from amqp import channel_to, depth
from order_aggregator.adapters.rabbitmq import RabbitMessageBus
from order_aggregator.adapters.rabbitmq.topology import DELIVERY_LIMIT
from order_aggregator.domain.errors import BrokerUnavailable

QUEUE_ARGUMENTS = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 20,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": "order_queue.dead",
}


def declare_by_hand(url: str) -> None:
    # The broker refuses this unless everything is equal to what exists.
    with channel_to(url) as channel:
        channel.queue_declare("order_queue", durable=True, arguments=QUEUE_ARGUMENTS)
        channel.queue_declare(
            "order_queue.dead", durable=True, arguments={"x-queue-type": "quorum"}
        )


def test_publisher_declares_durable_quorum_queues(fresh_broker_url: str) -> None:
    bus = RabbitMessageBus(fresh_broker_url)
    bus.ping()
    bus.close()
    assert depth(fresh_broker_url, "order_queue") == 0
    declare_by_hand(fresh_broker_url)


def test_consumer_declares_the_same(fresh_broker_url: str) -> None:
    bus = RabbitMessageBus(fresh_broker_url)
    with bus.consume() as consumer:
        consumer.receive(1, 1)
    assert depth(fresh_broker_url, "order_queue") == 0
    declare_by_hand(fresh_broker_url)


def test_existing_queues_and_what_is_in_them_stay(fresh_broker_url: str) -> None:
    declare_by_hand(fresh_broker_url)
    for number in range(3):
        bus = RabbitMessageBus(fresh_broker_url)
        assert bus.publish([b"%d" % number]) == [True]
        bus.close()
    assert depth(fresh_broker_url, "order_queue") == 3


def test_another_queue_of_that_name_is_an_obstacle_that_is_named(fresh_broker_url: str) -> None:
    with channel_to(fresh_broker_url) as channel:
        channel.queue_declare("order_queue", durable=True)
    bus = RabbitMessageBus(fresh_broker_url)
    with pytest.raises(BrokerUnavailable, match=r"inequivalent arg 'x-.*order_queue'"):
        bus.publish([b"x"])
    bus.close()


def test_nothing_can_be_declared_differently_by_hand(fresh_broker_url: str) -> None:
    """The limit is explicit: it does not depend on the broker's version."""
    bus = RabbitMessageBus(fresh_broker_url)
    bus.ping()
    bus.close()
    arguments = {**QUEUE_ARGUMENTS, "x-delivery-limit": DELIVERY_LIMIT + 1}
    with channel_to(fresh_broker_url) as channel, pytest.raises(pika.exceptions.ChannelClosed):
        channel.queue_declare("order_queue", durable=True, arguments=arguments)

"""Somebody who listens to events on a broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from amqp import channel_to, depth
from service import eventually

QUEUE = "listener"


def bind(channel: BlockingChannel, exchange: str, pattern: str = "#", queue: str = QUEUE) -> None:
    """Keep the events of these types in a durable queue from now on."""
    channel.exchange_declare(exchange, "topic", durable=True)
    channel.queue_declare(queue, durable=True)
    channel.queue_bind(queue, exchange, pattern)


@contextmanager
def listening(url: str, exchange: str, pattern: str = "#", queue: str = QUEUE) -> Iterator[None]:
    """Have a queue of these events meanwhile."""
    with channel_to(url) as channel:
        bind(channel, exchange, pattern, queue)
    try:
        yield
    finally:
        with channel_to(url) as channel:
            channel.queue_delete(queue)
            channel.exchange_delete(exchange)


def messages(url: str, queue: str = QUEUE) -> list[tuple[str, pika.BasicProperties, bytes]]:
    """What has come in so far, taken away: routing key, properties and body."""
    found: list[tuple[str, pika.BasicProperties, bytes]] = []
    with channel_to(url) as channel:
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None or properties is None or body is None:
                return found
            found.append((str(method.routing_key), properties, body))


def heard(url: str, count: int, queue: str = QUEUE) -> list[dict[str, Any]]:
    """So many CloudEvents, and no more, taken away."""
    eventually(lambda: depth(url, queue) >= count, what=f"{count} events")
    return [json.loads(body) for _key, _properties, body in messages(url, queue)]

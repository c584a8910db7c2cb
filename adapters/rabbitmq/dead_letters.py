"""The parked messages on the broker: looked at, replayed and discarded, one caller at a time."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import attrs
from pika import BasicProperties, BlockingConnection
from pika.adapters.blocking_connection import BlockingChannel
from pika.connection import Parameters
from pika.exceptions import AMQPError, ChannelClosedByBroker

from ...domain.errors import BrokerUnavailable
from ...domain.ports.message_bus import DeadLetter
from . import topology
from .link import describe
from .publisher import new_properties

# Messages that a look takes at most: until it ends, the broker keeps them for it.
MAX_LOOKED_AT = 10_000
# Seconds to wait for another look to end, and between attempts to begin.
LOCK_TIMEOUT = 10.0
LOCK_EVERY = 0.1
RESOURCE_LOCKED = 405
# RabbitMQ 4 drops what was returned 20 times to a queue for which nothing else is said. So a
# message that was returned this often is replaced by a copy, at the end of the queue.
MAX_RETURNS = 10
RETURNS = "x-delivery-count"
REASONS = {
    "rejected": "given up by a worker: its log says why",
    "delivery_limit": "delivered too often",
}


@attrs.frozen(kw_only=True)
class _Parked:
    """A message of the parking queue, in our hands until the look ends."""

    tag: int
    properties: BasicProperties
    letter: DeadLetter

    @property
    def is_worn(self) -> bool:
        """Whether it must not be returned again."""
        return int((self.properties.headers or {}).get(RETURNS, 0)) >= MAX_RETURNS


class RabbitDeadLetters:
    """Each call has a connection of its own, and takes messages from the head of the queue.

    What is not settled goes back to its place at the end, or when the connection is lost.
    """

    def __init__(self, parameters: Parameters, queue: str) -> None:
        self._parameters = parameters
        self._queue = queue
        self._parking = topology.parking_queue(queue)

    def listing(self, limit: int, after: str | None = None) -> list[DeadLetter]:
        """All up to the last that is asked for are taken, and returned."""
        taken: list[DeadLetter] = []
        start = None if after else 0
        with self._look() as look:
            for each in look:
                if start is not None and len(taken) - start >= limit:
                    break
                taken.append(each.letter)
                if each.letter.id == after:
                    start = len(taken)
        return taken[start or 0 :][:limit]

    def find(self, ids: Collection[str]) -> list[DeadLetter]:
        """Until all are found."""
        with self._look() as look:
            return [each.letter for each in look.find(ids)]

    def replay(self, ids: Collection[str]) -> list[DeadLetter]:
        """Each is published, and acknowledged once the broker has confirmed that."""
        with self._look() as look:
            found = []
            for each in look.find(ids):
                look.publish(self._queue, each.letter.body, new_properties())
                look.settle(each)
                found.append(each.letter)
            return found

    def discard(self, ids: Collection[str]) -> list[DeadLetter]:
        """Acknowledge them."""
        with self._look() as look:
            found = []
            for each in look.find(ids):
                look.settle(each)
                found.append(each.letter)
            return found

    @contextmanager
    def _look(self) -> Iterator[_Look]:
        try:
            connection = BlockingConnection(self._parameters)
            try:
                channel = self._locked(connection)
                for name, arguments in (
                    (self._parking, topology.PARKING_ARGUMENTS),
                    (self._queue, topology.queue_arguments(self._parking)),
                ):
                    channel.queue_declare(name, durable=True, arguments=dict(arguments))
                channel.confirm_delivery()
                look = _Look(channel, self._parking)
                yield look
                look.close()
            finally:
                if connection.is_open:
                    connection.close()
        except (AMQPError, OSError) as error:
            raise BrokerUnavailable(describe(error)) from error

    def _locked(self, connection: BlockingConnection) -> BlockingChannel:
        """A channel, once nobody else looks: he would have what we look for in his hands.

        The lock is a queue that only its connection may use, and that goes with it.
        """
        end = time.monotonic() + LOCK_TIMEOUT
        while True:
            channel = connection.channel()
            try:
                channel.queue_declare(f"{self._parking}.lock", exclusive=True)
            except ChannelClosedByBroker as error:
                if error.reply_code != RESOURCE_LOCKED or time.monotonic() > end:
                    raise
            else:
                return channel
            connection.sleep(LOCK_EVERY)


class _Look:
    """Takes messages, oldest first."""

    def __init__(self, channel: BlockingChannel, parking: str) -> None:
        self._channel = channel
        self._parking = parking
        self._taken: dict[int, _Parked] = {}
        # How often each id came: what others published may have none, and be the same twice.
        self._ids: Counter[str] = Counter()

    def __iter__(self) -> Iterator[_Parked]:
        for _ in range(MAX_LOOKED_AT):
            method, properties, body = self._channel.basic_get(self._parking)
            if method is None or properties is None or body is None:
                return
            key = properties.message_id or _digest(properties, body)
            self._ids[key] += 1
            count = self._ids[key]
            letter = _letter(key if count == 1 else f"{key}-{count}", properties, body)
            parked = _Parked(tag=method.delivery_tag, properties=properties, letter=letter)
            self._taken[parked.tag] = parked
            yield parked

    def find(self, ids: Collection[str]) -> list[_Parked]:
        """Those with these ids."""
        wanted = set(ids)
        found = []
        if wanted:
            for each in self:
                if each.letter.id in wanted:
                    wanted.remove(each.letter.id)
                    found.append(each)
                if not wanted:
                    break
        return found

    def publish(self, queue: str, body: bytes, properties: BasicProperties) -> None:
        """Returns once the broker has confirmed it; raises AMQPError."""
        self._channel.basic_publish("", queue, body, properties, mandatory=True)

    def settle(self, parked: _Parked) -> None:
        """Remove it from the parked ones."""
        self._channel.basic_ack(parked.tag)
        del self._taken[parked.tag]

    def close(self) -> None:
        """Return what was not settled."""
        for each in [each for each in self._taken.values() if each.is_worn]:
            self._replace(each)
        if self._taken:
            self._channel.basic_nack(multiple=True, requeue=True)
        self._channel.close()

    def _replace(self, parked: _Parked) -> None:
        properties = parked.properties
        headers = dict(properties.headers or {})
        del headers[RETURNS]
        properties.headers = headers
        properties.message_id = properties.message_id or parked.letter.id
        self.publish(self._parking, parked.letter.body, properties)
        self.settle(parked)


def _letter(key: str, properties: BasicProperties, body: bytes) -> DeadLetter:
    death = _death(properties)
    reason, time_ = str(death.get("reason") or "unknown"), death.get("time")
    if isinstance(time_, datetime) and time_.tzinfo is None:
        time_ = time_.replace(tzinfo=UTC)
    return DeadLetter(
        id=key,
        body=body,
        reason=REASONS.get(reason, reason),
        attempts=None,
        parked_at=time_ if isinstance(time_, datetime) else None,
    )


def _death(properties: BasicProperties) -> Mapping[str, Any]:
    """What the broker noted when it moved the message here."""
    deaths = (properties.headers or {}).get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else None
    return first if isinstance(first, dict) else {}


def _digest(properties: BasicProperties, body: bytes) -> str:
    """The same each time for the same message, whatever becomes of its place."""
    death = sorted((name, str(value)) for name, value in _death(properties).items())
    return hashlib.sha256(repr(death).encode() + body).hexdigest()[:32]

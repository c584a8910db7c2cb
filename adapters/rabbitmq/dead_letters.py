"""The parked messages on the broker: looked at, replayed and discarded, one caller at a time."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime
from itertools import compress, islice
from typing import Any, cast

import attrs
from pika import BasicProperties, BlockingConnection
from pika.adapters.blocking_connection import BlockingChannel
from pika.connection import Parameters
from pika.exceptions import AMQPError, ChannelClosedByBroker

from ...domain.errors import BrokerUnavailable
from ...domain.ports.message_bus import DeadLetter
from . import topology
from .link import describe

# Messages that a look takes at most: until it ends, the broker keeps them for it.
MAX_LOOKED_AT = 10_000
# Seconds to wait for another look to end, and between attempts to begin.
LOCK_TIMEOUT = 10.0
LOCK_EVERY = 0.1
# Seconds in which the next message comes, if there is one.
ARRIVAL_TIMEOUT = 2.0
RESOURCE_LOCKED = 405
# RabbitMQ 4 drops what was returned 20 times to a queue for which nothing else is said. So
# messages of which one was returned this often are replaced by copies.
MAX_RETURNS = 10
RETURNS = "x-delivery-count"
REASONS = {
    "rejected": "given up by a worker: its log says why",
    "delivery_limit": "delivered too often",
}  # Seconds until the broker has back what is returned, at most; and between looks whether it has.
RETURN_TIMEOUT = 10.0
RETURN_EVERY = 0.01

Publish = Callable[[Sequence[bytes]], Sequence[bool]]


@attrs.frozen(kw_only=True)
class _Parked:
    """A message of the parking queue, in our hands until the look ends."""

    tag: int
    properties: BasicProperties
    letter: DeadLetter

    @property
    def is_worn(self) -> bool:
        """Whether it must not be returned again."""
        returns = (self.properties.headers or {}).get(RETURNS)
        return isinstance(returns, int) and returns >= MAX_RETURNS


class RabbitDeadLetters:
    """Each call has a connection of its own, and takes the messages from their queue.

    What is not settled goes back at the end, or when the connection is lost.
    """

    def __init__(self, parameters: Parameters, queue: str, publish: Publish) -> None:
        self._parameters = parameters
        self._publish = publish
        self._parking = topology.parking_queue(queue)

    def listing(self, limit: int, after: str | None = None) -> list[DeadLetter]:
        """From one look; where `after` is gone, the first."""
        with self._look() as look:
            letters = [each.letter for each in look.parked]
        ids = [letter.id for letter in letters]
        start = ids.index(after) + 1 if after in ids else 0
        return letters[start : start + limit]

    def find(self, ids: Collection[str]) -> list[DeadLetter]:
        """From one look."""
        with self._look() as look:
            return [each.letter for each in look.parked if each.letter.id in ids]

    def replay(self, ids: Collection[str]) -> list[DeadLetter]:
        """Each is published, and taken from the parked ones once the broker has confirmed that."""
        with self._look() as look:
            found = [each for each in look.parked if each.letter.id in ids]
            confirmed = self._publish([each.letter.body for each in found])
            for each in compress(found, confirmed):
                look.settle(each)
        if not all(confirmed):
            raise BrokerUnavailable("the broker did not confirm all that was replayed")
        return [each.letter for each in found]

    def discard(self, ids: Collection[str]) -> list[DeadLetter]:
        """Acknowledge them."""
        with self._look() as look:
            found = [each for each in look.parked if each.letter.id in ids]
            for each in found:
                look.settle(each)
        return [each.letter for each in found]

    @contextmanager
    def _look(self) -> Iterator[_Look]:
        try:
            connection = BlockingConnection(self._parameters)
            try:
                channel = self._locked(connection)
                arguments = dict(topology.PARKING_ARGUMENTS)
                channel.queue_declare(self._parking, durable=True, arguments=arguments)
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
    """All parked messages at a time, or as many as may be.

    A quorum queue delivers what was returned first, in the order in which it was returned: after a
    part of them was taken and returned, the others would come before.
    """

    def __init__(self, channel: BlockingChannel, parking: str) -> None:
        self._channel = channel
        self._parking = parking
        self.parked = list(islice(self._take(), min(self._there(), MAX_LOOKED_AT)))
        if self.parked:
            channel.cancel()
        self._unsettled = {each.tag: each for each in self.parked}

    def _take(self) -> Iterator[_Parked]:
        # What others published may have no id, and be the same twice.
        times: Counter[str] = Counter()
        self._channel.basic_qos(prefetch_count=MAX_LOOKED_AT)
        for method, properties, body in self._channel.consume(
            self._parking, inactivity_timeout=ARRIVAL_TIMEOUT
        ):
            if method is None or properties is None or body is None:
                return
            key = properties.message_id or _digest(properties, body)
            times[key] += 1
            name = key if times[key] == 1 else f"{key}-{times[key]}"
            letter = _letter(name, properties, body)
            yield _Parked(
                tag=cast("int", method.delivery_tag), properties=properties, letter=letter
            )

    def settle(self, parked: _Parked) -> None:
        """Remove it from the parked ones."""
        self._channel.basic_ack(parked.tag)
        del self._unsettled[parked.tag]

    def close(self) -> None:
        """Return what was not settled."""
        count = len(self._unsettled)
        if any(each.is_worn for each in self._unsettled.values()):
            # All, so that they keep their order.
            self._replace(list(self._unsettled.values()))
        elif self._unsettled:
            self._channel.basic_nack(multiple=True, requeue=True)
        # The next look is to find them all.
        end = time.monotonic() + RETURN_TIMEOUT
        while self._there() < count and time.monotonic() < end:
            self._channel.connection.sleep(RETURN_EVERY)
        self._channel.close()

    def _there(self) -> int:
        declared = self._channel.queue_declare(self._parking, passive=True)
        return int(declared.method.message_count)

    def _replace(self, worn: Sequence[_Parked]) -> None:
        """The copies are durable before the originals are removed."""
        self._channel.tx_select()
        for each in worn:
            body = each.letter.body
            self._channel.basic_publish("", self._parking, body, _renewed(each))
        self._channel.tx_commit()
        for each in worn:
            self.settle(each)
        self._channel.tx_commit()


def _renewed(parked: _Parked) -> BasicProperties:
    """What a copy has: the same, but that it was never returned."""
    headers = dict(parked.properties.headers or {})
    headers.pop(RETURNS, None)
    properties = copy(parked.properties)
    properties.headers = headers
    properties.message_id = parked.properties.message_id or parked.letter.id
    return properties


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

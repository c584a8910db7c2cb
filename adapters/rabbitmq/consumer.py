"""Receives messages into memory, and settles them with the broker."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from threading import Condition
from types import TracebackType
from typing import NamedTuple, Self

from pika.connection import Parameters

from ...domain.ports.message_bus import Delivery
from . import topology
from .link import ReconnectingConnection
from .session import Session
from .subscription import Subscription


class _Handle(NamedTuple):
    """A delivery to the broker: the tag means nothing outside its subscription."""

    subscription: Subscription
    tag: int


class RabbitConsumer:
    """Consumer of a queue. A lost connection heals by itself; meanwhile nothing is received."""

    def __init__(self, parameters: Parameters, queue: str, prefetch: int) -> None:
        self._queue = queue
        self._prefetch = prefetch
        self._inbox = _Inbox()
        self._link = ReconnectingConnection(
            parameters, partial(topology.declare, queue), "consume", self._subscribe
        )

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Take from what has arrived in memory."""
        return self._inbox.take(limit, timeout)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Have them acknowledged, soon."""
        for subscription, tags in _by_subscription(deliveries):
            subscription.session.call(partial(subscription.acknowledge, tags))

    def retry(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """Hold the messages back for `delay` seconds, then return them; the broker counts that."""
        for subscription, tags in _by_subscription(deliveries):
            subscription.session.call(partial(subscription.hold, tags, delay))

    def park(self, reasons: Sequence[tuple[Delivery, str]]) -> None:
        """Have the broker move the messages to the parking queue, each in one step.

        The reason would take a second one, a new message, which could be lost or doubled.
        """
        for subscription, tags in _by_subscription(delivery for delivery, _reason in reasons):
            subscription.session.call(partial(subscription.reject, tags, requeue=False))

    def __enter__(self) -> Self:
        self._link.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._link.close()

    def _subscribe(self, session: Session) -> Subscription:
        def arrived(body: bytes, attempt: int, tag: int) -> None:
            handle = _Handle(subscription, tag)
            self._inbox.put(Delivery(body=body, attempt=attempt, tag=handle))

        subscription = Subscription(
            session, self._queue, self._prefetch, arrived, lost=self._inbox.clear
        )
        return subscription


def _by_subscription(deliveries: Iterable[Delivery]) -> Iterable[tuple[Subscription, set[int]]]:
    """The tags of the deliveries, which may have come by several connections."""
    tags: dict[Subscription, set[int]] = {}
    for delivery in deliveries:
        if not isinstance(delivery.tag, _Handle):
            raise TypeError("this delivery is not from RabbitMQ")
        tags.setdefault(delivery.tag.subscription, set()).add(delivery.tag.tag)
    return tags.items()


class _Inbox:
    """What has arrived and waits to be received."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._deliveries: deque[Delivery] = deque()

    def put(self, delivery: Delivery) -> None:
        """Add a delivery."""
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify()

    def take(self, limit: int, timeout: float) -> list[Delivery]:
        """Wait for the first delivery, then take up to `limit`."""
        with self._changed:
            self._changed.wait_for(lambda: self._deliveries, timeout)
            count = min(limit, len(self._deliveries))
            return [self._deliveries.popleft() for _ in range(count)]

    def clear(self) -> None:
        """Forget all: the broker delivers it again."""
        with self._changed:
            self._deliveries.clear()

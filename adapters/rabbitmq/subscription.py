"""The deliveries of one session, from their arrival until they are settled."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import takewhile
from typing import Protocol, cast

from pika import BasicProperties
from pika.channel import Channel
from pika.exceptions import AMQPChannelError
from pika.spec import Basic

from .session import Callback, Session

# How often a message was returned to a quorum queue. RabbitMQ 4.3 counts in the first only what was
# rejected or left by a dead consumer, and in the second everything; earlier versions have only the
# first, for everything. Neither is there on the first delivery.
RETURN_COUNTS = ("x-delivery-count", "x-acquired-count")


# Seconds between returns of messages that were held long enough, where they are many.
RETURN_EVERY = 0.05


class Arrived(Protocol):
    """Where deliveries go."""

    def __call__(self, body: bytes, attempt: int, tag: int) -> None:
        """Take in a delivery."""


class Subscription:
    """Only the thread that serves the session calls it."""

    def __init__(
        self, session: Session, queue: str, prefetch: int, arrived: Arrived, lost: Callback
    ) -> None:
        self.session = session
        self.lost = lost
        self._queue = queue
        self._prefetch = prefetch
        self._arrived = arrived
        # Delivery tags, in ascending order.
        self._unsettled: dict[int, None] = {}
        self._held: set[int] = set()
        # Those of them that were held long enough, in the order in which they are to be returned.
        self._due: deque[int] = deque()
        # Came again, and were neither settled nor held since.
        self._returned: set[int] = set()
        self._consumers: list[str] = []

    def begin(self, ready: Callback) -> None:
        """Start consuming."""
        channel = self.session.channel
        channel.add_on_cancel_callback(lambda _frame: self._cancelled())
        channel.basic_qos(prefetch_count=self._prefetch)
        self._consume(ready)

    def acknowledge(self, tags: set[int]) -> None:
        """Acknowledge, at one stroke what is oldest."""
        if not self.session.is_open:
            return
        oldest = self._oldest(tags)
        if oldest:
            self.session.channel.basic_ack(oldest[-1], multiple=True)
        for tag in tags.intersection(self._unsettled).difference(oldest):
            self.session.channel.basic_ack(tag)
        self._forget(tags)

    def reject(self, tags: set[int], requeue: bool) -> None:
        """Give messages back to their queue, or have them moved to the parking queue.

        `basic.reject`, as from RabbitMQ 4.3 on `basic.nack` does not count towards the limit.
        """
        if self.session.is_open:
            for tag in sorted(tags.intersection(self._unsettled)):
                self.session.channel.basic_reject(tag, requeue=requeue)
            self._forget(tags)

    def hold(self, tags: set[int], delay: float) -> None:
        """Give messages back to their queue after `delay` seconds."""
        if self.session.is_open:
            self._held.update(tags.intersection(self._unsettled))
            self._returned.difference_update(tags)
            self._adjust_consumers()
            self.session.call_later(delay, partial(self._held_long_enough, sorted(tags)))

    def finish(self) -> None:
        """Stop consuming and give everything back; only what was held back counts as a failure."""
        channel = self.session.channel
        for consumer in self._consumers:
            channel.basic_cancel(consumer)
        for tag in sorted(self._held):
            channel.basic_reject(tag, requeue=True)
        channel.basic_nack(multiple=True, requeue=True)

    def _consume(self, ready: Callback) -> None:
        consumer = self.session.channel.basic_consume(
            self._queue, self._deliver, callback=lambda _frame: ready()
        )
        self._consumers.append(consumer)

    def _deliver(
        self, _channel: Channel, deliver: Basic.Deliver, properties: BasicProperties, body: bytes
    ) -> None:
        tag = cast("int", deliver.delivery_tag)
        attempt = _attempt(properties)
        self._unsettled[tag] = None
        if attempt > 1:
            self._returned.add(tag)
        self._arrived(body, attempt=attempt, tag=tag)

    def _oldest(self, tags: set[int]) -> list[int]:
        return list(takewhile(tags.__contains__, self._unsettled))

    def _forget(self, tags: Iterable[int]) -> None:
        for tag in tags:
            self._unsettled.pop(tag, None)
        self._held.difference_update(tags)
        self._returned.difference_update(tags)
        self._adjust_consumers()

    def _held_long_enough(self, tags: Sequence[int]) -> None:
        returning = bool(self._due)
        self._due.extend(tags)
        if not returning:
            self._return_some()

    def _return_some(self) -> None:
        """Return what is due, until half a prefetch of returned messages waits to be handled.

        The broker delivers them before all others, so that these would wait for every one of them.
        """
        room = max(1, self._prefetch // 2) - len(self._returned)
        count = min(max(0, room), len(self._due))
        self.reject({self._due.popleft() for _ in range(count)}, requeue=True)
        if self._due:
            self.session.call_later(RETURN_EVERY, self._return_some)

    def _adjust_consumers(self) -> None:
        """Keep half a prefetch free of messages that are held back: others must not wait for them.

        The prefetch of a consumer is fixed once it has started, so more room is one more consumer.
        """
        while 2 * len(self._held) > (2 * len(self._consumers) - 1) * self._prefetch:
            self._consume(ready=lambda: None)
        while not self._held and len(self._consumers) > 1:
            self.session.channel.basic_cancel(self._consumers.pop())

    def _cancelled(self) -> None:
        self.session.fail(AMQPChannelError("the broker cancelled the consumer"))


def _attempt(properties: BasicProperties) -> int:
    headers = properties.headers or {}
    counts = [headers.get(name) for name in RETURN_COUNTS]
    return 1 + max((count for count in counts if isinstance(count, int)), default=0)

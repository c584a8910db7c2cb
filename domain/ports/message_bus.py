"""How accepted orders reach the workers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import attrs


@attrs.frozen(kw_only=True)
class Delivery:
    """A message in a consumer's hands, until it acknowledges, retries or parks it."""

    body: bytes
    # 1 on first delivery; counts every return to the queue, a dead consumer's included.
    attempt: int
    # The adapter's own handle on the delivery.
    tag: object = attrs.field(repr=False)


class Consumer(Protocol):
    """One reader of the queue. Several threads may call it; each delivery is settled by one.

    Delivery is at least once, oldest first as long as nothing is returned. However many are
    retried, a message that is not waits for a few hundred of them at most. Settling a delivery that
    the bus has meanwhile taken back (connection lost, lease run out) changes nothing: the message
    is delivered again. Any call may raise Unavailable.
    """

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Wait up to `timeout` seconds for a message, then return up to `limit` that are there."""

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These are done: they never come again."""

    def retry(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """Return the messages to the queue, to be delivered again after `delay` seconds or more.

        It returns at once; other messages do not wait meanwhile.
        """

    def park(self, reasons: Sequence[tuple[Delivery, str]]) -> None:
        """Put the messages aside, each for its reason: they are kept, and nobody consumes them."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop consuming; unsettled messages go back to the queue."""


@attrs.frozen(kw_only=True)
class DeadLetter:
    """A message that was parked."""

    # Names it for as long as it is parked.
    id: str
    body: bytes
    # As much as the bus has kept of it.
    reason: str
    # How often it was delivered; None where the bus does not know.
    attempts: int | None
    parked_at: datetime | None


@attrs.frozen(kw_only=True)
class QueueDepth:
    """How many messages there are in the queue, and how many are parked."""

    # A bus may leave out those that consumers hold.
    waiting: int
    parked: int
    # None where the bus does not know.
    consumers: int | None


class DeadLetters(Protocol):
    """The parked messages, for an operator, oldest first. Thread-safe.

    Unknown ids are passed over. A bus may look at no more than the 10,000 oldest messages. Any call
    may raise Unavailable; a part may be done then.
    """

    def dead_letters(self, limit: int, after: str | None = None) -> list[DeadLetter]:
        """Up to `limit` of them: the first ones, or those that follow the id `after`.

        Where that one is not parked any more, a bus may begin at the first again.
        """

    def find_dead_letters(self, ids: Collection[str]) -> list[DeadLetter]:
        """Those with these ids."""

    def replay(self, ids: Collection[str]) -> list[DeadLetter]:
        """Return them to the queue as new messages, at their first attempt; returns those found.

        At least once: after a crash a message may be both in the queue and parked, and replaying it
        again delivers it twice, which consumers have to bear anyway.
        """

    def discard(self, ids: Collection[str]) -> list[DeadLetter]:
        """Delete them for good; returns those found."""


class MessageBus(DeadLetters, Protocol):
    """A durable queue with many publishers and many competing consumers. Thread-safe."""

    def publish(self, bodies: Sequence[bytes]) -> list[bool]:
        """Send messages; True for each that the bus has confirmed to have made durable.

        False means unknown: sending it again may deliver it twice. Raises BrokerUnavailable when
        nothing could be sent.
        """

    def consume(self) -> Consumer:
        """A new consumer, to be used as a context manager."""

    def depth(self) -> QueueDepth:
        """How much there is in the queue; nothing where it is not declared yet.

        Raises Unavailable.
        """

    def ping(self) -> None:
        """Return if the bus can be reached; else raise Unavailable."""

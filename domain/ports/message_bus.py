"""How accepted orders reach the workers."""

from __future__ import annotations

from collections.abc import Sequence
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


class MessageBus(Protocol):
    """A durable queue with many publishers and many competing consumers. Thread-safe."""

    def publish(self, bodies: Sequence[bytes]) -> list[bool]:
        """Send messages; True for each that the bus has confirmed to have made durable.

        False means unknown: sending it again may deliver it twice. Raises BrokerUnavailable when
        nothing could be sent.
        """

    def consume(self) -> Consumer:
        """A new consumer, to be used as a context manager."""

    def ping(self) -> None:
        """Return if the bus can be reached; else raise Unavailable."""

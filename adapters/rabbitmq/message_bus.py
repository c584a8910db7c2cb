"""The message bus on RabbitMQ."""

from __future__ import annotations

from collections.abc import Sequence

from pika import URLParameters
from pika.connection import Parameters

from .consumer import RabbitConsumer
from .publisher import Publisher

# Messages in a consumer's memory at a time: enough for the next batch while one is at work.
PREFETCH = 500
# Seconds; a dead connection is noticed within 30. Heartbeats go on while the program is busy, as
# the I/O has a thread of its own.
HEARTBEAT = 10
# An alarm on the broker may last; connecting anew does not end it, but finds out if it has.
BLOCKED_TIMEOUT = 60.0
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


class RabbitMessageBus:
    """MessageBus on a durable, replicated queue. No I/O before the first use. Thread-safe."""

    def __init__(self, url: str, *, queue: str = "order_queue", prefetch: int = PREFETCH) -> None:
        self._parameters = _parameters(url)
        self._queue = queue
        self._prefetch = prefetch
        self._publisher = Publisher(self._parameters, queue)

    def publish(self, bodies: Sequence[bytes]) -> list[bool]:
        """Send all, then wait for confirmations: within 12 seconds, at the very worst."""
        return self._publisher.publish(bodies)

    def consume(self) -> RabbitConsumer:
        """A new consumer, with a connection of its own."""
        return RabbitConsumer(self._parameters, self._queue, self._prefetch)

    def ping(self) -> None:
        """Return if the broker is connected and takes messages; else BrokerUnavailable."""
        self._publisher.ping()

    def close(self) -> None:
        """Close the publishing connection; consumers close theirs."""
        self._publisher.close()


def _parameters(url: str) -> Parameters:
    """What the URL says, with our defaults for what its query leaves out."""
    parameters = URLParameters(url)
    if parameters.heartbeat is None:
        parameters.heartbeat = HEARTBEAT
    if parameters.blocked_connection_timeout is None:
        parameters.blocked_connection_timeout = BLOCKED_TIMEOUT
    if parameters.tcp_options is None:
        parameters.tcp_options = KEEPALIVE
    return parameters

"""The message bus on RabbitMQ."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from pika import BasicProperties, URLParameters
from pika.connection import Parameters

from ...domain.errors import InvalidValue
from ...domain.ports.message_bus import QueueDepth
from ..wire import is_traced, traces_of
from . import topology
from .consumer import RabbitConsumer
from .dead_letters import RabbitDeadLetters
from .depth import queue_depth
from .publisher import Message, Publisher, new_properties

FORM = (
    "must be amqp://<user>:<password>@<host>:<port>/<vhost> or amqps://…, percent-encoded, with a"
    " port from 1 to 65535 and no options but those of pika"
)
# Messages in a consumer's memory at a time: enough for the next batch while one is at work.
PREFETCH = 1_000
# Seconds. The broker takes back what a client holds that was silent for twice as long; pika looks
# every `HEARTBEAT + 5` seconds whether something came, so it notices within 22. Heartbeats go on
# while the program is busy, as the I/O has a thread of its own.
HEARTBEAT = 6
# An alarm on the broker may last; connecting anew does not end it, but finds out if it has.
BLOCKED_TIMEOUT = 60.0
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


class RabbitMessageBus:
    """MessageBus on a durable, replicated queue. Thread-safe.

    It connects when it is used. A URL that can never work raises InvalidValue, which does not show
    it, as it may hold a password.
    """

    def __init__(self, url: str, *, queue: str = "order_queue", prefetch: int = PREFETCH) -> None:
        self._parameters = connection_parameters(url)
        self._queue = queue
        self._prefetch = prefetch
        self._publisher = Publisher(self._parameters, partial(topology.declare, queue), "publish")
        dead_letters = RabbitDeadLetters(self._parameters, queue, self.publish)
        self.dead_letters = dead_letters.listing
        self.find_dead_letters = dead_letters.find
        self.replay = dead_letters.replay
        self.discard = dead_letters.discard

    def publish(self, bodies: Sequence[bytes]) -> list[bool]:
        """Send all, then wait for confirmations: within 12 seconds, at the very worst."""
        messages = [Message(self._queue, body, _properties(body)) for body in bodies]
        return self._publisher.publish(messages)

    def consume(self) -> RabbitConsumer:
        """A new consumer, with a connection of its own."""
        return RabbitConsumer(self._parameters, self._queue, self._prefetch)

    def depth(self) -> QueueDepth:
        """As the broker says it, on a connection of its own; without what consumers hold."""
        return queue_depth(self._parameters, self._queue)

    def ping(self) -> None:
        """Return if the broker is connected and takes messages; else BrokerUnavailable."""
        self._publisher.ping()

    def close(self) -> None:
        """Close the publishing connection; consumers close theirs."""
        self._publisher.close()


def _properties(body: bytes) -> BasicProperties:
    """With the header by which other programs know a trace, where all of a message has the same."""
    properties = new_properties()
    if is_traced(body):
        traces = set(traces_of([body]).values())
        if len(traces) == 1:
            properties.headers = {"traceparent": traces.pop()}
    return properties


def connection_parameters(url: str) -> Parameters:
    """What the URL says, with our defaults for what its query leaves out. Raises InvalidValue."""
    parameters = _read(url)
    if parameters.heartbeat is None:
        parameters.heartbeat = HEARTBEAT
    if parameters.blocked_connection_timeout is None:
        parameters.blocked_connection_timeout = BLOCKED_TIMEOUT
    if parameters.tcp_options is None:
        parameters.tcp_options = KEEPALIVE
    return parameters


def _read(url: str) -> Parameters:
    usable: object = False
    try:
        parameters: URLParameters | None = URLParameters(url)
        host = urlsplit(url).hostname or ""
        known = url.startswith(("amqp://", "amqps://"))
        usable = known and host.encode("idna") and parameters and parameters.port
    except OSError as error:
        problem = f"a file named in its ssl_options cannot be used: {error.strerror or error}"
        raise InvalidValue("broker_url", problem) from error
    except (ValueError, TypeError, AttributeError, SyntaxError):
        # Options are Python literals, of any type. What is raised may quote a part of a password.
        parameters = None
    # Raised here, so that what was raised before is not shown as its context.
    if parameters is None or not usable:
        raise InvalidValue("broker_url", FORM)
    return parameters

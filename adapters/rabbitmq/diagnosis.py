"""A look at the broker: whether it is as this adapter needs it."""

from __future__ import annotations

from collections.abc import Iterator

from pika import BlockingConnection
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from ...domain.errors import BrokerUnavailable
from ..system.diagnosis import Diagnosis, Verdict
from .message_bus import connection_parameters
from .topology import PARKING_ARGUMENTS, parking_queue, queue_arguments

# Reply codes of AMQP 0-9-1.
ACCESS_REFUSED = 403
NOT_FOUND = 404
SUBJECT = "queue"


def diagnose(url: str, queue: str = "order_queue") -> Iterator[Diagnosis]:
    """Changes nothing. BrokerUnavailable if nobody can connect."""
    parameters = connection_parameters(url)
    parameters.connection_attempts = 1
    parameters.socket_timeout = parameters.blocked_connection_timeout = 5
    try:
        connection = BlockingConnection(parameters)
    except (AMQPError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise BrokerUnavailable(f"cannot connect: {reason}") from error
    try:
        properties = connection._impl.server_properties or {}  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
        product, version = properties.get("product", "the broker"), properties.get("version", "?")
        yield Diagnosis(subject="broker", found=f"{product} {version} answers")
        parking = parking_queue(queue)
        yield _queue(connection, queue, dict(queue_arguments(parking)))
        yield _queue(connection, parking, dict(PARKING_ARGUMENTS))
    finally:
        connection.close()


def _queue(connection: BlockingConnection, name: str, arguments: dict[str, object]) -> Diagnosis:
    channel: BlockingChannel = connection.channel()
    try:
        waiting = channel.queue_declare(name, passive=True).method.message_count
        # Of one that is there already, this changes nothing.
        channel.queue_declare(name, durable=True, arguments=arguments)
    except ChannelClosedByBroker as error:
        return _refused(name, error)
    channel.close()
    return Diagnosis(subject=SUBJECT, found=f"{name} is there; messages in it: {waiting}")


def _refused(name: str, error: ChannelClosedByBroker) -> Diagnosis:
    if error.reply_code == NOT_FOUND:
        return Diagnosis(
            subject=SUBJECT,
            verdict=Verdict.WARN,
            found=f"{name} is not there yet",
            advice="the first worker or relay makes it",
        )
    advice = "delete it when it is empty: the next process makes it anew"
    if error.reply_code == ACCESS_REFUSED:
        advice = "give the user permission to configure, write and read in this vhost"
    return Diagnosis(
        subject=SUBJECT, verdict=Verdict.FAIL, found=f"{name}: {error.reply_text}", advice=advice
    )

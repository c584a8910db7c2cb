"""How much lies on the broker."""

from __future__ import annotations

from pika import BlockingConnection
from pika.connection import Parameters
from pika.exceptions import AMQPError, ChannelClosedByBroker

from ...domain.errors import BrokerUnavailable
from ...domain.ports.message_bus import QueueDepth
from . import topology
from .link import describe

NOT_FOUND = 404


def queue_depth(parameters: Parameters, queue: str) -> QueueDepth:
    """By declarations that only ask. Raises BrokerUnavailable."""
    try:
        with BlockingConnection(parameters) as connection:
            waiting, consumers = _look(connection, queue)
            parked, _ = _look(connection, topology.parking_queue(queue))
    except (AMQPError, OSError) as error:
        raise BrokerUnavailable(describe(error)) from error
    return QueueDepth(waiting=waiting, parked=parked, consumers=consumers)


def _look(connection: BlockingConnection, queue: str) -> tuple[int, int]:
    """Messages and consumers. A queue that is not there costs the channel."""
    try:
        answer = connection.channel().queue_declare(queue, passive=True).method
    except ChannelClosedByBroker as error:
        if error.reply_code != NOT_FOUND:
            raise
        return 0, 0
    return int(answer.message_count), int(answer.consumer_count)

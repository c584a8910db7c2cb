"""Events on a topic exchange."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

from pika import BasicProperties, DeliveryMode

from ...domain.errors import BrokerUnavailable
from ...domain.ports.event_log import EventBatch
from ..cloud_events import CONTENT_TYPE, cloud_events
from . import topology
from .message_bus import connection_parameters
from .publisher import Message, Publisher

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class RabbitEventPublisher:
    """EventPublisher on a durable topic exchange; the routing key is the event's type. Thread-safe.

    It connects when it is used. A URL that can never work raises InvalidValue, as it does for the
    message bus.
    """

    def __init__(self, url: str, exchange: str) -> None:
        # Not mandatory: an event that no queue is bound for is nobody's loss.
        self._publisher = Publisher(
            connection_parameters(url),
            partial(topology.declare_exchange, exchange),
            "events",
            exchange=exchange,
            mandatory=False,
        )

    def publish(self, batches: Sequence[EventBatch]) -> int:
        """Send all, then wait for confirmations: within 12 seconds, at the very worst."""
        answers = iter(self._publisher.publish(list(map(_message, cloud_events(batches)))))
        confirmed = 0
        for batch in batches:
            if not all(list(islice(answers, len(batch.events)))):
                break
            confirmed += 1
        if batches and not confirmed:
            raise BrokerUnavailable("the broker does not confirm events")
        return confirmed

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()


def _message(document: dict[str, Any]) -> Message:
    properties = BasicProperties(
        content_type=CONTENT_TYPE,
        message_id=document["id"],
        delivery_mode=DeliveryMode.Persistent,
    )
    return Message(document["type"], _encode(document).encode(), properties)

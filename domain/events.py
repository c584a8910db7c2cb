"""What the service announces, and its form on the wire."""

from __future__ import annotations

import json
from uuid import UUID

import attrs

from .errors import MalformedMessage

VERSION = 1


@attrs.frozen(kw_only=True)
class OrderAccepted:
    """An order is reserved and waits to be fulfilled."""

    order_id: UUID


def encode(event: OrderAccepted) -> bytes:
    """The event as the JSON message {"version", "order_id"}."""
    return b'{"version": %d, "order_id": "%s"}' % (VERSION, str(event.order_id).encode())


def decode(body: bytes) -> OrderAccepted:
    """The event in a message; raises MalformedMessage when it is not one we know."""
    try:
        message = json.loads(body.decode())
        version, order_id = message["version"], message["order_id"]
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise MalformedMessage("not a JSON object with version and order_id") from error
    if version != VERSION or isinstance(version, bool):
        raise MalformedMessage(f"unknown message version: {version!r}")
    try:
        return OrderAccepted(order_id=UUID(order_id))
    except (ValueError, AttributeError, TypeError) as error:
        raise MalformedMessage(f"order_id is not a UUID: {order_id!r}") from error

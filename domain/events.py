"""What the service announces, and its form on the wire."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

import attrs

from .batches import batches_of
from .errors import MalformedMessage

VERSION = 2
# Orders that one message announces, at most: the fewer, the better they spread over the workers.
# With so many, a message costs next to nothing for each.
TOGETHER = 20
# That we take from others.
MOST = 200


@attrs.frozen(kw_only=True)
class OrdersAccepted:
    """These orders are reserved and wait to be fulfilled."""

    order_ids: tuple[UUID, ...]


def encode(event: OrdersAccepted) -> bytes:
    """The event as the JSON message {"version", "order_ids"}."""
    order_ids = '", "'.join(map(str, event.order_ids))
    return f'{{"version": {VERSION}, "order_ids": ["{order_ids}"]}}'.encode()


def announce(order_ids: Sequence[UUID], together: int = TOGETHER) -> list[bytes]:
    """Messages for these orders, of so many each."""
    return [
        encode(OrdersAccepted(order_ids=tuple(batch))) for batch in batches_of(order_ids, together)
    ]


def decode(body: bytes) -> OrdersAccepted:
    """The event in a message; raises MalformedMessage when it is not one we know."""
    try:
        message = json.loads(body.decode())
        version, order_ids = message["version"], message["order_ids"]
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise MalformedMessage("not a JSON object with version and order_ids") from error
    if version != VERSION or isinstance(version, bool):
        raise MalformedMessage(f"unknown message version: {version!r:.100}")
    if not isinstance(order_ids, list) or not 1 <= len(order_ids) <= MOST:
        raise MalformedMessage(f"order_ids is not a list of 1 to {MOST} UUIDs")
    try:
        return OrdersAccepted(order_ids=tuple(dict.fromkeys(map(UUID, order_ids))))
    except (ValueError, AttributeError, TypeError) as error:
        raise MalformedMessage(f"order_ids has what is no UUID: {error}") from error

"""The message that announces accepted orders: its form in the outbox and in the queue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

from ..domain.batches import batches_of
from ..domain.errors import MalformedMessage

VERSION = 2
# Orders that a message of ours announces, at most. For a broker a message costs as much as an order
# costs elsewhere; the fewer orders it has, the better they spread over the workers.
ORDERS_PER_MESSAGE = 20
# Orders that a message may announce to be understood.
MAX_ORDERS = 200


def encode(order_ids: Sequence[UUID]) -> bytes:
    """These orders as the JSON message {"version", "order_ids"}."""
    joined = '", "'.join(map(str, order_ids))
    return f'{{"version": {VERSION}, "order_ids": ["{joined}"]}}'.encode()


def encode_batches(order_ids: Sequence[UUID], size: int = ORDERS_PER_MESSAGE) -> list[bytes]:
    """Messages that announce these orders, `size` at a time."""
    return [encode(batch) for batch in batches_of(order_ids, size)]


def decode(body: bytes) -> tuple[UUID, ...]:
    """The orders that a message announces, each once. Raises MalformedMessage."""
    try:
        message = json.loads(body.decode())
        version, order_ids = message["version"], message["order_ids"]
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise MalformedMessage("not a JSON object with version and order_ids") from error
    if version != VERSION or isinstance(version, bool):
        raise MalformedMessage(f"unknown message version: {version!r:.100}")
    if not isinstance(order_ids, list) or not 1 <= len(order_ids) <= MAX_ORDERS:
        raise MalformedMessage(f"order_ids is not a list of 1 to {MAX_ORDERS} UUIDs")
    try:
        return tuple(dict.fromkeys(map(UUID, order_ids)))
    except (ValueError, AttributeError, TypeError) as error:
        raise MalformedMessage(f"order_ids has an item that is not a UUID: {error}") from error

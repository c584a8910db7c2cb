"""Orders and messages in JSON, alike over HTTP and on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..adapters.wire import decode
from ..domain.errors import MalformedMessage
from ..domain.order import Order, OrderLine
from ..domain.ports.message_bus import DeadLetter
from ..domain.values import timestamp_text


def order_document(order: Order) -> dict[str, Any]:
    """The order as `OrderSchema` has it, at a tenth of what marshmallow takes for it."""
    allocations: dict[str, list[dict[str, Any]]] = {}
    for part in order.allocations:
        item = {
            "vendor_id": part.vendor_id,
            "quantity": part.quantity,
            "sequence": part.sequence,
            "returned": part.returned,
        }
        allocations.setdefault(part.product_id, []).append(item)
    return {
        "id": str(order.id),
        "status": order.status.value,
        "lines": [_line_document(line, allocations) for line in order.lines],
        "failure": order.failure,
        "reference": order.reference,
        "expires_at": None if order.expires_at is None else timestamp_text(order.expires_at),
        "rest_id": None if order.rest_id is None else str(order.rest_id),
        "created_at": timestamp_text(order.created_at),
        "updated_at": timestamp_text(order.updated_at),
    }


def order_text(order: Order) -> str:
    """`order_document` as JSON."""
    return json.dumps(order_document(order))


def _line_document(
    line: OrderLine, allocations: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    document = {
        "product_id": line.product_id,
        "quantity": line.quantity,
        "cancelled": line.cancelled,
        "backordered": line.backordered,
        "allocations": allocations.get(line.product_id, []),
    }
    if line.expected_at is not None:
        document["expected_at"] = timestamp_text(line.expected_at)
    return document


def dead_letter_document(letter: DeadLetter) -> dict[str, Any]:
    """The message as `DeadLetterSchema` has it."""
    return {
        "id": letter.id,
        "order_ids": order_ids(letter),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "parked_at": None if letter.parked_at is None else timestamp_text(letter.parked_at),
        "body": letter.body.decode(errors="backslashreplace"),
    }


def order_ids(letter: DeadLetter) -> list[str]:
    """The orders that it announces; none if it cannot be read."""
    try:
        return [str(order_id) for order_id in decode(letter.body)]
    except MalformedMessage:
        return []


def dead_letter_text(letter: DeadLetter) -> str:
    """`dead_letter_document` as JSON."""
    return json.dumps(dead_letter_document(letter))

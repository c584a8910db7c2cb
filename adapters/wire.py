"""The message that announces accepted orders: its form in the outbox and in the queue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from ..domain.batches import batches_of
from ..domain.errors import MalformedMessage

VERSION = 2
# Orders that a message of ours announces, at most. For a broker a message costs as much as an order
# costs elsewhere; the fewer orders it has, the better they spread over the workers.
ORDERS_PER_MESSAGE = 20
# Orders that a message may announce to be understood.
MAX_ORDERS = 200
_TRACES = b'"traces"'


def encode(order_ids: Sequence[UUID], traces: Mapping[UUID, str] | None = None) -> bytes:
    """These orders as the JSON message {"version", "order_ids"}.

    Those that are traced are in its member `traces`, each with its W3C traceparent: they come of
    many requests, so no header of the message could say it.
    """
    if traces:
        named = {str(key): traces[key] for key in order_ids if key in traces}
        ids = [str(key) for key in order_ids]
        return json.dumps({"version": VERSION, "order_ids": ids, "traces": named}).encode()
    joined = '", "'.join(map(str, order_ids))
    return f'{{"version": {VERSION}, "order_ids": ["{joined}"]}}'.encode()


def encode_batches(
    order_ids: Sequence[UUID],
    size: int = ORDERS_PER_MESSAGE,
    traces: Mapping[UUID, str] | None = None,
) -> list[bytes]:
    """Messages that announce these orders, `size` at a time."""
    return [encode(batch, traces) for batch in batches_of(order_ids, size)]


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


def is_traced(body: bytes) -> bool:
    """Whether a message may have a trace: at a glance, as most have none."""
    return _TRACES in body


def traces_of(bodies: Iterable[bytes]) -> dict[UUID, str]:
    """The orders of messages that are traced, each with its traceparent."""
    traced = filter(is_traced, bodies)
    return {key: trace for body in traced for key, trace in _traces(body).items()}


def _traces(body: bytes) -> dict[UUID, str]:
    try:
        traces = json.loads(body).get("traces", {})
        return {UUID(key): trace for key, trace in traces.items() if isinstance(trace, str)}
    except (ValueError, RecursionError, AttributeError):
        return {}

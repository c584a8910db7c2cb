"""What happened, as others are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from .order import Allocation, Order
from .stock import CentralStock, StockDelta
from .values import timestamp_text

STOCK_LOW = "stock.low"
STOCK_OUT = "stock.out"
STOCK_BACK = "stock.back"
VENDOR_STALE = "vendor.stale"
VENDOR_QUARANTINED = "vendor.quarantined"
VENDOR_RECOVERED = "vendor.recovered"


@attrs.frozen(kw_only=True)
class Event:
    """Something that happened to an order, a product or a vendor."""

    # Such as "order.reserved".
    type: str
    # The id of what it happened to.
    subject: str
    at: datetime
    data: Mapping[str, Any]
    # Of one order's events: 1, 2, 3 without a gap. Others have none.
    sequence: int | None = None


def order_event(order: Order) -> Event:
    """An order's last step."""
    data: dict[str, Any] = {"status": order.status.value, "lines": _lines(order)}
    if order.reference is not None:
        data["reference"] = order.reference
    if order.failure is not None:
        data["failure"] = order.failure
    if order.expires_at is not None:
        data["expires_at"] = timestamp_text(order.expires_at)
    if order.rest_id is not None:
        data["rest_id"] = str(order.rest_id)
    if order.request_id is not None:
        data["request_id"] = order.request_id
    if order.by is not None:
        data["by"] = order.by
    return Event(
        type=f"order.{order.happened or order.status.value}",
        subject=str(order.id),
        at=order.updated_at,
        data=data,
        sequence=order.sequence,
    )


def _lines(order: Order) -> list[dict[str, Any]]:
    allocations: dict[str, list[dict[str, Any]]] = {}
    for part in order.allocations:
        allocations.setdefault(part.product_id, []).append(_allocation(part))
    lines = []
    for line in order.lines:
        document: dict[str, Any] = {"product_id": line.product_id, "quantity": line.quantity}
        if line.cancelled:
            document["cancelled"] = line.cancelled
        if line.backordered:
            document["backordered"] = line.backordered
        if line.expected_at is not None:
            document["expected_at"] = timestamp_text(line.expected_at)
        if line.product_id in allocations:
            document["allocations"] = allocations[line.product_id]
        lines.append(document)
    return lines


def _allocation(part: Allocation) -> dict[str, Any]:
    document: dict[str, Any] = {"vendor_id": part.vendor_id, "quantity": part.quantity}
    if part.returned:
        document["returned"] = part.returned
    return document


def stock_events(
    before: Mapping[str, CentralStock], changes: Iterable[StockDelta], at: datetime
) -> list[Event]:
    """Which products run out, come back, or fall to the figure that somebody watches.

    `before` has their stock before the changes; products that it lacks are passed over.
    """
    events = []
    for change in changes:
        level = before.get(change.product_id)
        if level is None:
            continue
        available = level.available_after(change)
        types = _crossings(level.available, available, level.low_at)
        events += [
            Event(
                type=type_,
                subject=change.product_id,
                at=at,
                data={"product_id": change.product_id, "available": available},
            )
            for type_ in types
        ]
    return events


def _crossings(before: int, after: int, low_at: int | None) -> list[str]:
    types = []
    if low_at is not None and after <= low_at < before:
        types.append(STOCK_LOW)
    if after == 0 < before:
        types.append(STOCK_OUT)
    if before == 0 < after:
        types.append(STOCK_BACK)
    return types


def vendor_event(type_: str, vendor_id: str, at: datetime) -> Event:
    """Something that happened to a vendor."""
    return Event(type=type_, subject=vendor_id, at=at, data={"vendor_id": vendor_id})

"""What an operator may ask about stock."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice

import attrs

from ..domain.errors import UnknownProducts
from ..domain.ports.read_model import ProductStock, ReadModel, StockLevel, StockMovement
from ..domain.values import timestamp_text
from .runtime.tables import aligned

PAGE = 100


def levels(read_model: ReadModel, limit: int) -> Iterator[StockLevel]:
    """So many products, by id."""

    def everything() -> Iterator[StockLevel]:
        offset = 0
        while page := read_model.stock(offset, PAGE).items:
            yield from page
            offset += len(page)

    return islice(everything(), limit)


def product(read_model: ReadModel, product_id: str) -> ProductStock:
    """One product; raises UnknownProducts."""
    found = read_model.product(product_id)
    if found is None:
        raise UnknownProducts([product_id])
    return found


def table(shown: Sequence[StockLevel]) -> Iterator[str]:
    """A line a product, in columns."""
    rows = [("PRODUCT", "AVAILABLE", "ON HAND", "RESERVED", "WAITED FOR", "VENDORS", "NAME")]
    rows += [
        (
            level.product_id,
            str(level.available),
            str(level.on_hand),
            str(level.reserved),
            str(level.backordered),
            str(level.vendor_count),
            level.name,
        )
        for level in shown
    ]
    return aligned(rows)


def details(found: ProductStock) -> Iterator[str]:
    """All of a product, in lines."""
    level = found.central
    yield f"product {level.product_id}: {level.name}"
    yield f"  {level.available} available: {level.on_hand} on hand, {level.reserved} reserved"
    if level.stale:
        yield f"  {level.stale} of those on hand are of vendors that are silent"
    if level.backordered:
        yield f"  {level.backordered} are waited for"
    if level.low_at is not None:
        yield f"  there is an event at {level.low_at} available"
    if level.backorder_limit is not None:
        yield f"  {level.backorder_limit} may be waited for"
    for vendor in found.vendors:
        at = vendor.expected_at
        expected = f", more expected {timestamp_text(at)}" if at else ""
        as_of = timestamp_text(vendor.as_of)
        yield f"  {vendor.available} at {vendor.vendor_id}, as of {as_of}{expected}"


def movements(shown: Sequence[StockMovement]) -> Iterator[str]:
    """A line for what came or went, in columns."""
    rows = [("WHEN", "CAUSE", "VENDOR", "CHANGE", "BEFORE", "AFTER", "ORDER")]
    rows += [
        (
            timestamp_text(each.at)[:19],
            each.cause,
            each.vendor_id,
            f"{each.delta:+}",
            str(each.before),
            str(each.after),
            "" if each.order_id is None else str(each.order_id),
        )
        for each in shown
    ]
    return aligned(rows)


def as_json(found: object) -> str:
    """For programs: what the API has, a line each."""
    if isinstance(found, StockMovement):
        return json.dumps({**attrs.asdict(found), "before": found.before}, default=_text)
    return json.dumps(attrs.asdict(found), default=_text)  # type: ignore[arg-type]


def _text(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)

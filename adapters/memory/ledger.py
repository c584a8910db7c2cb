"""The ledger of the storage in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ...domain.order import OPEN, SUPPLIED, Order
from ...domain.ports.ledger import ARCHIVED, Discrepancy
from .database import Database
from .tables import Tables

# A vendor and a product, or a product alone.
Subject = tuple[str, ...]


class MemoryLedger:
    """Ledger on memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def discrepancies(self) -> Iterator[Discrepancy]:
        """Holds up commits while it is read."""
        with self._database.committed() as tables:
            yield from stock_discrepancies(tables)
            yield from _allocated(tables)
            yield from _has_lines(tables)


def stock_discrepancies(tables: Tables) -> Iterator[Discrepancy]:
    """What is wrong with stock: that of vendors before what is summed up over them."""
    yield from _vendor_available(tables)
    yield from _on_hand(tables)
    yield from _reserved(tables)
    yield from _backordered(tables)
    yield from _stale(tables)
    yield from _vendor_allocated(tables)


def _vendor_available(tables: Tables) -> Iterator[Discrepancy]:
    expected: Counter[Subject] = Counter()
    for entry in tables.adjustments.values():
        expected[entry.vendor_id, entry.product_id] += entry.delta
    for order in tables.orders.values():
        for part in order.allocations:
            expected[part.vendor_id, part.product_id] -= part.quantity
    found: dict[Subject, int] = {
        (level.vendor_id, level.product_id): level.available
        for level in tables.vendor_stock.values()
    }
    yield from _differences("vendor_available", expected, found)


def _on_hand(tables: Tables) -> Iterator[Discrepancy]:
    expected: Counter[Subject] = Counter()
    for level in tables.vendor_stock.values():
        expected[(level.product_id,)] += level.available
    found: dict[Subject, int] = {(key,): stock.on_hand for key, stock in tables.central.items()}
    yield from _differences("on_hand", expected, found)


def _reserved(tables: Tables) -> Iterator[Discrepancy]:
    expected: Counter[Subject] = Counter()
    for order in tables.orders.values():
        for line in order.lines if order.status in OPEN else ():
            expected[(line.product_id,)] += line.reserved
    found: dict[Subject, int] = {(key,): stock.reserved for key, stock in tables.central.items()}
    yield from _differences("reserved", expected, found)


def _backordered(tables: Tables) -> Iterator[Discrepancy]:
    expected: Counter[Subject] = Counter()
    for order in tables.orders.values():
        for line in order.lines if order.status in OPEN else ():
            expected[(line.product_id,)] += line.backordered
    found: dict[Subject, int] = {(k,): stock.backordered for k, stock in tables.central.items()}
    yield from _differences("backordered", expected, found)


def _stale(tables: Tables) -> Iterator[Discrepancy]:
    expected: Counter[Subject] = Counter()
    for level in tables.vendor_stock.values():
        expected[(level.product_id,)] += level.available if level.stale else 0
    found: dict[Subject, int] = {(key,): stock.stale for key, stock in tables.central.items()}
    yield from _differences("stale", expected, found)


def _vendor_allocated(tables: Tables) -> Iterator[Discrepancy]:
    expected: Counter[Subject] = Counter()
    for entry in tables.adjustments.values():
        if entry.cause == ARCHIVED:
            expected[entry.vendor_id, entry.product_id] -= entry.delta
    for order in tables.orders.values():
        for part in order.allocations:
            expected[part.vendor_id, part.product_id] += part.quantity
    found: dict[Subject, int] = {
        (level.vendor_id, level.product_id): level.allocated
        for level in tables.vendor_stock.values()
    }
    yield from _differences("vendor_allocated", expected, found)


def _allocated(tables: Tables) -> Iterator[Discrepancy]:
    for order in tables.orders.values():
        expected = _ordered(order) if order.status in SUPPLIED else Counter()
        found: Counter[str] = Counter()
        for part in order.allocations:
            found[part.product_id] += part.quantity
        if expected != found:
            yield Discrepancy(
                figure="allocated",
                subject=str(order.id),
                expected=expected.total(),
                found=found.total(),
            )


def _has_lines(tables: Tables) -> Iterator[Discrepancy]:
    for order in tables.orders.values():
        if not order.lines:
            yield Discrepancy(figure="has_lines", subject=str(order.id), expected=1, found=0)


def _ordered(order: Order) -> Counter[str]:
    return Counter({line.product_id: line.units for line in order.lines if line.units})


def _differences(
    figure: str, expected: Counter[Subject], found: Mapping[Subject, int]
) -> Iterator[Discrepancy]:
    for subject in sorted(expected.keys() | found.keys()):
        if expected[subject] != found.get(subject, 0):
            yield Discrepancy(
                figure=figure,
                subject="/".join(subject),
                expected=expected[subject],
                found=found.get(subject, 0),
                product_id=subject[-1],
                vendor_id=subject[0] if len(subject) > 1 else None,
            )

"""The ledger in SQL: the database compares, and hands out only what differs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Select,
    Subquery,
    case,
    func,
    literal,
    select,
    union_all,
)

from ...domain.order import OPEN, SUPPLIED
from ...domain.ports.ledger import Discrepancy
from .engine import long_statements
from .errors import read_errors_translated
from .schema import (
    NOT_FULFILLED,
    allocations,
    backorders,
    central_stock,
    order_lines,
    orders,
    stock_adjustments,
    vendor_stock,
)

_CHUNK = 500
_NOTHING = literal(0, BigInteger)


class SqlLedger:
    """Ledger on SQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def discrepancies(self) -> Iterator[Discrepancy]:
        """All figures of one snapshot, which neither waits for writers nor holds them up."""
        with read_errors_translated(), self._snapshot() as connection:
            for figure, statement in _CHECKS.items():
                yield from _found(connection, figure, statement)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
                yield connection
                return
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            with long_statements(connection):
                # Everything is read, in the order of the disk.
                connection.exec_driver_sql("SET LOCAL enable_seqscan = on")
                yield connection


def _found(connection: Connection, figure: str, statement: Select[Any]) -> Iterator[Discrepancy]:
    with connection.execute(statement, execution_options={"yield_per": _CHUNK}) as rows:
        for *subject, expected, found in rows:
            yield Discrepancy(
                figure=figure,
                subject="/".join(map(str, subject)),
                expected=int(expected),
                found=int(found),
            )


def _differences(entries: Subquery, *subject: str) -> Select[Any]:
    keys = [entries.c[name] for name in subject]
    expected, found = func.sum(entries.c.expected), func.sum(entries.c.found)
    return select(*keys, expected, found).group_by(*keys).having(expected != found).order_by(*keys)


def _vendor_available() -> Select[Any]:
    supply = select(
        stock_adjustments.c.vendor_id,
        stock_adjustments.c.product_id,
        stock_adjustments.c.delta.label("expected"),
        _NOTHING.label("found"),
    )
    demand = select(
        allocations.c.vendor_id, allocations.c.product_id, -allocations.c.quantity, _NOTHING
    )
    levels = select(
        vendor_stock.c.vendor_id, vendor_stock.c.product_id, _NOTHING, vendor_stock.c.available
    )
    return _differences(union_all(supply, demand, levels).subquery(), "vendor_id", "product_id")


def _sum_over_vendors(levels: Select[Any], central: Column[int]) -> Select[Any]:
    found = select(central_stock.c.product_id, _NOTHING, central)
    return _differences(union_all(levels, found).subquery(), "product_id")


_VENDOR_LEVELS = select(
    vendor_stock.c.product_id,
    vendor_stock.c.available.label("expected"),
    _NOTHING.label("found"),
)


def _reserved() -> Select[Any]:
    lines = (
        select(
            order_lines.c.product_id,
            (order_lines.c.quantity - order_lines.c.cancelled).label("expected"),
            _NOTHING.label("found"),
        )
        .join(orders)
        .where(orders.c.status.in_(OPEN), NOT_FULFILLED)
    )
    # What is waited for is not there to be reserved.
    waits = select(backorders.c.product_id, -backorders.c.units, _NOTHING)
    central = select(central_stock.c.product_id, _NOTHING, central_stock.c.reserved)
    return _differences(union_all(lines, waits, central).subquery(), "product_id")


def _backordered() -> Select[Any]:
    waits = select(
        backorders.c.product_id, backorders.c.units.label("expected"), _NOTHING.label("found")
    )
    central = select(central_stock.c.product_id, _NOTHING, central_stock.c.backordered)
    return _differences(union_all(waits, central).subquery(), "product_id")


def _vendor_allocated() -> Select[Any]:
    demand = select(
        allocations.c.vendor_id,
        allocations.c.product_id,
        allocations.c.quantity.label("expected"),
        _NOTHING.label("found"),
    )
    levels = select(
        vendor_stock.c.vendor_id, vendor_stock.c.product_id, _NOTHING, vendor_stock.c.allocated
    )
    return _differences(union_all(demand, levels).subquery(), "vendor_id", "product_id")


def _allocated() -> Select[Any]:
    """Compared line by line, reported by order."""
    entries = union_all(
        select(
            order_lines.c.order_id,
            order_lines.c.product_id,
            case(
                (
                    orders.c.status.in_(SUPPLIED),
                    order_lines.c.quantity - order_lines.c.cancelled,
                ),
                else_=0,
            ).label("expected"),
            _NOTHING.label("found"),
        ).join(orders),
        select(allocations.c.order_id, allocations.c.product_id, _NOTHING, allocations.c.quantity),
    ).subquery()
    expected, found = func.sum(entries.c.expected), func.sum(entries.c.found)
    by_line = (
        select(
            entries.c.order_id,
            expected.label("expected"),
            found.label("found"),
            case((expected != found, 1), else_=0).label("differs"),
        )
        .group_by(entries.c.order_id, entries.c.product_id)
        .subquery()
    )
    return (
        select(by_line.c.order_id, func.sum(by_line.c.expected), func.sum(by_line.c.found))
        .group_by(by_line.c.order_id)
        .having(func.sum(by_line.c.differs) > 0)
        .order_by(by_line.c.order_id)
    )


def _has_lines() -> Select[Any]:
    line = select(order_lines).where(order_lines.c.order_id == orders.c.id)
    without = ~line.exists()
    return select(orders.c.id, literal(1), literal(0)).where(without).order_by(orders.c.id)


_CHECKS = {
    "vendor_available": _vendor_available(),
    "on_hand": _sum_over_vendors(_VENDOR_LEVELS, central_stock.c.on_hand),
    "stale": _sum_over_vendors(_VENDOR_LEVELS.where(vendor_stock.c.stale), central_stock.c.stale),
    "reserved": _reserved(),
    "backordered": _backordered(),
    "vendor_allocated": _vendor_allocated(),
    "allocated": _allocated(),
    "has_lines": _has_lines(),
}

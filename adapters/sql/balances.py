"""What the ledger says of every balance, compared by the database: only what differs comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Select,
    Subquery,
    case,
    func,
    literal,
    literal_column,
    select,
    true,
    union_all,
)

from ...domain.order import OPEN, SUPPLIED
from ...domain.ports.ledger import ARCHIVED, Discrepancy
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

# Which products are looked at, by the column with their ids.
Only = Callable[[ColumnElement[Any]], ColumnElement[bool]]
# Written into the statement, as PostgreSQL's way round SQLAlchemy takes no lists.
_OPEN: list[ColumnElement[str]] = [literal_column(f"'{status}'") for status in OPEN]
_NOTHING = literal(0, BigInteger)


def every_product(_product_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """All of them."""
    return true()


def stock_checks(only: Only = every_product) -> Mapping[str, Select[Any]]:
    """By figure, what is wrong with stock. Vendors come before what is summed up over them."""
    levels = select(
        vendor_stock.c.product_id,
        vendor_stock.c.available.label("expected"),
        _NOTHING.label("found"),
    ).where(only(vendor_stock.c.product_id))
    stale = levels.where(vendor_stock.c.stale)
    return {
        "vendor_available": _vendor_available(only),
        "on_hand": _sum_over_vendors(levels, central_stock.c.on_hand, only),
        "stale": _sum_over_vendors(stale, central_stock.c.stale, only),
        "reserved": _reserved(only),
        "backordered": _backordered(only),
        "vendor_allocated": _vendor_allocated(only),
    }


def order_checks() -> Mapping[str, Select[Any]]:
    """By figure, what is wrong with orders themselves."""
    return {"allocated": _allocated(), "has_lines": _has_lines()}


def stock_discrepancies(figure: str, rows: Iterable[Sequence[Any]]) -> Iterator[Discrepancy]:
    """What the rows of one of the `stock_checks` say."""
    for *vendor, product_id, expected, found in rows:
        yield Discrepancy(
            figure=figure,
            subject="/".join([*vendor, product_id]),
            expected=int(expected),
            found=int(found),
            product_id=product_id,
            vendor_id=vendor[0] if vendor else None,
        )


def order_discrepancies(figure: str, rows: Iterable[Sequence[Any]]) -> Iterator[Discrepancy]:
    """What the rows of one of the `order_checks` say."""
    for order_id, expected, found in rows:
        yield Discrepancy(
            figure=figure, subject=str(order_id), expected=int(expected), found=int(found)
        )


def _differences(entries: Subquery, *subject: str) -> Select[Any]:
    keys = [entries.c[name] for name in subject]
    expected, found = func.sum(entries.c.expected), func.sum(entries.c.found)
    return select(*keys, expected, found).group_by(*keys).having(expected != found).order_by(*keys)


def _vendor_available(only: Only) -> Select[Any]:
    supply = select(
        stock_adjustments.c.vendor_id,
        stock_adjustments.c.product_id,
        stock_adjustments.c.delta.label("expected"),
        _NOTHING.label("found"),
    ).where(only(stock_adjustments.c.product_id))
    demand = select(
        allocations.c.vendor_id, allocations.c.product_id, -allocations.c.quantity, _NOTHING
    ).where(only(allocations.c.product_id))
    levels = select(
        vendor_stock.c.vendor_id, vendor_stock.c.product_id, _NOTHING, vendor_stock.c.available
    ).where(only(vendor_stock.c.product_id))
    return _differences(union_all(supply, demand, levels).subquery(), "vendor_id", "product_id")


def _sum_over_vendors(levels: Select[Any], central: Column[int], only: Only) -> Select[Any]:
    found = select(central_stock.c.product_id, _NOTHING, central).where(
        only(central_stock.c.product_id)
    )
    return _differences(union_all(levels, found).subquery(), "product_id")


def _reserved(only: Only) -> Select[Any]:
    lines = (
        select(
            order_lines.c.product_id,
            (order_lines.c.quantity - order_lines.c.cancelled).label("expected"),
            _NOTHING.label("found"),
        )
        .join(orders)
        .where(orders.c.status.in_(_OPEN), NOT_FULFILLED, only(order_lines.c.product_id))
    )
    # What is waited for is not there to be reserved.
    waits = select(backorders.c.product_id, -backorders.c.units, _NOTHING).where(
        only(backorders.c.product_id)
    )
    central = select(central_stock.c.product_id, _NOTHING, central_stock.c.reserved).where(
        only(central_stock.c.product_id)
    )
    return _differences(union_all(lines, waits, central).subquery(), "product_id")


def _backordered(only: Only) -> Select[Any]:
    waits = select(
        backorders.c.product_id, backorders.c.units.label("expected"), _NOTHING.label("found")
    ).where(only(backorders.c.product_id))
    central = select(central_stock.c.product_id, _NOTHING, central_stock.c.backordered).where(
        only(central_stock.c.product_id)
    )
    return _differences(union_all(waits, central).subquery(), "product_id")


def _vendor_allocated(only: Only) -> Select[Any]:
    demand = select(
        allocations.c.vendor_id,
        allocations.c.product_id,
        allocations.c.quantity.label("expected"),
        _NOTHING.label("found"),
    ).where(only(allocations.c.product_id))
    archived = select(
        stock_adjustments.c.vendor_id,
        stock_adjustments.c.product_id,
        -stock_adjustments.c.delta,
        _NOTHING,
    ).where(stock_adjustments.c.cause == ARCHIVED, only(stock_adjustments.c.product_id))
    levels = select(
        vendor_stock.c.vendor_id, vendor_stock.c.product_id, _NOTHING, vendor_stock.c.allocated
    ).where(only(vendor_stock.c.product_id))
    return _differences(union_all(demand, archived, levels).subquery(), "vendor_id", "product_id")


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

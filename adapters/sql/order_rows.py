"""Orders from rows, and the rows that they are read from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, null, select

from ...domain.order import SUPPLIED, Allocation, Order, OrderLine, OrderStatus
from .bulk import BulkKeys
from .schema import BACKORDERED, allocations, backorders, order_lines, orders

_STATUS = {status.value: status for status in OrderStatus}

ORDER_COLUMNS = (
    orders.c.id,
    orders.c.status,
    orders.c.failure,
    orders.c.idempotency_key,
    orders.c.reference,
    orders.c.created_at,
    orders.c.updated_at,
    orders.c.digest,
    orders.c.expires_at,
    orders.c.rest_id,
    orders.c.sequence,
)

LINE_COLUMNS = (order_lines.c.product_id, order_lines.c.quantity, order_lines.c.cancelled)
# Where the columns of a line are.
_LINE = len(ORDER_COLUMNS)
_LINE_END = _LINE + len(LINE_COLUMNS)
_SUPPLIED = frozenset(status.value for status in SUPPLIED)


def select_allocations(ids: BulkKeys) -> Select[Any]:
    """The allocations of orders, by product id, then vendor id."""
    return (
        select(
            allocations.c.order_id,
            allocations.c.product_id,
            allocations.c.vendor_id,
            allocations.c.quantity,
            allocations.c.sequence,
            allocations.c.returned,
        )
        .where(ids.contain(allocations.c.order_id))
        .order_by(allocations.c.order_id, allocations.c.product_id, allocations.c.vendor_id)
    )


def select_backorders(ids: BulkKeys, expected_at: ColumnElement[Any] | None = None) -> Select[Any]:
    """What orders wait for, and when more of it is expected, if that is asked."""
    waits = backorders.c
    return select(
        waits.order_id,
        waits.product_id,
        waits.units,
        null() if expected_at is None else expected_at,
    ).where(ids.contain(waits.order_id))


def supplied_ids(rows: Iterable[Sequence[Any]]) -> set[UUID]:
    """The orders among these rows that have allocations."""
    return {row[0] for row in rows if row[1] in _SUPPLIED}


def waiting_ids(rows: Iterable[Sequence[Any]]) -> set[UUID]:
    """The orders among these rows that wait for something."""
    return {row[0] for row in rows if row[1] == BACKORDERED}


def orders_from(
    rows: Sequence[Sequence[Any]],
    allocation_rows: Iterable[Sequence[Any]] = (),
    backorder_rows: Iterable[Sequence[Any]] = (),
) -> Iterator[Order]:
    """Orders from rows of ORDER_COLUMNS and LINE_COLUMNS, and what belongs to them."""
    parts = _allocations_from(allocation_rows)
    waits = {
        (order_id, product_id): (units, expected_at)
        for order_id, product_id, units, expected_at in backorder_rows
    }
    for order_id, group in groupby(rows, key=itemgetter(0)):
        lines = list(group)
        _, status, failure, key, reference, created_at, updated_at, *more = lines[0]
        digest, expires_at, rest_id, sequence, *_ = more
        yield Order(
            id=order_id,
            # An order without lines has one row, with nulls in the place of a line.
            lines=tuple(
                _line(*row[_LINE:_LINE_END], *waits.get((order_id, row[_LINE]), ()))
                for row in lines
                if row[_LINE] is not None
            ),
            status=_STATUS[status],
            allocations=parts.get(order_id, ()),
            failure=failure,
            idempotency_key=key,
            reference=reference,
            digest=digest,
            expires_at=expires_at,
            rest_id=rest_id,
            sequence=sequence,
            created_at=created_at,
            updated_at=updated_at,
        )


@lru_cache(maxsize=10_000)
def _line(
    product_id: str,
    quantity: int,
    cancelled: int,
    backordered: int = 0,
    expected_at: datetime | None = None,
) -> OrderLine:
    """A line. Kept, as many orders are for the same."""
    return OrderLine(
        product_id=product_id,
        quantity=quantity,
        cancelled=cancelled,
        backordered=backordered,
        expected_at=expected_at,
    )


def _allocations_from(rows: Iterable[Sequence[Any]]) -> dict[UUID, tuple[Allocation, ...]]:
    return {
        order_id: tuple(
            Allocation(
                product_id=product_id,
                vendor_id=vendor_id,
                quantity=quantity,
                sequence=sequence,
                returned=returned,
            )
            for _, product_id, vendor_id, quantity, sequence, returned in group
        )
        for order_id, group in groupby(rows, key=itemgetter(0))
    }

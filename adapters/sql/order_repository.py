"""Orders in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Dialect,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from ...domain.errors import Conflict
from ...domain.order import ENDED, Allocation, Order, OrderLine, OrderStatus
from .bulk import BulkKeys, bulk_keys, bulk_rows
from .schema import NOT_FULFILLED, RESERVED, TEXT_ID, TIMESTAMP, allocations, order_lines, orders
from .transaction import Transaction

_STATUS = {status.value: status for status in OrderStatus}

ORDER_COLUMNS = (
    orders.c.id,
    orders.c.status,
    orders.c.failure,
    orders.c.idempotency_key,
    orders.c.reference,
    orders.c.created_at,
    orders.c.updated_at,
)


class OrderStatements:
    """The statements of the order repository, built once for a database."""

    def __init__(self, dialect: Dialect) -> None:
        self.ids = bulk_keys(dialect, Uuid())
        self.keys = bulk_keys(dialect, Text())
        with_lines = (
            select(*ORDER_COLUMNS, order_lines.c.product_id, order_lines.c.quantity)
            .select_from(orders.outerjoin(order_lines))
            .order_by(orders.c.id, order_lines.c.position)
        )
        self.by_id = with_lines.where(self.ids.contain(orders.c.id))
        self.by_key = with_lines.where(
            # Said twice, because only then PostgreSQL uses the index on keys that are not null.
            orders.c.idempotency_key.is_not(None),
            self.keys.contain(orders.c.idempotency_key),
        )
        # Lines never change, so those read along with a lock that had to wait are right.
        self.lock = self.by_id.with_for_update(key_share=True, of=orders)
        self.allocations = select_allocations(self.ids)
        self._build_inserts(dialect)
        self._build_settle(dialect)
        self._build_record_failures(dialect)
        self._build_take_unsettled()
        self._build_removal()

    def _build_inserts(self, dialect: Dialect) -> None:
        names = [column.name for column in ORDER_COLUMNS]
        self.new_orders = bulk_rows(dialect, **{c.name: c.type for c in ORDER_COLUMNS})
        self.add = insert(orders).from_select(
            [*names, "sent_at"],
            select(*(self.new_orders.c[name] for name in names), self.new_orders.c.created_at),
        )
        self.new_lines = bulk_rows(dialect, **{c.name: c.type for c in order_lines.c})
        self.add_lines = insert(order_lines).from_select(
            list(order_lines.c.keys()), select(self.new_lines.source)
        )
        self.new_allocations = bulk_rows(dialect, **{c.name: c.type for c in allocations.c})
        parts = allocations.c
        self.returns = bulk_rows(
            dialect,
            order_id=Uuid(),
            product_id=TEXT_ID,
            vendor_id=TEXT_ID,
            returned=BigInteger(),
        )
        self.give_back = (
            update(allocations)
            .values(returned=self.returns.c.returned)
            .where(
                parts.order_id == self.returns.c.order_id,
                parts.product_id == self.returns.c.product_id,
                parts.vendor_id == self.returns.c.vendor_id,
            )
        )
        self.add_allocations = insert(allocations).from_select(
            list(allocations.c.keys()), select(self.new_allocations.source)
        )

    def _build_settle(self, dialect: Dialect) -> None:
        self.ends = bulk_rows(
            dialect, id=Uuid(), status=Text(), failure=Text(), updated_at=TIMESTAMP
        )
        self.settle = (
            update(orders)
            .values({name: self.ends.c[name] for name in ("status", "failure", "updated_at")})
            .where(orders.c.id == self.ends.c.id, _is_reserved())
        )
        self.set_status = (
            update(orders)
            .values(status=self.ends.c.status, updated_at=self.ends.c.updated_at)
            .where(orders.c.id == self.ends.c.id)
        )

    def _build_record_failures(self, dialect: Dialect) -> None:
        self.failures = bulk_rows(dialect, id=Uuid(), attempt=Integer())
        # Locked in the order of ids, as everywhere.
        failed = (
            select(orders.c.id, self.failures.c.attempt)
            .where(orders.c.id == self.failures.c.id, _is_reserved())
            .order_by(orders.c.id)
            .with_for_update(key_share=True, of=orders)
            .cte("failed")
        )
        self.record_failures = (
            update(orders)
            .values(failed_attempts=failed.c.attempt, sent_at=bindparam("at", type_=TIMESTAMP))
            .where(orders.c.id == failed.c.id)
        )

    def _build_take_unsettled(self) -> None:
        due = (
            select(orders.c.id)
            .where(
                NOT_FULFILLED,
                orders.c.status == RESERVED,
                orders.c.sent_at < bindparam("sent_before", type_=TIMESTAMP),
            )
            .order_by(orders.c.sent_at, orders.c.id)
            .limit(bindparam("limit", type_=Integer))
            # An order that is locked is being settled.
            .with_for_update(key_share=True, skip_locked=True)
            .cte("due")
        )
        self.claim_unfulfilled = (
            update(orders)
            .values(sent_at=bindparam("now", type_=TIMESTAMP), failed_attempts=0)
            .where(orders.c.id == due.c.id)
            .returning(orders.c.id)
        )
        self.mark_sent = (
            update(orders)
            .values(sent_at=bindparam("at", type_=TIMESTAMP))
            .where(self.ids.contain(orders.c.id))
        )

    def _build_removal(self) -> None:
        # Written into the statement, as PostgreSQL's way round SQLAlchemy takes no lists.
        ended = orders.c.status.in_([literal_column(f"'{status}'") for status in ENDED])
        old = orders.c.updated_at < bindparam("moment", type_=TIMESTAMP)
        self.ended_before = (
            select(orders.c.id)
            .where(ended, old)
            .order_by(orders.c.updated_at, orders.c.id)
            .limit(bindparam("limit", type_=Integer))
        )
        self.count_ended_before = select(func.count()).select_from(orders).where(ended, old)
        # In the order of what refers to what.
        self.remove_details = [
            delete(table).where(self.ids.contain(table.c.order_id))
            for table in (allocations, order_lines)
        ]
        self.remove = delete(orders).where(self.ids.contain(orders.c.id))


class SqlOrders:
    """OrderRepository on SQL."""

    def __init__(self, transaction: Transaction, statements: OrderStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    def add(self, orders: Sequence[Order]) -> None:
        """The primary key and the index on idempotency keys refuse what exists."""
        if not orders:
            return
        statements = self._statements
        rows = [
            (
                o.id,
                o.status.value,
                o.failure,
                o.idempotency_key,
                o.reference,
                o.created_at,
                o.updated_at,
            )
            for o in orders
        ]
        lines = [
            (order.id, line.product_id, line.quantity, position)
            for order in orders
            for position, line in enumerate(order.lines)
        ]
        self._transaction.enqueue(statements.add, statements.new_orders.bind(rows))
        self._transaction.enqueue(statements.add_lines, statements.new_lines.bind(lines))
        self._add_allocations(orders)

    def find(self, ids: Collection[UUID], idempotency_keys: Collection[str]) -> list[Order]:
        """By id and by key, each order once."""
        statements = self._statements
        found: dict[UUID, Order] = {}
        if ids:
            found |= self._load(statements.by_id, statements.ids, ids)
        if idempotency_keys:
            found |= self._load(statements.by_key, statements.keys, idempotency_keys)
        return list(found.values())

    def lock(self, ids: Collection[UUID]) -> dict[UUID, Order]:
        """In the order of ids."""
        return self._load(self._statements.lock, self._statements.ids, ids)

    def settle(self, orders: Sequence[Order]) -> None:
        """The condition on the status guards the end that an order may already have."""
        if not orders:
            return
        statements = self._statements
        rows = [(order.id, order.status.value, order.failure, order.updated_at) for order in orders]
        self._transaction.enqueue(
            statements.settle,
            statements.ends.bind(rows),
            expected_rowcount=len(rows),
            mismatch_error=Conflict("an order is not reserved any more"),
        )
        self._add_allocations(orders)

    def give_back(self, orders: Sequence[Order]) -> None:
        """Two statements; the table's constraint guards the figures."""
        if not orders:
            return
        statements = self._statements
        rows = [(order.id, order.status.value, order.failure, order.updated_at) for order in orders]
        parts = [
            (order.id, part.product_id, part.vendor_id, part.returned)
            for order in orders
            for part in order.allocations
        ]
        self._transaction.enqueue(statements.set_status, statements.ends.bind(rows))
        self._transaction.enqueue(statements.give_back, statements.returns.bind(parts))

    def ended_before(self, moment: datetime, limit: int) -> list[UUID]:
        """By the index on their last change."""
        rows = self._transaction.fetch_all(
            self._statements.ended_before, {"moment": moment, "limit": limit}
        )
        return [order_id for (order_id,) in rows]

    def count_ended_before(self, moment: datetime) -> int:
        """Counted by the database, however many there are."""
        self._transaction.allow_long_statements()
        [(count,)] = self._transaction.fetch_all(
            self._statements.count_ended_before, {"moment": moment}
        )
        return int(count)

    def remove(self, orders: Sequence[Order]) -> None:
        """A statement a table."""
        if not orders:
            return
        statements = self._statements
        keys = statements.ids.bind([order.id for order in orders])
        for statement in statements.remove_details:
            self._transaction.enqueue(statement, keys)
        self._transaction.enqueue(
            statements.remove,
            keys,
            expected_rowcount=len(orders),
            mismatch_error=Conflict("an order is not there any more"),
        )

    def record_failures(self, attempts: Mapping[UUID, int], at: datetime) -> None:
        """One update."""
        if attempts:
            parameters = self._statements.failures.bind(list(attempts.items()))
            self._transaction.enqueue(self._statements.record_failures, parameters | {"at": at})

    def claim_unfulfilled(self, sent_before: datetime, now: datetime, limit: int) -> list[UUID]:
        """Oldest first."""
        rows = self._transaction.fetch_all(
            self._statements.claim_unfulfilled,
            {"sent_before": sent_before, "now": now, "limit": limit},
        )
        return sorted(order_id for (order_id,) in rows)

    def mark_sent(self, ids: Collection[UUID], at: datetime) -> None:
        """One statement."""
        statements = self._statements
        self._transaction.enqueue(statements.mark_sent, statements.ids.bind(ids) | {"at": at})

    def _load(
        self, statement: Select[Any], keys: BulkKeys, values: Collection[object]
    ) -> dict[UUID, Order]:
        rows = self._transaction.fetch_all(statement, keys.bind(values))
        # The end of an order never changes: what is read after it is the same as at its moment.
        ended = ended_ids(rows)
        parts = (
            self._transaction.fetch_all(
                self._statements.allocations, self._statements.ids.bind(ended)
            )
            if ended
            else ()
        )
        return {order.id: order for order in orders_from(rows, parts)}

    def _add_allocations(self, orders: Sequence[Order]) -> None:
        rows = [
            (order.id, part.product_id, part.vendor_id, part.quantity, part.sequence, part.returned)
            for order in orders
            for part in order.allocations
        ]
        if rows:
            statements = self._statements
            self._transaction.enqueue(
                statements.add_allocations, statements.new_allocations.bind(rows)
            )


def _is_reserved() -> ColumnElement[bool]:
    """Whether an order that is looked up by its id is reserved.

    In a subquery, so that PostgreSQL does not see that the index of what is not fulfilled applies:
    where it thinks there are few, it would read them all for each batch.
    """
    return orders.c.status == select(literal(RESERVED, Text)).scalar_subquery()


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


def ended_ids(rows: Iterable[Sequence[Any]]) -> set[UUID]:
    """The orders among these rows that may have allocations."""
    return {row[0] for row in rows if row[1] != RESERVED}


def orders_from(
    rows: Sequence[Sequence[Any]], allocation_rows: Iterable[Sequence[Any]]
) -> Iterator[Order]:
    """Orders from rows of ORDER_COLUMNS, product id and quantity, and from their allocations."""
    parts = {
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
        for order_id, group in groupby(allocation_rows, key=itemgetter(0))
    }
    for order_id, group in groupby(rows, key=itemgetter(0)):
        lines = list(group)
        _, status, failure, key, reference, created_at, updated_at, *_ = lines[0]
        yield Order(
            id=order_id,
            # An order without lines has one row, with nulls in the place of a line.
            lines=tuple(
                OrderLine(product_id=row[7], quantity=row[8]) for row in lines if row[7] is not None
            ),
            status=_STATUS[status],
            allocations=parts.get(order_id, ()),
            failure=failure,
            idempotency_key=key,
            reference=reference,
            created_at=created_at,
            updated_at=updated_at,
        )

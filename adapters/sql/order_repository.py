"""Orders in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import attrs
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Dialect,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    update,
)

from ...domain.errors import Conflict
from ...domain.events import order_event
from ...domain.order import CHANGED, ENDED, SUPPLIED, Allocation, Order, OrderLine, OrderStatus
from ...domain.ports.order_repository import Attempt, Waiting
from .bulk import BulkKeys, bulk_keys, bulk_rows
from .event_lines import decode_events, encode_event
from .event_log import SqlEventLog
from .schema import (
    BACKORDERED,
    NOT_FULFILLED,
    RESERVED,
    TEXT_ID,
    TIMESTAMP,
    allocations,
    backorders,
    central_stock,
    hold_lines,
    order_lines,
    orders,
)
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


class OrderStatements:
    """The statements of the order repository, built once for a database."""

    def __init__(self, dialect: Dialect) -> None:
        self.ids = bulk_keys(dialect, Uuid())
        self.keys = bulk_keys(dialect, Text())
        with_lines = (
            select(*ORDER_COLUMNS, *LINE_COLUMNS)
            .select_from(orders.outerjoin(order_lines))
            .order_by(orders.c.id, order_lines.c.position)
        )
        self.by_id = with_lines.where(self.ids.contain(orders.c.id))
        placed = with_lines.add_columns(orders.c.history)
        self.placed_by_id = placed.where(self.ids.contain(orders.c.id))
        self.placed_by_key = placed.where(
            # Said twice, because only then PostgreSQL uses the index on keys that are not null.
            orders.c.idempotency_key.is_not(None),
            self.keys.contain(orders.c.idempotency_key),
        )
        # Read after it, so that lines that changed while it had to wait are right.
        self.lock = (
            select(orders.c.id)
            .where(self.ids.contain(orders.c.id))
            .order_by(orders.c.id)
            .with_for_update(key_share=True)
        )
        self.allocations = select_allocations(self.ids)
        self.backorders = select_backorders(self.ids)
        self._build_inserts(dialect)
        self._build_save(dialect)
        self._build_lines(dialect)
        self._build_waiting(dialect)
        self._build_record_failures(dialect)
        self._build_take_unsettled()
        self._build_removal()

    def _build_inserts(self, dialect: Dialect) -> None:
        columns = (*ORDER_COLUMNS, orders.c.history)
        names = [column.name for column in columns]
        self.new_orders = bulk_rows(dialect, **{c.name: c.type for c in columns})
        self.add = insert(orders).from_select(
            [*names, "sent_at"],
            select(*(self.new_orders.c[name] for name in names), self.new_orders.c.created_at),
        )
        self.new_lines = bulk_rows(dialect, **{c.name: c.type for c in order_lines.c})
        self.add_lines = insert(order_lines).from_select(
            list(order_lines.c.keys()), select(self.new_lines.source)
        )
        self.new_allocations = bulk_rows(dialect, **{c.name: c.type for c in allocations.c})
        self.add_allocations = insert(allocations).from_select(
            list(allocations.c.keys()), select(self.new_allocations.source)
        )

    def _build_save(self, dialect: Dialect) -> None:
        self.steps = bulk_rows(
            dialect,
            id=Uuid(),
            status=Text(),
            failure=Text(),
            expires_at=TIMESTAMP,
            updated_at=TIMESTAMP,
            sequence=Integer(),
            event=Text(),
            fulfilled_at=TIMESTAMP,
        )
        step = self.steps.c
        names = ("status", "failure", "expires_at", "updated_at", "sequence")
        self.save = (
            update(orders)
            .values(
                {name: step[name] for name in names}
                | {
                    "history": orders.c.history + step.event,
                    # Whoever makes it so announces it.
                    "sent_at": case(
                        (step.status == RESERVED, step.updated_at), else_=orders.c.sent_at
                    ),
                    "fulfilled_at": func.coalesce(step.fulfilled_at, orders.c.fulfilled_at),
                }
            )
            .where(orders.c.id == step.id, orders.c.sequence == step.sequence - 1)
        )
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

    def _build_lines(self, dialect: Dialect) -> None:
        units = BigInteger()
        self.lines = bulk_rows(
            dialect, order_id=Uuid(), product_id=TEXT_ID, cancelled=units, backordered=units
        )
        line, waits = self.lines.c, backorders.c
        self.cancel_units = (
            update(order_lines)
            .values(cancelled=line.cancelled)
            .where(
                order_lines.c.order_id == line.order_id,
                order_lines.c.product_id == line.product_id,
                order_lines.c.cancelled != line.cancelled,
            )
        )
        self.wait = insert(backorders).from_select(
            ["order_id", "product_id", "units"],
            # They are numbered in the order in which they come.
            select(line.order_id, line.product_id, line.backordered),
        )
        same = (waits.order_id == line.order_id, waits.product_id == line.product_id)
        self.wait_for_less = (
            update(backorders).values(units=line.backordered).where(*same, line.backordered > 0)
        )
        self.wait_no_more = delete(backorders).where(exists().where(*same, line.backordered == 0))
        self.holds = bulk_rows(dialect, **{c.name: c.type for c in hold_lines.c})
        self.add_holds = insert(hold_lines).from_select(
            list(hold_lines.c.keys()), select(self.holds.source)
        )
        self.note_holds = (
            update(central_stock)
            .values(holds_expire_at=self.holds.c.expires_at)
            .where(
                central_stock.c.product_id == self.holds.c.product_id,
                or_(
                    central_stock.c.holds_expire_at.is_(None),
                    central_stock.c.holds_expire_at > self.holds.c.expires_at,
                ),
            )
        )
        self.remove_holds = delete(hold_lines).where(self.ids.contain(hold_lines.c.order_id))

    def _build_waiting(self, dialect: Dialect) -> None:
        self.product_ids = bulk_keys(dialect, TEXT_ID)
        self.expired_holds = (
            select(hold_lines.c.order_id)
            .where(
                self.product_ids.contain(hold_lines.c.product_id),
                hold_lines.c.expires_at <= bindparam("now", type_=TIMESTAMP),
            )
            .distinct()
            .limit(bindparam("limit", type_=Integer))
        )
        place = func.row_number().over(
            partition_by=backorders.c.product_id, order_by=backorders.c.id
        )
        ranked = (
            select(*backorders.c, place.label("place"))
            .where(self.product_ids.contain(backorders.c.product_id))
            .subquery("ranked")
        )
        self.waiting = (
            select(ranked.c.order_id, ranked.c.product_id, ranked.c.units)
            .where(ranked.c.place <= bindparam("limit", type_=Integer))
            .order_by(ranked.c.product_id, ranked.c.id)
        )

    def _build_record_failures(self, dialect: Dialect) -> None:
        self.failures = bulk_rows(dialect, id=Uuid(), attempt=Integer(), problem=Text())
        # Locked in the order of ids, as everywhere.
        failed = (
            select(orders.c.id, self.failures.c.attempt, self.failures.c.problem)
            .where(orders.c.id == self.failures.c.id, _is_reserved())
            .order_by(orders.c.id)
            .with_for_update(key_share=True, of=orders)
            .cte("failed")
        )
        self.record_failures = (
            update(orders)
            .values(
                failed_attempts=failed.c.attempt,
                problem=failed.c.problem,
                sent_at=bindparam("at", type_=TIMESTAMP),
            )
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

    def __init__(
        self, transaction: Transaction, statements: OrderStatements, events: SqlEventLog
    ) -> None:
        self._transaction = transaction
        self._statements = statements
        self._events = events

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
                o.digest,
                o.expires_at,
                o.rest_id,
                o.sequence,
                self._note(o),
            )
            for o in orders
        ]
        lines = [
            (order.id, line.product_id, line.quantity, position, line.cancelled)
            for order in orders
            for position, line in enumerate(order.lines)
        ]
        self._transaction.enqueue(statements.add, statements.new_orders.bind(rows))
        self._transaction.enqueue(statements.add_lines, statements.new_lines.bind(lines))
        self._add_allocations(orders)
        self._wait([order for order in orders if order.status is OrderStatus.BACKORDERED])
        self._add_holds([order for order in orders if order.status is OrderStatus.HELD])

    def find_placed(self, ids: Collection[UUID], idempotency_keys: Collection[str]) -> list[Order]:
        """By id and by key, each order once; as the first line of its history says."""
        statements = self._statements
        found: dict[UUID, Order] = {}
        for values, keys, statement in (
            (ids, statements.ids, statements.placed_by_id),
            (idempotency_keys, statements.keys, statements.placed_by_key),
        ):
            if values:
                rows = self._transaction.fetch_all(statement, keys.bind(values))
                histories = {row[0]: row[-1] for row in rows}
                found |= {
                    order.id: _as_placed(order, histories[order.id]) for order in orders_from(rows)
                }
        return list(found.values())

    def lock(self, ids: Collection[UUID]) -> dict[UUID, Order]:
        """In the order of ids."""
        statements = self._statements
        keys = statements.ids.bind(ids)
        self._transaction.enqueue(statements.lock, keys)
        rows = self._transaction.fetch_all(statements.by_id, keys)
        parts = self._details(statements.allocations, supplied_ids(rows))
        waits = self._details(statements.backorders, waiting_ids(rows))
        return {order.id: order for order in orders_from(rows, parts, waits)}

    def save(self, orders: Sequence[Order]) -> None:
        """The condition on the sequence guards against a step that another has taken."""
        if not orders:
            return
        statements = self._statements
        self._transaction.enqueue(
            statements.save,
            statements.steps.bind([self._step_row(order) for order in orders]),
            expected_rowcount=len(orders),
            mismatch_error=Conflict("an order has taken another step"),
        )
        self._add_allocations([x for x in orders if x.happened is None])
        self._save_returns([x for x in orders if x.happened == OrderStatus.RETURNED])
        self._save_lines([x for x in orders if _may_change_lines(x)])
        self._save_holds([x for x in orders if x.expires_at is not None])

    def _step_row(self, order: Order) -> tuple[object, ...]:
        return (
            order.id,
            order.status.value,
            order.failure,
            order.expires_at,
            order.updated_at,
            order.sequence,
            "\n" + self._note(order),
            order.updated_at if _is_just_fulfilled(order) else None,
        )

    def _note(self, order: Order) -> str:
        """Have an order's event told; the line for its history."""
        line = encode_event(order_event(order))
        self._events.append_line(line, order.updated_at)
        return line

    def _save_returns(self, orders: Sequence[Order]) -> None:
        parts = [
            (order.id, part.product_id, part.vendor_id, part.returned)
            for order in orders
            for part in order.allocations
        ]
        if parts:
            statements = self._statements
            self._transaction.enqueue(statements.give_back, statements.returns.bind(parts))

    def _save_lines(self, orders: Sequence[Order]) -> None:
        rows = [
            (order.id, line.product_id, line.cancelled, line.backordered)
            for order in orders
            for line in order.lines
        ]
        if rows:
            statements = self._statements
            parameters = statements.lines.bind(rows)
            for statement in (
                statements.cancel_units,
                statements.wait_for_less,
                statements.wait_no_more,
            ):
                self._transaction.enqueue(statement, parameters)

    def _save_holds(self, orders: Sequence[Order]) -> None:
        if orders:
            statements = self._statements
            keys = statements.ids.bind([order.id for order in orders])
            self._transaction.enqueue(statements.remove_holds, keys)
            self._add_holds([order for order in orders if order.status is OrderStatus.HELD])

    def _add_holds(self, orders: Sequence[Order]) -> None:
        rows = [
            (line.product_id, order.expires_at, order.id)
            for order in orders
            for line in order.lines
        ]
        if not rows:
            return
        statements = self._statements
        self._transaction.enqueue(statements.add_holds, statements.holds.bind(rows))
        first: dict[str, tuple[object, ...]] = {}
        for row in sorted(rows):
            first.setdefault(row[0], row)
        self._transaction.enqueue(statements.note_holds, statements.holds.bind([*first.values()]))

    def _wait(self, orders: Sequence[Order]) -> None:
        rows = [
            (order.id, line.product_id, line.cancelled, line.backordered)
            for order in orders
            for line in order.lines
            if line.backordered
        ]
        if rows:
            statements = self._statements
            self._transaction.enqueue(statements.wait, statements.lines.bind(rows))

    def expired_holds(
        self, now: datetime, product_ids: Collection[str], limit: int
    ) -> Collection[UUID]:
        """By the primary key of what is held."""
        statements = self._statements
        parameters = statements.product_ids.bind(product_ids) | {"now": now, "limit": limit}
        rows = self._transaction.fetch_all(statements.expired_holds, parameters)
        return [order_id for (order_id,) in rows]

    def waiting(self, product_ids: Collection[str], limit: int) -> list[Waiting]:
        """By the index on products."""
        statements = self._statements
        parameters = statements.product_ids.bind(product_ids) | {"limit": limit}
        rows = self._transaction.fetch_all(statements.waiting, parameters)
        return [
            Waiting(order_id=order_id, product_id=product_id, units=units)
            for order_id, product_id, units in rows
        ]

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

    def record_failures(self, failures: Mapping[UUID, Attempt], at: datetime) -> None:
        """One update."""
        if failures:
            rows = [(key, each.number, each.problem) for key, each in failures.items()]
            parameters = self._statements.failures.bind(rows)
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

    def _details(self, statement: Select[Any], ids: Collection[UUID]) -> Sequence[Any]:
        if not ids:
            return ()
        return self._transaction.fetch_all(statement, self._statements.ids.bind(ids))

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


def _is_just_fulfilled(order: Order) -> bool:
    return order.status is OrderStatus.FULFILLED and order.happened is None


def _may_change_lines(order: Order) -> bool:
    """Whether its step may have changed what is cancelled or waited for."""
    if order.happened == CHANGED:
        return True
    return order.status is OrderStatus.CANCELLED or (
        order.status is OrderStatus.RESERVED and order.expires_at is None
    )


def _as_placed(order: Order, history: str) -> Order:
    """The order as its first event says."""
    line = history.partition("\n")[0]
    if not line:
        return order
    first = decode_events(line)[0].data
    expires_at = first.get("expires_at")
    return attrs.evolve(
        order,
        status=OrderStatus(first["status"]),
        lines=tuple(map(_line_as_placed, first["lines"])),
        allocations=(),
        failure=None,
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        sequence=1,
        updated_at=order.created_at,
    )


def _line_as_placed(line: dict[str, Any]) -> OrderLine:
    expected_at = line.pop("expected_at", None)
    return OrderLine(
        **line, expected_at=None if expected_at is None else datetime.fromisoformat(expected_at)
    )

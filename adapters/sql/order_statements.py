"""What the order repository executes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
    or_,
    select,
    update,
)

from ...domain.order import ENDED, OPEN, OrderStatus
from .bulk import bulk_keys, bulk_rows
from .order_rows import LINE_COLUMNS, ORDER_COLUMNS, select_allocations, select_backorders
from .schema import (
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

# The seed of the hashes by which references are locked, apart from what others lock.
REFERENCE_LOCKS: ColumnElement[int] = literal_column("7077888")


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
        self._build_references(dialect)
        self._build_inserts(dialect)
        self._build_save(dialect)
        self._build_lines(dialect)
        self._build_waiting(dialect)
        self._build_record_failures(dialect)
        self._build_take_unsettled()
        self._build_removal()

    def _build_references(self, dialect: Dialect) -> None:
        self.references = bulk_rows(dialect, reference=Text())
        # Of names, as the first order has no row to lock yet. SQLite has one writer at a time.
        self.lock_references: Select[Any] | None = None
        if dialect.name == "postgresql":
            name = func.hashtextextended(self.references.c.reference, REFERENCE_LOCKS)
            # In the order of their hashes: the function is called as rows come.
            names = select(name.label("name")).distinct().order_by("name").cte("names")
            names = names.prefix_with("MATERIALIZED")
            self.lock_references = select(func.pg_advisory_xact_lock(names.c.name))
        self.count_open = (
            select(orders.c.reference, func.count())
            .where(
                orders.c.reference.is_not(None),
                self.keys.contain(orders.c.reference),
                _is_one_of(OPEN),
            )
            .group_by(orders.c.reference)
        )

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
        ended = _is_one_of(ENDED)
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


def _is_one_of(statuses: Iterable[OrderStatus]) -> ColumnElement[bool]:
    # Written into the statement, as PostgreSQL's way round SQLAlchemy takes no lists.
    return orders.c.status.in_([literal_column(f"'{status}'") for status in statuses])


def _is_reserved() -> ColumnElement[bool]:
    """Whether an order that is looked up by its id is reserved.

    In a subquery, so that PostgreSQL does not see that the index of what is not fulfilled applies:
    where it thinks there are few, it would read them all for each batch.
    """
    return orders.c.status == select(literal(RESERVED, Text)).scalar_subquery()

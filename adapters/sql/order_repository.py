"""Orders in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs
from sqlalchemy import Select

from ...domain.errors import Conflict
from ...domain.events import order_event
from ...domain.order import CHANGED, Order, OrderLine, OrderStatus
from ...domain.ports.order_repository import Attempt, Waiting
from .event_lines import decode_events, encode_event
from .event_log import SqlEventLog
from .order_rows import orders_from, supplied_ids, waiting_ids
from .order_statements import OrderStatements
from .transaction import Transaction


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

    def count_open(self, references: Collection[str]) -> Mapping[str, int]:
        """By the index on references. In two statements: the second sees what the first awaited."""
        statements = self._statements
        if statements.lock_references is not None:
            rows = [(reference,) for reference in references]
            self._transaction.enqueue(statements.lock_references, statements.references.bind(rows))
        found = self._transaction.fetch_all(statements.count_open, statements.keys.bind(references))
        return {reference: int(count) for reference, count in found}

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

"""Orders in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from heapq import nsmallest
from itertools import islice
from uuid import UUID

import attrs

from ...domain.errors import Conflict, ConstraintViolated
from ...domain.events import order_event
from ...domain.order import ENDED, OPEN, STEPS, Order, OrderStatus
from ...domain.ports.order_repository import Attempt, Waiting
from .database import Database
from .event_log import MemoryEventLog
from .tables import Tables


class MemoryOrders:
    """OrderRepository on memory."""

    def __init__(self, database: Database, tables: Tables, events: MemoryEventLog) -> None:
        self._database = database
        self._tables = tables
        self._events = events

    def add(self, orders: Sequence[Order]) -> None:
        """Insert; ids and idempotency keys are unique."""
        for order in orders:
            key = order.idempotency_key
            if order.id in self._tables.orders or (key is not None and key in self._tables.keys):
                raise Conflict(f"order {order.id} or its idempotency key exists")
            self._write(order)
            self._tables.sent_at[order.id] = order.created_at
            self._tables.attempts[order.id] = None
            if key is not None:
                self._tables.keys[key] = order.id
        self._events.append([order_event(order) for order in orders])

    def find_placed(self, ids: Collection[UUID], idempotency_keys: Collection[str]) -> list[Order]:
        """By id and by key, each order once."""
        keys = self._tables.keys
        wanted = {*ids, *(keys[key] for key in idempotency_keys if key in keys)}
        return [self._tables.steps[key][0] for key in self.lock(wanted)]

    def count_open(self, references: Collection[str]) -> Mapping[str, int]:
        """By a scan over all orders."""
        return Counter(
            order.reference
            for order in self._tables.orders.values()
            if order.reference is not None
            and order.reference in references
            and order.status in OPEN
        )

    def lock(self, ids: Collection[UUID]) -> dict[UUID, Order]:
        """The unit of work holds the one lock already."""
        orders = self._tables.orders
        removed = self._tables.removed_orders
        return {key: orders[key] for key in sorted(ids) if key in orders and key not in removed}

    def save(self, orders: Sequence[Order]) -> None:
        """Checks what the database's constraints check."""
        for order in orders:
            known = self._tables.orders.get(order.id)
            if known is None or known.sequence != order.sequence - 1:
                raise Conflict(f"order {order.id} has taken another step")
            _check_step(known, order)
            self._write(order)
            if order.status is OrderStatus.RESERVED:
                # Whoever makes it so announces it.
                self._tables.sent_at[order.id] = order.updated_at
        self._events.append([order_event(order) for order in orders])

    def expired_holds(
        self, now: datetime, product_ids: Collection[str], limit: int
    ) -> Collection[UUID]:
        """By a scan over all orders."""
        expired = (
            order.id
            for order in self._tables.orders.values()
            if order.status is OrderStatus.HELD
            and order.expires_at is not None
            and order.expires_at <= now
            and any(line.product_id in product_ids for line in order.lines)
        )
        return list(islice(expired, limit))

    def waiting(self, product_ids: Collection[str], limit: int) -> list[Waiting]:
        """By a scan over all orders."""
        found = [
            Waiting(order_id=order.id, product_id=line.product_id, units=line.backordered)
            for order in self._tables.orders.values()
            for line in order.lines
            if line.backordered and line.product_id in product_ids
        ]
        found.sort(key=lambda each: self._tables.waiting[each.order_id, each.product_id])
        return [
            each
            for product_id in product_ids
            for each in islice((x for x in found if x.product_id == product_id), limit)
        ]

    def _write(self, order: Order) -> None:
        # What was expected belongs to the step; when the order is shown, it is asked anew.
        self._tables.orders[order.id] = order.expecting({})
        self._tables.steps[order.id] = (*self._tables.steps.get(order.id, ()), order)
        for line in order.lines:
            if order.status is OrderStatus.HELD:
                self._note_hold(line.product_id, order.expires_at)
            if line.backordered:
                self._tables.waiting.setdefault(
                    (order.id, line.product_id), self._database.next_id()
                )

    def ended_before(self, moment: datetime, limit: int) -> list[UUID]:
        """By a scan over all orders."""
        ended = nsmallest(limit, ((o.updated_at, o.id) for o in self._ended_before(moment)))
        return [order_id for _, order_id in ended]

    def count_ended_before(self, moment: datetime) -> int:
        """Likewise."""
        return len(self._ended_before(moment))

    def _ended_before(self, moment: datetime) -> list[Order]:
        orders = self.lock(self._tables.orders).values()
        return [o for o in orders if o.status in ENDED and o.updated_at < moment]

    def remove(self, orders: Sequence[Order]) -> None:
        """They are gone with the commit."""
        for order in orders:
            if not self.lock([order.id]):
                raise Conflict(f"order {order.id} is not there")
            self._tables.removed_orders[order.id] = True

    def record_failures(self, failures: Mapping[UUID, Attempt], at: datetime) -> None:
        """Only a reserved order is tried again."""
        for order in self.lock(failures).values():
            if order.status is OrderStatus.RESERVED:
                self._tables.attempts[order.id] = failures[order.id]
                self._tables.sent_at[order.id] = at

    def claim_unfulfilled(self, sent_before: datetime, now: datetime, limit: int) -> list[UUID]:
        """By a scan over all orders."""
        by_age = sorted(self._tables.sent_at.items(), key=lambda item: (item[1], item[0]))
        due = (
            order_id
            for order_id, sent_at in by_age
            if sent_at < sent_before
            and self._tables.orders[order_id].status is OrderStatus.RESERVED
        )
        taken = list(islice(due, limit))
        self.mark_sent(taken, now)
        self._tables.attempts.update(dict.fromkeys(taken))
        return taken

    def mark_sent(self, ids: Collection[UUID], at: datetime) -> None:
        """Update those that are known."""
        known = (order_id for order_id in ids if order_id in self._tables.orders)
        self._tables.sent_at.update(dict.fromkeys(known, at))

    def _note_hold(self, product_id: str, expires_at: datetime | None) -> None:
        level = self._tables.central[product_id]
        first = min(filter(None, (level.holds_expire_at, expires_at)), default=None)
        self._tables.central[product_id] = attrs.evolve(level, holds_expire_at=first)


def _check_step(before: Order, after: Order) -> None:
    if after.status is not before.status and after.status not in STEPS[before.status]:
        raise ConstraintViolated(f"order {after.id} is {before.status}: no such step")
    if any(not 0 <= part.returned <= part.quantity for part in after.allocations):
        raise ConstraintViolated("more would come back than was allocated")

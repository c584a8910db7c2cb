"""Orders in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from heapq import nsmallest
from itertools import islice
from uuid import UUID

from ...domain.errors import Conflict, ConstraintViolated
from ...domain.order import ENDED, Order, OrderStatus
from .tables import Tables


class MemoryOrders:
    """OrderRepository on memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, orders: Sequence[Order]) -> None:
        """Insert; ids and idempotency keys are unique."""
        for order in orders:
            key = order.idempotency_key
            if order.id in self._tables.orders or (key is not None and key in self._tables.keys):
                raise Conflict(f"order {order.id} or its idempotency key exists")
            self._tables.orders[order.id] = order
            self._tables.sent_at[order.id] = order.created_at
            self._tables.failed_attempts[order.id] = 0
            if key is not None:
                self._tables.keys[key] = order.id

    def find(self, ids: Collection[UUID], idempotency_keys: Collection[str]) -> list[Order]:
        """By id and by key, each order once."""
        keys = self._tables.keys
        wanted = {*ids, *(keys[key] for key in idempotency_keys if key in keys)}
        return list(self.lock(wanted).values())

    def lock(self, ids: Collection[UUID]) -> dict[UUID, Order]:
        """The unit of work holds the one lock already."""
        orders = self._tables.orders
        removed = self._tables.removed_orders
        return {key: orders[key] for key in sorted(ids) if key in orders and key not in removed}

    def settle(self, orders: Sequence[Order]) -> None:
        """Only a reserved order can be settled."""
        for order in orders:
            known = self._tables.orders.get(order.id)
            if known is None or known.status is not OrderStatus.RESERVED:
                raise Conflict(f"order {order.id} is not reserved")
            self._tables.orders[order.id] = order

    def give_back(self, orders: Sequence[Order]) -> None:
        """Replace."""
        for order in orders:
            for part in order.allocations:
                if not 0 <= part.returned <= part.quantity:
                    raise ConstraintViolated("more would come back than was allocated")
            self._tables.orders[order.id] = order

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

    def record_failures(self, attempts: Mapping[UUID, int], at: datetime) -> None:
        """Only a reserved order is tried again."""
        for order in self.lock(attempts).values():
            if order.status is OrderStatus.RESERVED:
                self._tables.failed_attempts[order.id] = attempts[order.id]
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
        self._tables.failed_attempts.update(dict.fromkeys(taken, 0))
        return taken

    def mark_sent(self, ids: Collection[UUID], at: datetime) -> None:
        """Update those that are known."""
        known = (order_id for order_id in ids if order_id in self._tables.orders)
        self._tables.sent_at.update(dict.fromkeys(known, at))

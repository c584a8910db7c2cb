"""End the holds whose time is over."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from ..order import OrderStatus
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory
from .stock_changes import release

# Holds, or products, in one transaction.
BATCH = 200


class ExpireHolds:
    """Releases what expired holds have reserved. Doing it again changes nothing.

    Nobody has to wait for it: whoever places an order has it done for the products concerned, and
    whoever reads stock does not count such holds.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock, shared_clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._shared_clock = shared_clock

    def __call__(self, product_ids: Collection[str] | None = None) -> list[UUID]:
        """The holds of these products, or of any, that have expired. Unavailable or Conflict."""
        expired: list[UUID] = []
        more = True
        while more:
            some, more = self._expire_some(product_ids)
            expired += some
        return expired

    def _expire_some(self, product_ids: Collection[str] | None) -> tuple[list[UUID], bool]:
        """Those that have expired, and whether there may be more."""
        shared_now = self._shared_clock.now()
        with self._unit_of_work() as uow:
            due = product_ids
            if due is None:
                due = uow.stock.products_with_due_holds(shared_now, BATCH)
            if not due:
                return [], False
            found = uow.orders.expired_holds(shared_now, due, BATCH)
            now = self._clock.now()
            steps = [
                (order, order.expire(now))
                for order in uow.orders.lock(found).values()
                if order.status is OrderStatus.HELD
                and order.expires_at is not None
                and order.expires_at <= shared_now
            ]
            products = {line.product_id for order, _ in steps for line in order.lines}
            uow.stock.lock(products.union(due))
            release(uow, steps, now)
            uow.stock.refresh_holds(sorted(products.union(due)))
            uow.commit()
        return [order.id for order, _ in steps], len(found) == BATCH

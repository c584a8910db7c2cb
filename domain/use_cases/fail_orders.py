"""Give up orders that cannot be fulfilled, and release what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from ..order import OrderStatus
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory
from .stock_changes import release


class FailOrders:
    """Marks a batch of orders failed. An order that has already ended stays as it is."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, reasons: Mapping[UUID, str]) -> None:
        """Fail each order for its reason, in one transaction. Raises Unavailable or Conflict."""
        with self._unit_of_work() as uow:
            now = self._clock.now()
            steps = [
                (order, order.fail(reasons[order.id], now))
                for order in uow.orders.lock(reasons).values()
                if order.status is OrderStatus.RESERVED
            ]
            if steps:
                release(uow, steps, now)
                uow.commit()

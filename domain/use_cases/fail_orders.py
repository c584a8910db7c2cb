"""Give up orders that cannot be fulfilled, and release what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from ..order import Order, OrderStatus
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..stock import released


class FailOrders:
    """Marks a batch of orders failed. An order that has already ended stays as it is."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, reasons: Mapping[UUID, str]) -> None:
        """Fail each order for its reason, in one transaction. Raises Unavailable or Conflict."""
        with self._unit_of_work() as uow:
            now = self._clock.now()
            failed = [
                order.fail(reasons[order.id], now)
                for order in uow.orders.lock(reasons).values()
                if order.status is OrderStatus.RESERVED
            ]
            if failed:
                release(uow, failed, now)
                uow.commit()


def release(uow: UnitOfWork, ended: Sequence[Order], now: datetime) -> None:
    """Settle orders that are locked, and give up what they have reserved."""
    changes = released(ended)
    uow.stock.lock([change.product_id for change in changes])
    uow.orders.settle(ended)
    uow.stock.change(changes, now)

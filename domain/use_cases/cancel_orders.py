"""Withdraw orders that are not fulfilled yet, and release what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from ..errors import IllegalTransition, UnknownOrder
from ..order import Order, OrderStatus
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory
from .fail_orders import release

Cancelled = Order | IllegalTransition | UnknownOrder


class CancelOrders:
    """Cancels a batch of orders. Doing it again changes nothing."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, order_ids: Sequence[UUID]) -> Mapping[UUID, Cancelled]:
        """For each id its cancelled order, or why it is none; in one transaction.

        A worker that fulfils an order meanwhile waits for us, or we for it: one of both wins.
        Raises Unavailable or Conflict for all of them together.
        """
        with self._unit_of_work() as uow:
            now = self._clock.now()
            orders = uow.orders.lock(order_ids)
            cancelled = {
                order.id: order.cancel(now)
                for order in orders.values()
                if order.status is OrderStatus.RESERVED
            }
            if cancelled:
                release(uow, [*cancelled.values()], now)
                uow.commit()
        found = {**orders, **cancelled}
        return {order_id: _outcome(order_id, found.get(order_id)) for order_id in order_ids}


def _outcome(order_id: UUID, order: Order | None) -> Cancelled:
    if order is None:
        return UnknownOrder(order_id)
    if order.status is OrderStatus.CANCELLED:
        return order
    return IllegalTransition(order_id, order.status, "be cancelled")

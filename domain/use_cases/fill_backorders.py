"""Give orders what they wait for, as soon as it is there, oldest first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from ..order import Order, OrderStatus
from ..ports.clock import Clock
from ..ports.order_repository import Waiting
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..stock import CentralStock, StockDelta

# Products in one transaction, and orders of each.
PRODUCTS = 50
BATCH = 100


class FillBackorders:
    """Reserves what has come in for the orders that wait for it.

    Until then it is sold to nobody: what is waited for is not available. An order that waits for
    nothing any more is announced to the workers.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self) -> list[UUID]:
        """The orders that are reserved now. Raises Unavailable or Conflict."""
        reserved: list[UUID] = []
        while True:
            some, filled = self._fill_some()
            reserved += some
            if not filled:
                return reserved

    def _fill_some(self) -> tuple[list[UUID], bool]:
        """The orders that are reserved now, and whether anything was filled."""
        with self._unit_of_work() as uow:
            product_ids = uow.stock.fillable(PRODUCTS)
            if not product_ids:
                return [], False
            candidates = {x.order_id for x in uow.orders.waiting(product_ids, BATCH)}
            orders = uow.orders.lock(candidates)
            stock = uow.stock.lock(product_ids)
            # Asked again: now nobody comes before them.
            fills = _share_out(stock, uow.orders.waiting(product_ids, BATCH), orders)
            if not fills:
                return [], False
            reserved = self._save(uow, orders, fills)
            uow.commit()
        return reserved, True

    def _save(
        self, uow: UnitOfWork, orders: Mapping[UUID, Order], fills: Mapping[UUID, Counter[str]]
    ) -> list[UUID]:
        now = self._clock.now()
        filled = [orders[order_id].fill(units, now) for order_id, units in fills.items()]
        total: Counter[str] = Counter()
        for units in fills.values():
            total.update(units)
        uow.orders.save(filled)
        # A buyer finds as many available as before.
        uow.stock.change(
            [
                StockDelta(product_id=key, reserved=total[key], backordered=-total[key])
                for key in sorted(total)
            ],
            now,
        )
        reserved = [order.id for order in filled if order.status is OrderStatus.RESERVED]
        if reserved:
            uow.outbox.announce(reserved, now)
        return reserved


def _share_out(
    stock: Mapping[str, CentralStock], waiting: Sequence[Waiting], orders: Mapping[UUID, Order]
) -> dict[UUID, Counter[str]]:
    """By order, how much of each product it gets; nobody is overtaken."""
    left = {product_id: level.free for product_id, level in stock.items()}
    fills: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    for each in waiting:
        order = orders.get(each.order_id)
        if order is None or order.status is not OrderStatus.BACKORDERED:
            # It has begun to wait, or has changed, since we looked: next time.
            left[each.product_id] = 0
        units = min(each.units, left.get(each.product_id, 0))
        if units > 0:
            left[each.product_id] -= units
            fills[each.order_id][each.product_id] += units
    return dict(fills)

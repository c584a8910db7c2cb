"""Remove orders that ended long ago."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import attrs

from ..order import ENDED, Order
from ..ports.clock import Clock
from ..ports.ledger import ARCHIVED
from ..ports.stock_repository import StockRepository
from ..ports.unit_of_work import UnitOfWorkFactory
from ..vendor_sync import StockAdjustment
from .attempts import despite_conflicts
from .forget_old import ForgetOld

# Orders that are removed in one transaction.
BITE = 500


@attrs.frozen(kw_only=True)
class Pruned:
    """What was removed: orders, in so many transactions, and idempotency keys."""

    orders: int
    bites: int
    keys: int


class PruneOrders:
    """Removes old orders that ended, with lines and allocations. No balance changes by it.

    What they took from vendors becomes an entry of the ledger, a vendor's product in each
    transaction. Keys go that are kept no longer. Others may write meanwhile.
    """

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, clock: Clock, forget_keys: ForgetOld
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._forget_keys = forget_keys

    def count(self, older_than: timedelta) -> int:
        """How many orders there are to remove. Raises StorageUnavailable."""
        with self._unit_of_work() as uow:
            return uow.orders.count_ended_before(self._clock.now() - older_than)

    def __call__(self, older_than: timedelta) -> Pruned:
        """Remove all that ended, and did not change for so long.

        What is committed stays so when this raises StorageUnavailable, or Conflict when others keep
        getting in the way: it may simply be called again.
        """
        before = self._clock.now() - older_than
        orders = bites = keys = 0
        while (removed := despite_conflicts(partial(self._remove_some, before))) is not None:
            orders += removed
            bites += 1
        while forgotten := despite_conflicts(self._forget_keys):
            keys += forgotten
        return Pruned(orders=orders, bites=bites, keys=keys)

    def _remove_some(self, before: datetime) -> int | None:
        """How many were removed; None where none are left."""
        with self._unit_of_work() as uow:
            order_ids = uow.orders.ended_before(before, BITE)
            if not order_ids:
                return None
            # One that has changed meanwhile is not so old any more.
            orders = [
                order
                for order in uow.orders.lock(order_ids).values()
                if order.status in ENDED and order.updated_at < before
            ]
            _archive(uow.stock, orders, self._clock.now())
            uow.orders.remove(orders)
            uow.commit()
        return len(orders)


def _archive(stock: StockRepository, orders: Sequence[Order], now: datetime) -> None:
    """Have the ledger say in sums what these orders' allocations say."""
    units: Counter[tuple[str, str]] = Counter()
    for order in orders:
        for part in order.allocations:
            units[part.product_id, part.vendor_id] += part.quantity
    stock.lock({product_id for product_id, _ in units})
    stock.record(
        [
            StockAdjustment(
                vendor_id=vendor_id,
                product_id=product_id,
                delta=-units[product_id, vendor_id],
                cause=ARCHIVED,
                at=now,
            )
            for product_id, vendor_id in sorted(units)
        ]
    )

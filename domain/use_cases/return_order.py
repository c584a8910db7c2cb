"""Take units of a fulfilled order back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from ..errors import UnknownOrder
from ..order import Order, ReturnLine
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..stock import StockDelta
from ..vendor_sync import StockAdjustment
from .attempts import despite_conflicts
from .idempotency import Answer, RequestKey, find_answer, remember_answer
from .stock_changes import change_stock

CAUSE = "return"


class ReturnOrder:
    """Notes what comes back, and puts it on sale again where it came from, if it is to be.

    What is restocked counts as reported by its vendor. The vendor's next report says what it has
    itself, so nothing is counted twice: units that it has not taken in yet go off sale with that.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(
        self,
        order_id: UUID,
        wanted: Sequence[ReturnLine] | None,
        answer: Callable[[Order], str],
        *,
        restock: bool,
        request: RequestKey | None = None,
    ) -> Answer:
        """`wanted` is None for all that is not returned yet. Once for a request with a key.

        Raises UnknownOrder, IllegalTransition, ReturnRefused, IdempotencyKeyReused,
        StorageUnavailable, or Conflict when others keep getting in the way.
        """
        return despite_conflicts(lambda: self._return(order_id, wanted, answer, restock, request))

    def _return(
        self,
        order_id: UUID,
        wanted: Sequence[ReturnLine] | None,
        answer: Callable[[Order], str],
        restock: bool,
        request: RequestKey | None,
    ) -> Answer:
        with self._unit_of_work() as uow:
            order = uow.orders.lock([order_id]).get(order_id)
            if earlier := find_answer(uow, request):
                return earlier
            if order is None:
                raise UnknownOrder(order_id)
            now = self._clock.now()
            returned = order.give_back(wanted, now)
            uow.orders.save([returned])
            if restock:
                _restock(uow, _units(order, returned), now)
            given = remember_answer(uow, request, answer(returned), now)
            uow.commit()
        return given


def _units(before: Order, after: Order) -> dict[tuple[str, str], int]:
    """How much comes back, by product and vendor."""
    pairs = zip(before.allocations, after.allocations, strict=True)
    return {
        (old.product_id, old.vendor_id): new.returned - old.returned
        for old, new in pairs
        if new.returned > old.returned
    }


def _restock(uow: UnitOfWork, units: Mapping[tuple[str, str], int], now: datetime) -> None:
    product_ids = {product_id for product_id, _ in units}
    stock = uow.stock.lock(product_ids)
    levels = [
        level
        for level in uow.stock.lock_vendor_stock(product_ids)
        if (level.product_id, level.vendor_id) in units
    ]
    changes: dict[str, StockDelta] = {}
    for level in levels:
        more = units[level.product_id, level.vendor_id]
        before = changes.get(level.product_id, StockDelta(product_id=level.product_id))
        changes[level.product_id] = attrs.evolve(
            before,
            on_hand=before.on_hand + more,
            stale=before.stale + (more if level.stale else 0),
        )
    uow.stock.upsert_vendor_stock(
        [
            attrs.evolve(
                level,
                available=level.available + units[level.product_id, level.vendor_id],
                reported=level.reported + units[level.product_id, level.vendor_id],
            )
            for level in levels
        ]
    )
    uow.stock.record(
        [
            StockAdjustment(
                vendor_id=vendor_id, product_id=product_id, delta=delta, cause=CAUSE, at=now
            )
            for (product_id, vendor_id), delta in units.items()
        ]
    )
    change_stock(uow, stock, [changes[key] for key in sorted(changes)], now)

"""Fulfil reserved orders: choose vendors and deduct from central and vendor stock together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from ..allocation import TOP_VENDOR_POLICIES, AllocationPolicy, VendorAllocations
from ..errors import UnknownOrder
from ..order import Allocation, Order, OrderStatus
from ..ports.clock import Clock
from ..ports.stock_repository import StockRepository
from ..ports.unit_of_work import UnitOfWorkFactory
from ..stock import VendorStock, units_of

Outcome = Order | Exception


class FulfilOrders:
    """Fulfils a batch of orders. Doing it again changes nothing."""

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, clock: Clock, policy: AllocationPolicy
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._policy = policy

    def __call__(self, order_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
        """For each id its settled order, or the error that kept it reserved; in one transaction.

        An order's own error (UnknownOrder, VendorShortage, InvalidPlan, or whatever the policy
        raised) leaves the others unharmed. Raises Unavailable or Conflict for all of them together.
        """
        with self._unit_of_work() as uow:
            orders = uow.orders.lock(order_ids)
            # Oldest first, as ids are UUIDv7, in whatever order their messages come back.
            open_orders = [
                orders[order_id]
                for order_id in sorted(orders)
                if orders[order_id].status is OrderStatus.RESERVED
            ]
            demand = units_of(open_orders)
            allocations = VendorAllocations(self._stock(uow.stock, demand), self._policy)
            planned = {order.id: _plan(order, allocations) for order in open_orders}
            now = self._clock.now()
            decided = {order.id: _decide(order, planned[order.id], now) for order in open_orders}
            fulfilled = [order for order in decided.values() if isinstance(order, Order)]
            if fulfilled:
                uow.orders.save(fulfilled)
                uow.stock.change_vendors(allocations.vendor_changes())
                uow.stock.change(allocations.central_changes(), now)
                uow.commit()
        return {order_id: _outcome(order_id, orders, decided) for order_id in order_ids}

    def _stock(self, stock: StockRepository, demand: Mapping[str, int]) -> list[VendorStock]:
        """As many vendors as the policy may look at.

        Each vendor that gets a part gets a unit at least. So before each order, of as many of the
        highest as there are units demanded, those untouched are enough for it, and still higher
        than any that were left out.
        """
        if self._policy in TOP_VENDOR_POLICIES:
            return stock.lock_top_vendors(demand)
        return stock.lock_vendor_stock(demand)


def _plan(order: Order, allocations: VendorAllocations) -> list[Allocation] | Exception:
    try:
        return allocations.allocate(order)
    except Exception as error:  # noqa: BLE001 - a bug in a policy must not sink the batch
        return error


def _decide(order: Order, plan: list[Allocation] | Exception, now: datetime) -> Outcome:
    return plan if isinstance(plan, Exception) else order.fulfil(plan, now)


def _outcome(
    order_id: UUID, orders: Mapping[UUID, Order], decided: Mapping[UUID, Outcome]
) -> Outcome:
    if order_id not in orders:
        return UnknownOrder(order_id)
    return decided.get(order_id, orders[order_id])

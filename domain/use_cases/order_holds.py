"""Turn holds into orders, without letting go of their stock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from ..errors import HoldExpired, InsufficientStock, TooManyOpenOrders, UnknownOrder
from ..order import Order, OrderStatus
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..stock import CentralStock, Reservations
from .attempts import despite_conflicts
from .idempotency import Answer, RequestKey, find_answer, remember_answer
from .order_limits import OpenOrders, OrderLimits
from .stock_changes import change_stock


@attrs.frozen(kw_only=True)
class OrderHold:
    """A wish for the order of a hold."""

    order_id: UUID
    # Who wants it; None: it is not known.
    by: str | None = None
    # What names the trace of the request, if it is traced.
    trace: str | None = None


Ordered = Order | HoldExpired | InsufficientStock | TooManyOpenOrders | UnknownOrder


class OrderHolds:
    """Orders a batch of holds, and announces them. To order one again changes nothing.

    After its time the stock of a hold is taken again, if it is there.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        shared_clock: Clock,
        limits: OrderLimits | None = None,
    ) -> None:
        """`shared_clock`: the one by which holds expire in all processes."""
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._shared_clock = shared_clock
        self._limits = limits or OrderLimits()

    def __call__(self, commands: Sequence[OrderHold]) -> Mapping[UUID, Ordered]:
        """For each hold its order, or why there is none; in one transaction.

        Raises Unavailable or Conflict for all of them together.
        """
        shared_now = self._shared_clock.now()
        with self._unit_of_work() as uow:
            holds = uow.orders.lock([command.order_id for command in commands])
            outcomes = self._order(uow, holds, commands, shared_now)
            uow.commit()
        return outcomes

    def once(
        self,
        command: OrderHold,
        answer: Callable[[Order], str],
        request: RequestKey | None = None,
    ) -> Answer:
        """Order one hold, once for a request with a key.

        Raises UnknownOrder for what was never held, HoldExpired where it was given up, or is over
        and others have reserved what it held, InsufficientStock likewise, TooManyOpenOrders where
        it would be open again, IdempotencyKeyReused, Unavailable, or Conflict when others keep
        getting in the way.
        """
        return despite_conflicts(lambda: self._order_once(command, answer, request))

    def _order_once(
        self, command: OrderHold, answer: Callable[[Order], str], request: RequestKey | None
    ) -> Answer:
        order_id, shared_now = command.order_id, self._shared_clock.now()
        with self._unit_of_work() as uow:
            holds = uow.orders.lock([order_id])
            if earlier := find_answer(uow, request):
                return earlier
            outcome = self._order(uow, holds, [command], shared_now)[order_id]
            if not isinstance(outcome, Order):
                raise outcome
            if outcome.sequence == holds[order_id].sequence:
                return Answer(text=answer(outcome), replayed=True)
            given = remember_answer(uow, request, answer(outcome), outcome.updated_at)
            uow.commit()
        return given

    def _order(
        self,
        uow: UnitOfWork,
        holds: Mapping[UUID, Order],
        commands: Sequence[OrderHold],
        shared_now: datetime,
    ) -> Mapping[UUID, Ordered]:
        now = self._clock.now()
        late = [hold for hold in holds.values() if _is_late(hold, shared_now)]
        ended = [hold for hold in late if hold.status is OrderStatus.EXPIRED]
        open_orders = self._limits.open_orders(uow, (hold.reference for hold in ended))
        stock = uow.stock.lock({line.product_id for hold in late for line in hold.lines})
        batch = _Batch(stock, open_orders, shared_now, now)
        outcomes = {
            command.order_id: batch.order(command, holds.get(command.order_id))
            for command in commands
        }
        ordered = [
            outcome
            for key, outcome in outcomes.items()
            if isinstance(outcome, Order) and outcome.sequence != holds[key].sequence
        ]
        if ordered:
            uow.orders.save(ordered)
            change_stock(uow, stock, batch.reservations.changes(), now)
            traces = {each.order_id: each.trace for each in commands if each.trace is not None}
            uow.outbox.announce([order.id for order in ordered], now, traces)
        return outcomes


class _Batch:
    """Orders one hold after the other; the stock of those that are late is locked."""

    def __init__(
        self,
        stock: Mapping[str, CentralStock],
        open_orders: OpenOrders,
        shared_now: datetime,
        now: datetime,
    ) -> None:
        self._stock = stock
        self._open_orders = open_orders
        self._shared_now = shared_now
        self._now = now
        self.reservations = Reservations(stock)

    def order(self, command: OrderHold, hold: Order | None) -> Ordered:
        if hold is None or hold.expires_at is None:
            return UnknownOrder(command.order_id)
        if hold.status is OrderStatus.CANCELLED:
            return HoldExpired(hold.id, hold.status)
        if hold.status is OrderStatus.EXPIRED:
            return self._order_again(hold, command.by)
        if hold.status is not OrderStatus.HELD:
            return hold
        if _is_late(hold, self._shared_now) and not self._is_still_there(hold):
            return HoldExpired(hold.id, OrderStatus.EXPIRED)
        return hold.confirm(self._now).asked_by(command.by)

    def _order_again(self, hold: Order, by: str | None) -> Ordered:
        try:
            self._open_orders.require_room(hold.reference)
            self.reservations.reserve([line for line in hold.lines if line.units])
        except (InsufficientStock, TooManyOpenOrders) as refusal:
            return refusal
        self._open_orders.add(hold.reference)
        return hold.confirm(self._now).asked_by(by)

    def _is_still_there(self, hold: Order) -> bool:
        """Whether nobody waits for what it still has, as nobody has ended it yet."""
        levels = [self._stock[line.product_id] for line in hold.lines]
        return all(level.free >= level.backordered for level in levels)


def _is_late(hold: Order, now: datetime) -> bool:
    if hold.expires_at is None:
        return False
    return hold.status is OrderStatus.EXPIRED or (
        hold.status is OrderStatus.HELD and hold.expires_at <= now
    )

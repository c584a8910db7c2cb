"""Withdraw orders that are not fulfilled yet, or parts of them, and release what they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from ..errors import CancelRefused, IllegalTransition, UnknownOrder
from ..order import Order, OrderLine, OrderStatus
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from .attempts import despite_conflicts
from .idempotency import Answer, RequestKey, find_answer, remember_answer
from .stock_changes import release

Cancelled = Order | IllegalTransition | CancelRefused | UnknownOrder


@attrs.frozen(kw_only=True)
class CancelOrder:
    """A wish to withdraw an order, or these units of it."""

    order_id: UUID
    lines: tuple[OrderLine, ...] | None = None
    # Who wants it; None: it is not known.
    by: str | None = None


class CancelOrders:
    """Cancels a batch of orders. To cancel a whole one again changes nothing."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, commands: Sequence[CancelOrder]) -> Mapping[UUID, Cancelled]:
        """For each order what it is now, or why it stays; in one transaction.

        A worker that fulfils an order meanwhile waits for us, or we for it: one of both wins. Each
        order may be named once. Raises Unavailable or Conflict for all of them together.
        """
        with self._unit_of_work() as uow:
            outcomes = self._cancel(uow, commands)
            uow.commit()
        return outcomes

    def once(
        self, command: CancelOrder, answer: Callable[[Order], str], request: RequestKey | None
    ) -> Answer:
        """Cancel one order, once for a request with a key.

        Raises what it was refused for, IdempotencyKeyReused, Unavailable, or Conflict when others
        keep getting in the way.
        """
        return despite_conflicts(lambda: self._cancel_once(command, answer, request))

    def _cancel_once(
        self, command: CancelOrder, answer: Callable[[Order], str], request: RequestKey | None
    ) -> Answer:
        with self._unit_of_work() as uow:
            uow.orders.lock([command.order_id])
            if earlier := find_answer(uow, request):
                return earlier
            outcome = self._cancel(uow, [command])[command.order_id]
            if not isinstance(outcome, Order):
                raise outcome
            given = remember_answer(uow, request, answer(outcome), self._clock.now())
            uow.commit()
        return given

    def _cancel(self, uow: UnitOfWork, commands: Sequence[CancelOrder]) -> Mapping[UUID, Cancelled]:
        now = self._clock.now()
        orders = uow.orders.lock([command.order_id for command in commands])
        outcomes = {c.order_id: _outcome(orders.get(c.order_id), c, now) for c in commands}
        steps = [
            (orders[key], outcome)
            for key, outcome in outcomes.items()
            if isinstance(outcome, Order) and outcome.sequence != orders[key].sequence
        ]
        release(uow, steps, now)
        reserved = [
            after.id
            for before, after in steps
            if before.status is OrderStatus.BACKORDERED and after.status is OrderStatus.RESERVED
        ]
        if reserved:
            uow.outbox.announce(reserved, now)
        return outcomes


def _outcome(order: Order | None, command: CancelOrder, now: datetime) -> Cancelled:
    if order is None:
        return UnknownOrder(command.order_id)
    if order.status is OrderStatus.CANCELLED and command.lines is None:
        return order
    try:
        return order.cancel(now, command.lines).asked_by(command.by)
    except (IllegalTransition, CancelRefused) as refusal:
        return refusal

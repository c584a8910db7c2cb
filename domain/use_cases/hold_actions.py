"""What else can be done with a hold: extend it, give it up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import attrs

from ..errors import HoldExpired, UnknownOrder
from ..order import Order, OrderStatus
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from .attempts import despite_conflicts
from .idempotency import Answer, RequestKey, find_answer, remember_answer
from .stock_changes import release

Render = Callable[[Order], str]


@attrs.frozen(kw_only=True)
class ExtendHold:
    """A wish to hold something for so long from now on."""

    order_id: UUID
    span: timedelta
    # Who wants it; None: it is not known.
    by: str | None = None


class HoldActions:
    """Steps of one hold. Each is taken once for a request with a key.

    Each raises UnknownOrder for what was never held, HoldExpired where the hold is over,
    IdempotencyKeyReused, Unavailable, or Conflict when others keep getting in the way.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock, shared_clock: Clock) -> None:
        """`shared_clock`: the one by which holds expire in all processes."""
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._shared_clock = shared_clock

    def extend(
        self, command: ExtendHold, answer: Render, request: RequestKey | None = None
    ) -> Answer:
        """Hold it for so long from now on."""
        return despite_conflicts(lambda: self._extend(command, answer, request))

    def release(
        self, order_id: UUID, request: RequestKey | None = None, *, by: str | None = None
    ) -> Answer:
        """Give it up, as somebody wants; to do so again changes nothing."""
        return despite_conflicts(lambda: self._release(order_id, request, by))

    def _extend(self, command: ExtendHold, answer: Render, request: RequestKey | None) -> Answer:
        shared_now = self._shared_clock.now()
        with self._unit_of_work() as uow:
            hold = _locked(uow, command.order_id)
            if earlier := find_answer(uow, request):
                return earlier
            _require_held(hold, shared_now)
            now = self._clock.now()
            extended = hold.extend(shared_now + command.span, now).asked_by(command.by)
            uow.orders.save([extended])
            given = remember_answer(uow, request, answer(extended), now)
            uow.commit()
        return given

    def _release(self, order_id: UUID, request: RequestKey | None, by: str | None) -> Answer:
        shared_now = self._shared_clock.now()
        with self._unit_of_work() as uow:
            hold = _locked(uow, order_id)
            if earlier := find_answer(uow, request):
                return earlier
            now = self._clock.now()
            if hold.status is OrderStatus.HELD:
                over = _is_over(hold, shared_now)
                step = hold.expire(now) if over else hold.cancel(now).asked_by(by)
                release(uow, [(hold, step)], now)
            elif hold.status not in (OrderStatus.CANCELLED, OrderStatus.EXPIRED):
                raise HoldExpired(order_id, "an order already")
            given = remember_answer(uow, request, "", now)
            uow.commit()
        return given


def _locked(uow: UnitOfWork, order_id: UUID) -> Order:
    order = uow.orders.lock([order_id]).get(order_id)
    if order is None or order.expires_at is None:
        raise UnknownOrder(order_id)
    return order


def _is_over(hold: Order, now: datetime) -> bool:
    return (
        hold.status is OrderStatus.HELD and hold.expires_at is not None and hold.expires_at <= now
    )


def _require_held(hold: Order, now: datetime) -> None:
    if hold.status is not OrderStatus.HELD:
        raise HoldExpired(hold.id, hold.status)
    if _is_over(hold, now):
        raise HoldExpired(hold.id, OrderStatus.EXPIRED)

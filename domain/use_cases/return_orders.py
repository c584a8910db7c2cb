"""Take units of fulfilled orders back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from ..errors import IllegalTransition, ReturnRefused, UnknownOrder
from ..order import Order, ReturnLine
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..stock import StockDelta
from ..vendor_sync import StockAdjustment
from .attempts import despite_conflicts
from .idempotency import Answer, RequestKey, find_answer, remember_answer
from .stock_changes import change_stock

CAUSE = "return"


Returned = Order | IllegalTransition | ReturnRefused | UnknownOrder


@attrs.frozen(kw_only=True)
class ReturnOrder:
    """Units that come back: these, or all that have not yet. Restocked, they go on sale again."""

    order_id: UUID
    lines: tuple[ReturnLine, ...] | None = None
    restock: bool = True
    # Who takes them; None: it is not known.
    by: str | None = None


class ReturnOrders:
    """Notes what comes back of a batch of orders, and restocks it where it came from.

    What is restocked counts as reported by its vendor. The vendor's next report says what it has
    itself, so nothing is counted twice: units that it has not taken in yet go off sale with that.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, commands: Sequence[ReturnOrder]) -> Mapping[UUID, Returned]:
        """For each order what it is now, or why it stays; in one transaction.

        Each order may be named once. Raises Unavailable or Conflict for all of them together.
        """
        with self._unit_of_work() as uow:
            outcomes = self._return(uow, commands)
            uow.commit()
        return outcomes

    def once(
        self, command: ReturnOrder, answer: Callable[[Order], str], request: RequestKey | None
    ) -> Answer:
        """Take one order back, once for a request with a key.

        Raises what it was refused for, IdempotencyKeyReused, Unavailable, or Conflict when others
        keep getting in the way.
        """
        return despite_conflicts(lambda: self._return_once(command, answer, request))

    def _return_once(
        self, command: ReturnOrder, answer: Callable[[Order], str], request: RequestKey | None
    ) -> Answer:
        with self._unit_of_work() as uow:
            uow.orders.lock([command.order_id])
            if earlier := find_answer(uow, request):
                return earlier
            outcome = self._return(uow, [command])[command.order_id]
            if not isinstance(outcome, Order):
                raise outcome
            given = remember_answer(uow, request, answer(outcome), outcome.updated_at)
            uow.commit()
        return given

    def _return(self, uow: UnitOfWork, commands: Sequence[ReturnOrder]) -> Mapping[UUID, Returned]:
        now = self._clock.now()
        orders = uow.orders.lock([command.order_id for command in commands])
        outcomes = {c.order_id: _outcome(orders.get(c.order_id), c, now) for c in commands}
        returned = [outcome for outcome in outcomes.values() if isinstance(outcome, Order)]
        uow.orders.save(returned)
        restocked = {command.order_id for command in commands if command.restock}
        pairs = [(orders[x.id], x) for x in returned if x.id in restocked]
        units = [part for before, after in pairs for part in _units(before, after)]
        if kept := _of_those_that_are_there(uow, units):
            _restock(uow, kept, now)
        return outcomes


def _outcome(order: Order | None, command: ReturnOrder, now: datetime) -> Returned:
    if order is None:
        return UnknownOrder(command.order_id)
    try:
        return order.give_back(command.lines, now).asked_by(command.by)
    except (IllegalTransition, ReturnRefused) as refusal:
        return refusal


@attrs.frozen
class _Part:
    """So many units of a product that come back to a vendor."""

    product_id: str
    vendor_id: str
    units: int


def _units(before: Order, after: Order) -> list[_Part]:
    """What comes back of one order."""
    pairs = zip(before.allocations, after.allocations, strict=True)
    return [
        _Part(old.product_id, old.vendor_id, new.returned - old.returned)
        for old, new in pairs
        if new.returned > old.returned
    ]


def _of_those_that_are_there(uow: UnitOfWork, parts: Sequence[_Part]) -> list[_Part]:
    """Without those of vendors that have retired: nothing of theirs is sold."""
    vendor_ids = sorted({part.vendor_id for part in parts})
    retired = {key for key in vendor_ids if uow.stock.lock_vendor(key) is None}
    return [part for part in parts if part.vendor_id not in retired]


def _restock(uow: UnitOfWork, parts: Sequence[_Part], now: datetime) -> None:
    units: Counter[tuple[str, str]] = Counter()
    for part in parts:
        units[part.product_id, part.vendor_id] += part.units
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
                vendor_id=part.vendor_id,
                product_id=part.product_id,
                delta=part.units,
                cause=CAUSE,
                at=now,
            )
            for part in parts
        ]
    )
    change_stock(uow, stock, [changes[key] for key in sorted(changes)], now)

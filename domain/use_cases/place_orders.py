"""Accept orders and holds: reserve central stock and announce it, all in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import attrs

from ..errors import Conflict, IdempotencyKeyReused, InvalidValue, OrderRefused
from ..order import (
    MAX_REFERENCE_LENGTH,
    OnShortage,
    Order,
    OrderLine,
    OrderStatus,
    by_whom,
    check_lines,
    merged,
)
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..stock import CentralStock, Reservations
from ..values import check_text
from .expire_holds import ExpireHolds
from .order_limits import OpenOrders, OrderLimits
from .stock_changes import change_stock

ATTEMPTS = 5
# How often what expires meanwhile is looked for before an order is decided.
EXPIRY_ROUNDS = 3
MAX_KEY_LENGTH = 255
DEFAULT_HOLD = timedelta(minutes=10)
MAX_HOLD = timedelta(hours=24)


def check_hold(span: timedelta, field: str) -> None:
    """Raise InvalidValue unless a hold may last so long."""
    if not timedelta(seconds=1) <= span <= MAX_HOLD:
        raise InvalidValue(field, f"must be from 1 to {MAX_HOLD.total_seconds():.0f} seconds")


@attrs.frozen(kw_only=True)
class PlaceOrder:
    """A wish for an order. Its id is the caller's: a new UUIDv7, the same one for a new attempt."""

    order_id: UUID
    # Those of the same product count as one.
    lines: tuple[OrderLine, ...] = attrs.field(converter=merged)
    idempotency_key: str | None = attrs.field(default=None)
    reference: str | None = attrs.field(default=None)
    on_shortage: OnShortage = OnShortage.FAIL
    # Of the order that waits for what is not there for one that is to be split.
    rest_order_id: UUID | None = attrs.field(default=None)
    # So long it is a hold; None: it is an order at once.
    hold_for: timedelta | None = attrs.field(default=None)
    request_id: str | None = None
    # What names the trace of the request, if it is traced.
    trace: str | None = None
    # Whose key it is: with the same one, another asks for other.
    caller: str | None = None
    # Who wants it; None: it is not known.
    by: str | None = None

    @lines.validator
    def _valid_lines(self, _attribute: object, lines: Sequence[OrderLine]) -> None:
        check_lines(lines)

    @idempotency_key.validator
    def _valid_key(self, _attribute: object, key: str | None) -> None:
        if key is not None:
            check_text(key, "idempotency_key", MAX_KEY_LENGTH)

    @reference.validator
    def _valid_reference(self, _attribute: object, reference: str | None) -> None:
        if reference is not None:
            check_text(reference, "reference", MAX_REFERENCE_LENGTH)

    @rest_order_id.validator
    def _valid_rest(self, _attribute: object, rest_order_id: UUID | None) -> None:
        if (rest_order_id is None) == (self.on_shortage is OnShortage.SPLIT):
            raise InvalidValue("rest_order_id", "goes with an order that is to be split")

    @hold_for.validator
    def _valid_hold(self, _attribute: object, hold_for: timedelta | None) -> None:
        if hold_for is not None:
            check_hold(hold_for, "seconds")

    def digest(self) -> str:
        """The same for all commands that ask for the same."""
        lines = sorted((line.product_id, line.quantity) for line in self.lines)
        asked: tuple[object, ...] = (
            lines,
            self.reference,
            self.on_shortage.value,
            self.hold_for,
        )
        if self.caller is not None:
            asked += (self.caller,)
        return hashlib.sha256(repr(asked).encode()).hexdigest()


class PlaceOrders:
    """Accepts a batch of orders, first come, first served."""

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        shared_clock: Clock | None = None,
        limits: OrderLimits | None = None,
    ) -> None:
        """`shared_clock`: the one by which holds expire in all processes, where there is one."""
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._shared_clock = shared_clock or clock
        self._limits = limits or OrderLimits()
        self._expire_holds = ExpireHolds(unit_of_work, clock, self._shared_clock)
        # Whether there may be holds to watch: else the shared clock is not asked.
        self._holds = False

    def __call__(
        self, commands: Sequence[PlaceOrder], *, recheck: bool = False
    ) -> list[Order | OrderRefused]:
        """For each command its order as it was placed, or why it was refused.

        All in one transaction, after another for holds that have just expired. `recheck`: an
        earlier attempt may have been committed, so look for its orders first. Raises
        StorageUnavailable, or Conflict when other transactions keep getting in the way.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return self._place(commands, recheck)
            except Conflict:
                # Most likely an idempotency key that another process used first: find its order.
                recheck = True
        return self._place(commands, recheck)

    def _place(self, commands: Sequence[PlaceOrder], recheck: bool) -> list[Order | OrderRefused]:
        product_ids = {line.product_id for c in commands for line in c.lines}
        for rounds_left in reversed(range(EXPIRY_ROUNDS)):
            now = self._hold_time(commands)
            with self._unit_of_work() as uow:
                open_orders = self._limits.open_orders(uow, (c.reference for c in commands))
                locked = _Locked(open_orders, uow.stock.lock(product_ids))
                due = self._due(locked.stock, now) if rounds_left else ()
                if not due:
                    return self._decide(uow, locked, commands, now, recheck)
            if now is not None:
                self._expire_holds(due)
        raise AssertionError("the last round decides")

    def _hold_time(self, commands: Sequence[PlaceOrder]) -> datetime | None:
        """What holds are timed by; None while there are none."""
        if self._holds or any(command.hold_for is not None for command in commands):
            return self._shared_clock.now()
        return None

    def _due(self, stock: Mapping[str, CentralStock], now: datetime | None) -> Collection[str]:
        """The products of which a hold may have expired."""
        held = {x.product_id: x.holds_expire_at for x in stock.values() if x.holds_expire_at}
        self._holds = bool(held)
        return [key for key, at in held.items() if now is None or at <= now]

    def _decide(
        self,
        uow: UnitOfWork,
        locked: _Locked,
        commands: Sequence[PlaceOrder],
        hold_time: datetime | None,
        recheck: bool,
    ) -> list[Order | OrderRefused]:
        now = self._clock.now()
        earlier = _earlier(uow, commands, recheck)
        batch = _Batch(now, hold_time or now, locked, self._limits, earlier)
        outcomes = [batch.place(command) for command in commands]
        waiting = [x for x in batch.accepted if x.status is OrderStatus.BACKORDERED]
        if waiting:
            told = _with_expectations(uow, waiting, now)
            batch.accepted = [told.get(x.id, x) for x in batch.accepted]
            outcomes = [told.get(x.id, x) if isinstance(x, Order) else x for x in outcomes]
        if batch.accepted:
            uow.orders.add(batch.accepted)
            change_stock(uow, locked.stock, batch.reservations.changes(), now)
            reserved = [x.id for x in batch.accepted if x.status is OrderStatus.RESERVED]
            if reserved:
                traces = {c.order_id: c.trace for c in commands if c.trace is not None}
                uow.outbox.announce(reserved, now, traces)
            uow.commit()
        return outcomes


@attrs.frozen
class _Locked:
    """What nobody else changes before the unit of work ends."""

    open_orders: OpenOrders
    stock: Mapping[str, CentralStock]


class _Batch:
    """Decides one command after the other against the same locked stock."""

    def __init__(
        self,
        now: datetime,
        hold_time: datetime,
        locked: _Locked,
        limits: OrderLimits,
        earlier: Sequence[Order],
    ) -> None:
        self._now = now
        self._hold_time = hold_time
        self._limits = limits
        self._open_orders = locked.open_orders
        self.reservations = Reservations(locked.stock)
        self.accepted: list[Order] = []
        self._by_id = {order.id: order for order in earlier}
        self._by_key = {order.idempotency_key: order for order in earlier}

    def place(self, command: PlaceOrder) -> Order | OrderRefused:
        if command.order_id in self._by_id:
            return self._by_id[command.order_id]
        key = command.idempotency_key
        if key is not None and key in self._by_key:
            order = self._by_key[key]
            return (
                order if order.digest == command.digest() else IdempotencyKeyReused(key, order.id)
            )
        try:
            self._limits.require_small(command.lines)
            self._open_orders.require_room(command.reference, _orders_of(command))
            lines = self.reservations.reserve(command.lines, command.on_shortage)
        except OrderRefused as refusal:
            return refusal
        order = self._accept(command, lines)
        self._by_id[order.id] = self._by_key[key] = order
        return order

    def _accept(self, command: PlaceOrder, lines: tuple[OrderLine, ...]) -> Order:
        key, hold_for = command.idempotency_key, command.hold_for
        rest_id = self._accept_rest(command, lines)
        order = Order(
            id=command.order_id,
            lines=lines,
            status=_first_status(command, lines),
            idempotency_key=key,
            digest=None if key is None else command.digest(),
            reference=command.reference,
            expires_at=None if hold_for is None else self._hold_time + hold_for,
            rest_id=rest_id,
            created_at=self._now,
            updated_at=self._now,
            request_id=command.request_id,
            by=by_whom(command.by),
        )
        self._add(order)
        return order

    def _accept_rest(self, command: PlaceOrder, lines: Sequence[OrderLine]) -> UUID | None:
        """Have an order of its own wait for what is not there for one that is split."""
        if command.rest_order_id is None:
            return None
        missing = [
            OrderLine(product_id=line.product_id, quantity=line.cancelled)
            for line in lines
            if line.cancelled
        ]
        if not missing:
            return None
        waiting = self.reservations.reserve(missing, OnShortage.BACKORDER)
        rest = Order(
            id=command.rest_order_id,
            lines=waiting,
            status=OrderStatus.BACKORDERED,
            reference=command.reference,
            created_at=self._now,
            updated_at=self._now,
            request_id=command.request_id,
            by=by_whom(command.by),
        )
        self._add(rest)
        return rest.id

    def _add(self, order: Order) -> None:
        self.accepted.append(order)
        self._open_orders.add(order.reference)


def _orders_of(command: PlaceOrder) -> int:
    """How many orders it may become."""
    return 1 if command.rest_order_id is None else 2


def _first_status(command: PlaceOrder, lines: Sequence[OrderLine]) -> OrderStatus:
    if command.hold_for is not None:
        return OrderStatus.HELD
    waits = any(line.backordered for line in lines)
    return OrderStatus.BACKORDERED if waits else OrderStatus.RESERVED


def _with_expectations(
    uow: UnitOfWork, waiting: Sequence[Order], now: datetime
) -> dict[UUID, Order]:
    """By id, the orders with when vendors expect what they wait for."""
    product_ids = {line.product_id for x in waiting for line in x.lines if line.backordered}
    expected = uow.stock.expected(product_ids, now)
    return {order.id: order.expecting(expected) for order in waiting}


def _earlier(uow: UnitOfWork, commands: Sequence[PlaceOrder], recheck: bool) -> list[Order]:
    # Looked up after the locks are taken: whoever held them has committed by now.
    keys = {c.idempotency_key for c in commands if c.idempotency_key is not None}
    ids = {c.order_id for c in commands} if recheck else set()
    return uow.orders.find_placed(ids, keys) if ids or keys else []

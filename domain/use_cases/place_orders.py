"""Accept orders: reserve central stock and announce it, all in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import attrs

from ..errors import Conflict, IdempotencyKeyReused, OrderRefused
from ..order import MAX_REFERENCE_LENGTH, Order, OrderLine, check_lines, merged
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..stock import Reservations
from ..values import check_text

ATTEMPTS = 5
MAX_KEY_LENGTH = 255


@attrs.frozen(kw_only=True)
class PlaceOrder:
    """A wish for an order. Its id is the caller's: a new UUIDv7, the same one for a new attempt."""

    order_id: UUID
    # Those of the same product count as one.
    lines: tuple[OrderLine, ...] = attrs.field(converter=merged)
    idempotency_key: str | None = attrs.field(default=None)
    reference: str | None = attrs.field(default=None)

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


class PlaceOrders:
    """Accepts a batch of orders, first come, first served."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(
        self, commands: Sequence[PlaceOrder], *, recheck: bool = False
    ) -> list[Order | OrderRefused]:
        """For each command its order, or why it was refused; in one transaction.

        `recheck`: an earlier attempt may have been committed, so look for its orders first. Raises
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
        with self._unit_of_work() as uow:
            stock = uow.stock.lock({line.product_id for c in commands for line in c.lines})
            batch = _Batch(self._clock, Reservations(stock), _earlier(uow, commands, recheck))
            outcomes = [batch.place(command) for command in commands]
            if batch.accepted:
                now = self._clock.now()
                uow.stock.change(batch.reservations.changes(), now)
                uow.orders.add(batch.accepted)
                uow.outbox.announce([order.id for order in batch.accepted], now)
                uow.commit()
        return outcomes


class _Batch:
    """Decides one command after the other against the same locked stock."""

    def __init__(self, clock: Clock, reservations: Reservations, earlier: Sequence[Order]) -> None:
        self._now = clock.now()
        self.reservations = reservations
        self.accepted: list[Order] = []
        self._by_id = {order.id: order for order in earlier}
        self._by_key = {order.idempotency_key: order for order in earlier}

    def place(self, command: PlaceOrder) -> Order | OrderRefused:
        if command.order_id in self._by_id:
            return self._by_id[command.order_id]
        key = command.idempotency_key
        if key is not None and key in self._by_key:
            return _replay(key, self._by_key[key], command)
        try:
            self.reservations.reserve(command.lines)
        except OrderRefused as refusal:
            return refusal
        order = Order(
            id=command.order_id,
            lines=command.lines,
            idempotency_key=key,
            reference=command.reference,
            created_at=self._now,
            updated_at=self._now,
        )
        self.accepted.append(order)
        self._by_id[order.id] = self._by_key[key] = order
        return order


def _earlier(uow: UnitOfWork, commands: Sequence[PlaceOrder], recheck: bool) -> list[Order]:
    # Looked up after the locks are taken: whoever held them has committed by now.
    keys = {c.idempotency_key for c in commands if c.idempotency_key is not None}
    ids = {c.order_id for c in commands} if recheck else set()
    return uow.orders.find(ids, keys) if ids or keys else []


def _replay(key: str, order: Order, command: PlaceOrder) -> Order | IdempotencyKeyReused:
    same = {line.product_id: line.quantity for line in order.lines} == {
        line.product_id: line.quantity for line in command.lines
    }
    same = same and order.reference == command.reference
    return order if same else IdempotencyKeyReused(key, order.id)

"""An order, from its reservation to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

import attrs

from . import values
from .errors import CancelRefused, IllegalTransition, InvalidValue, ReturnRefused

MAX_LINES = 100
MAX_REFERENCE_LENGTH = 255
# Of who wanted a step.
MAX_BY = 255
# A step after which the status is the same.
CHANGED = "changed"


class OrderStatus(StrEnum):
    """Where an order is: see `STEPS`."""

    # Its stock is kept for a time; the buyer has yet to say that it is an order.
    HELD = "held"
    # It waits for stock that is not there yet.
    BACKORDERED = "backordered"
    RESERVED = "reserved"
    FULFILLED = "fulfilled"
    FAILED = "failed"
    CANCELLED = "cancelled"
    # A hold whose time is over; its buyer may still order, if the stock is there.
    EXPIRED = "expired"
    RETURNED = "returned"


# Where an order begins, and which steps there are. The storage refuses any other.
FIRST_STATUSES = (OrderStatus.HELD, OrderStatus.BACKORDERED, OrderStatus.RESERVED)
STEPS: Mapping[OrderStatus, tuple[OrderStatus, ...]] = {
    OrderStatus.HELD: (OrderStatus.RESERVED, OrderStatus.CANCELLED, OrderStatus.EXPIRED),
    OrderStatus.BACKORDERED: (OrderStatus.RESERVED, OrderStatus.CANCELLED),
    OrderStatus.RESERVED: (OrderStatus.FULFILLED, OrderStatus.FAILED, OrderStatus.CANCELLED),
    OrderStatus.FULFILLED: (OrderStatus.RETURNED,),
    OrderStatus.FAILED: (),
    OrderStatus.CANCELLED: (),
    OrderStatus.EXPIRED: (OrderStatus.RESERVED,),
    OrderStatus.RETURNED: (),
}


# Where an order has units reserved, and where it has allocations.
OPEN = FIRST_STATUSES
SUPPLIED = (OrderStatus.FULFILLED, OrderStatus.RETURNED)
# Where nothing has to be done any more: what is old can be removed.
ENDED = (
    OrderStatus.FULFILLED,
    OrderStatus.FAILED,
    OrderStatus.CANCELLED,
    OrderStatus.EXPIRED,
    OrderStatus.RETURNED,
)


class OnShortage(StrEnum):
    """What becomes of an order for more than there is."""

    FAIL = "fail"
    # It waits for what is not there.
    BACKORDER = "backorder"
    # It is for what is there; the rest is cancelled.
    PARTIAL = "partial"
    # It is for what is there; an order of its own waits for the rest.
    SPLIT = "split"


@attrs.frozen(kw_only=True)
class OrderLine:
    """So many units of one product."""

    product_id: str = attrs.field(converter=values.clean_id, validator=values.text_id)
    quantity: int = attrs.field(validator=values.quantity)
    # Of these units, how many are not wanted any more, or were not there.
    cancelled: int = 0
    # And how many it waits for; and when a vendor expects more, as far as that was asked.
    backordered: int = 0
    expected_at: datetime | None = attrs.field(default=None, eq=False)

    @property
    def units(self) -> int:
        """Those that are to be supplied."""
        return self.quantity - self.cancelled

    @property
    def reserved(self) -> int:
        """Those of them that are there."""
        return self.quantity - self.cancelled - self.backordered


@attrs.frozen(kw_only=True)
class Allocation:
    """So many units of an order's line from this vendor."""

    product_id: str
    vendor_id: str
    quantity: int = attrs.field(validator=values.quantity)
    # The units ever allocated from this vendor's stock of the product, these included: what the
    # vendor says as `acked_through` once it has counted them. 0 while this is but a plan.
    sequence: int = 0
    # Of these units, how many came back.
    returned: int = 0


@attrs.frozen(kw_only=True)
class ReturnLine:
    """So many units of a product that come back, perhaps to a certain vendor."""

    product_id: str = attrs.field(converter=values.clean_id, validator=values.text_id)
    quantity: int = attrs.field(validator=values.quantity)
    vendor_id: str | None = attrs.field(
        default=None,
        converter=values.clean_id,
        validator=attrs.validators.optional(values.text_id),
    )


def merged(lines: Iterable[OrderLine]) -> tuple[OrderLine, ...]:
    """Lines of the same product as one, where the first of them stands."""
    lines = tuple(lines)
    units: dict[str, int] = {}
    for line in lines:
        units[line.product_id] = units.get(line.product_id, 0) + line.quantity
    if len(units) == len(lines):
        return lines
    return tuple(OrderLine(product_id=key, quantity=quantity) for key, quantity in units.items())


def cancel_units(
    lines: Sequence[OrderLine], unwanted: Sequence[OrderLine] | None
) -> tuple[OrderLine, ...]:
    """The lines with these units cancelled, or all; first of those that they wait for.

    CancelRefused where there are not so many.
    """
    if unwanted is None:
        return tuple(_without(line, line.units) for line in lines)
    fewer = {line.product_id: line.quantity for line in merged(unwanted)}
    units = {line.product_id: line.units for line in lines}
    for product_id, asked in fewer.items():
        if asked > units.get(product_id, 0):
            raise CancelRefused(product_id, asked, units.get(product_id, 0))
    return tuple(_without(line, fewer.get(line.product_id, 0)) for line in lines)


def _without(line: OrderLine, units: int) -> OrderLine:
    return attrs.evolve(
        line, cancelled=line.cancelled + units, backordered=max(0, line.backordered - units)
    )


def check_lines(lines: Sequence[OrderLine]) -> None:
    """Raise InvalidValue unless there are 1 to MAX_LINES lines, each of another product."""
    if not 1 <= len(lines) <= MAX_LINES:
        raise InvalidValue("lines", f"must have 1 to {MAX_LINES} lines")
    seen = set()
    for position, line in enumerate(lines):
        if line.product_id in seen:
            raise InvalidValue(f"lines.{position}.product_id", "must not repeat an earlier line's")
        seen.add(line.product_id)


@lru_cache
def by_whom(who: str | None) -> str | None:
    """Who wanted a step, as it is kept."""
    return None if who is None else values.sanitize(who[:MAX_BY])


@attrs.frozen(kw_only=True)
class Order:
    """A customer's order. A step returns a new one, or raises IllegalTransition."""

    id: UUID
    lines: tuple[OrderLine, ...]
    status: OrderStatus = OrderStatus.RESERVED
    allocations: tuple[Allocation, ...] = ()
    failure: str | None = None
    idempotency_key: str | None = None
    # What was asked for under the key.
    digest: str | None = None
    # The retailer's own name for it; many orders may have the same.
    reference: str | None = None
    # Of a hold.
    expires_at: datetime | None = None
    # The order that waits for what was not there for this one.
    rest_id: UUID | None = None
    # How many steps it has taken, the first included.
    sequence: int = 1
    created_at: datetime
    updated_at: datetime
    # What its last step is called, unless by its status; which request asked for it, and who.
    happened: str | None = attrs.field(default=None, eq=False)
    request_id: str | None = attrs.field(default=None, eq=False)
    by: str | None = attrs.field(default=None, eq=False)

    @property
    def units(self) -> int:
        """Those that are to be supplied, of all products together."""
        return sum(line.units for line in self.lines)

    def expecting(self, expected: Mapping[str, datetime]) -> Order:
        """The order as it was, with when more is expected of each product that it waits for."""
        lines = tuple(
            attrs.evolve(
                line, expected_at=expected.get(line.product_id) if line.backordered else None
            )
            for line in self.lines
        )
        return attrs.evolve(self, lines=lines)

    def confirm(self, at: datetime) -> Order:
        """The hold as an order; its stock is reserved."""
        return self._step(OrderStatus.RESERVED, "be ordered", at)

    def expire(self, at: datetime) -> Order:
        """The hold, which holds nothing any more."""
        return self._step(OrderStatus.EXPIRED, "expire", at)

    def extend(self, until: datetime, at: datetime) -> Order:
        """The hold with more time."""
        self._require_step(OrderStatus.EXPIRED, "be extended")
        return attrs.evolve(self._changed(at), expires_at=until)

    def fill(self, units: Mapping[str, int], at: datetime) -> Order:
        """The order with these units reserved, by product; reserved once it waits for none."""
        self._require_step(OrderStatus.RESERVED, "be reserved")
        lines = tuple(
            attrs.evolve(line, backordered=line.backordered - units.get(line.product_id, 0))
            for line in self.lines
        )
        return attrs.evolve(self, lines=lines)._waiting_no_more(at)  # noqa: SLF001

    def fulfil(self, allocations: Sequence[Allocation], at: datetime) -> Order:
        """The order with its units deducted from these vendors."""
        self._require_step(OrderStatus.FULFILLED, "be fulfilled")
        return attrs.evolve(
            self,
            status=OrderStatus.FULFILLED,
            allocations=tuple(allocations),
            sequence=self.sequence + 1,
            happened=None,
            request_id=None,
            by=None,
            updated_at=at,
        )

    def fail(self, reason: str, at: datetime) -> Order:
        """The order given up for `reason`; its reservation is to be released."""
        # The reason may be the text of anybody's exception.
        failure = values.sanitize(reason)
        return attrs.evolve(self._step(OrderStatus.FAILED, "fail", at), failure=failure)

    def cancel(self, at: datetime, unwanted: Sequence[OrderLine] | None = None) -> Order:
        """The order withdrawn, or these units of it; their reservation is to be released.

        CancelRefused where there are not so many.
        """
        self._require_step(OrderStatus.CANCELLED, "be cancelled")
        fewer = attrs.evolve(self, lines=cancel_units(self.lines, unwanted))
        if not fewer.units:
            return fewer._step(OrderStatus.CANCELLED, "be cancelled", at)  # noqa: SLF001
        if self.status is OrderStatus.BACKORDERED:
            return fewer._waiting_no_more(at)  # noqa: SLF001
        return fewer._changed(at)  # noqa: SLF001

    def give_back(self, wanted: Sequence[ReturnLine] | None, at: datetime) -> Order:
        """The order with these units returned, or all; once nothing is left, it is returned.

        ReturnRefused where more would come back than was supplied.
        """
        self._require_step(OrderStatus.RETURNED, "be returned")
        parts = list(self.allocations)
        for line in wanted or [_all_of(part) for part in parts if part.returned < part.quantity]:
            _take_back(parts, line)
        everything = all(part.returned == part.quantity for part in parts)
        return attrs.evolve(
            self,
            status=OrderStatus.RETURNED if everything else self.status,
            allocations=tuple(parts),
            sequence=self.sequence + 1,
            happened=OrderStatus.RETURNED.value,
            request_id=None,
            by=None,
            updated_at=at,
        )

    def asked_by(self, who: str | None) -> Order:
        """The order, with who wanted its last step; None: it is not known."""
        return self if who is None else attrs.evolve(self, by=by_whom(who))

    def _waiting_no_more(self, at: datetime) -> Order:
        """The order, reserved if it waits for nothing any more."""
        if any(line.backordered for line in self.lines):
            return self._changed(at)
        return self._step(OrderStatus.RESERVED, "be reserved", at)

    def _changed(self, at: datetime) -> Order:
        return attrs.evolve(
            self,
            sequence=self.sequence + 1,
            happened=CHANGED,
            request_id=None,
            by=None,
            updated_at=at,
        )

    def _step(self, status: OrderStatus, step: str, at: datetime) -> Order:
        self._require_step(status, step)
        return attrs.evolve(
            self,
            status=status,
            sequence=self.sequence + 1,
            happened=None,
            request_id=None,
            by=None,
            updated_at=at,
        )

    def _require_step(self, status: OrderStatus, step: str) -> None:
        if status not in STEPS[self.status]:
            raise IllegalTransition(self.id, self.status, step)


def _all_of(part: Allocation) -> ReturnLine:
    return ReturnLine(
        product_id=part.product_id,
        vendor_id=part.vendor_id,
        quantity=part.quantity - part.returned,
    )


def _take_back(parts: list[Allocation], line: ReturnLine) -> None:
    """Note what comes back, of one vendor's part after the other."""
    places = [
        place
        for place, part in enumerate(parts)
        if part.product_id == line.product_id and line.vendor_id in (None, part.vendor_id)
    ]
    left = sum(parts[place].quantity - parts[place].returned for place in places)
    if line.quantity > left:
        raise ReturnRefused(line.product_id, line.quantity, left)
    missing = line.quantity
    for place in places:
        part = parts[place]
        taken = min(missing, part.quantity - part.returned)
        parts[place] = attrs.evolve(part, returned=part.returned + taken)
        missing -= taken

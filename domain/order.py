"""An order, from its reservation to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import attrs

from . import values
from .errors import IllegalTransition, InvalidValue, ReturnRefused

MAX_LINES = 100
MAX_REFERENCE_LENGTH = 255


class OrderStatus(StrEnum):
    """Where an order is: see `STEPS`."""

    RESERVED = "reserved"
    FULFILLED = "fulfilled"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETURNED = "returned"


# Where an order begins, and which steps there are. The storage refuses any other.
FIRST_STATUS = OrderStatus.RESERVED
STEPS: Mapping[OrderStatus, tuple[OrderStatus, ...]] = {
    OrderStatus.RESERVED: (OrderStatus.FULFILLED, OrderStatus.FAILED, OrderStatus.CANCELLED),
    OrderStatus.FULFILLED: (OrderStatus.RETURNED,),
    OrderStatus.FAILED: (),
    OrderStatus.CANCELLED: (),
    OrderStatus.RETURNED: (),
}


# Where an order has allocations.
SUPPLIED = (OrderStatus.FULFILLED, OrderStatus.RETURNED)
# Where nothing has to be done any more: what is old can be removed.
ENDED = (
    OrderStatus.FULFILLED,
    OrderStatus.FAILED,
    OrderStatus.CANCELLED,
    OrderStatus.RETURNED,
)


@attrs.frozen(kw_only=True)
class OrderLine:
    """So many units of one product."""

    product_id: str = attrs.field(converter=values.clean_id, validator=values.text_id)
    quantity: int = attrs.field(validator=values.quantity)


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


def check_lines(lines: Sequence[OrderLine]) -> None:
    """Raise InvalidValue unless there are 1 to MAX_LINES lines, each of another product."""
    if not 1 <= len(lines) <= MAX_LINES:
        raise InvalidValue("lines", f"must have 1 to {MAX_LINES} lines")
    seen = set()
    for position, line in enumerate(lines):
        if line.product_id in seen:
            raise InvalidValue(f"lines.{position}.product_id", "must not repeat an earlier line's")
        seen.add(line.product_id)


@attrs.frozen(kw_only=True)
class Order:
    """A customer's order. A step returns a new one, or raises IllegalTransition."""

    id: UUID
    lines: tuple[OrderLine, ...]
    status: OrderStatus = FIRST_STATUS
    allocations: tuple[Allocation, ...] = ()
    failure: str | None = None
    idempotency_key: str | None = None
    # The retailer's own name for it; many orders may have the same.
    reference: str | None = None
    created_at: datetime
    updated_at: datetime

    def fulfil(self, allocations: Sequence[Allocation], at: datetime) -> Order:
        """The order with its units deducted from these vendors."""
        self._require_step(OrderStatus.FULFILLED, "be fulfilled")
        return attrs.evolve(
            self, status=OrderStatus.FULFILLED, allocations=tuple(allocations), updated_at=at
        )

    def fail(self, reason: str, at: datetime) -> Order:
        """The order given up for `reason`; its reservation is to be released."""
        self._require_step(OrderStatus.FAILED, "fail")
        # The reason may be the text of anybody's exception.
        failure = values.sanitize(reason)
        return attrs.evolve(self, status=OrderStatus.FAILED, failure=failure, updated_at=at)

    def cancel(self, at: datetime) -> Order:
        """The order withdrawn; its reservation is to be released."""
        self._require_step(OrderStatus.CANCELLED, "be cancelled")
        return attrs.evolve(self, status=OrderStatus.CANCELLED, updated_at=at)

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

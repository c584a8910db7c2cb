"""An order, from its reservation to its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import attrs

from . import values
from .errors import IllegalTransition, InvalidValue

MAX_LINES = 100
MAX_REFERENCE_LENGTH = 255


class OrderStatus(StrEnum):
    """`reserved` is where an order starts; the others are ends."""

    RESERVED = "reserved"
    FULFILLED = "fulfilled"
    FAILED = "failed"
    CANCELLED = "cancelled"


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
    status: OrderStatus = OrderStatus.RESERVED
    allocations: tuple[Allocation, ...] = ()
    failure: str | None = None
    idempotency_key: str | None = None
    # The retailer's own name for it; many orders may have the same.
    reference: str | None = None
    created_at: datetime
    updated_at: datetime

    def fulfil(self, allocations: Sequence[Allocation], at: datetime) -> Order:
        """The order with its units deducted from these vendors."""
        self._require_reserved("be fulfilled")
        return attrs.evolve(
            self, status=OrderStatus.FULFILLED, allocations=tuple(allocations), updated_at=at
        )

    def fail(self, reason: str, at: datetime) -> Order:
        """The order given up for `reason`; its reservation is to be released."""
        self._require_reserved("fail")
        # The reason may be the text of anybody's exception.
        failure = values.sanitize(reason)
        return attrs.evolve(self, status=OrderStatus.FAILED, failure=failure, updated_at=at)

    def cancel(self, at: datetime) -> Order:
        """The order withdrawn; its reservation is to be released."""
        self._require_reserved("be cancelled")
        return attrs.evolve(self, status=OrderStatus.CANCELLED, updated_at=at)

    def _require_reserved(self, step: str) -> None:
        if self.status is not OrderStatus.RESERVED:
            raise IllegalTransition(self.id, self.status, step)

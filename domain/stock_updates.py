"""What a vendor tells of single products, all others being as they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any, Literal

import attrs

from . import values
from .errors import InvalidValue, Rejection, StockConflict
from .stock import Vendor, VendorStock
from .values import MAX_QUANTITY
from .vendor_sync import StockReport


class Unsaid(Enum):
    """In the place of a value: nothing is said, and what is known stays."""

    UNSAID = auto()


UNSAID = Unsaid.UNSAID


def _timestamp_if_said(instance: object, attribute: Any, value: datetime | Unsaid | None) -> None:
    if value is not None and not isinstance(value, Unsaid):
        values.timestamp(instance, attribute, value)


@attrs.frozen(kw_only=True)
class StockUpdate:
    """A product's new figure, or by how much it changes, in units."""

    product_id: str = attrs.field(converter=values.clean_id, validator=values.text_id)
    name: str | None = attrs.field(default=None, validator=attrs.validators.optional(values.name))
    quantity: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(values.stock_level)
    )
    change: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(values.stock_change)
    )
    # What the vendor believes to have told us last; None: whatever it was.
    expected: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(values.stock_level)
    )
    as_of: datetime | None = attrs.field(
        default=None,
        converter=values.to_utc,
        validator=attrs.validators.optional(values.timestamp),
    )
    acked_through: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(values.sequence)
    )
    # When the vendor expects more of it; None: not any more.
    expected_at: datetime | Literal[Unsaid.UNSAID] | None = attrs.field(
        default=UNSAID, converter=values.to_utc, validator=_timestamp_if_said
    )

    def __attrs_post_init__(self) -> None:
        if (self.quantity is None) == (self.change is None):
            raise InvalidValue("quantity", "must be given, or else change")

    def applied_to(self, known: VendorStock | None, at: datetime) -> StockReport | StockConflict:
        """What the vendor has now, if this fits what is known of it."""
        reported = 0 if known is None else known.reported
        expected_at = None if known is None else known.expected_at
        quantity = self.quantity if self.change is None else reported + self.change
        is_unexpected = self.expected not in (None, reported)
        if is_unexpected or quantity is None or not 0 <= quantity <= MAX_QUANTITY:
            return StockConflict(
                product_id=self.product_id,
                reported=reported,
                expected=self.expected if is_unexpected else None,
            )
        return StockReport(
            product_id=self.product_id,
            name=self.name,
            quantity=quantity,
            # Without a date of the vendor's own, none is made up: which orders it has counted would
            # be told by it.
            as_of=None if self.as_of is None else min(self.as_of, at),
            acked_through=self.acked_through,
            expected_at=expected_at if self.expected_at is UNSAID else self.expected_at,
        )


@attrs.frozen(kw_only=True)
class StockUpdates:
    """A feed of what has changed, to be taken in once."""

    vendor: Vendor
    # None: nothing tells how old it is.
    as_of: datetime | None = attrs.field(
        converter=values.to_utc, validator=attrs.validators.optional(values.timestamp)
    )
    stated: bool = False
    # The same for the same document.
    key: str
    updates: tuple[StockUpdate, ...]
    rejections: tuple[Rejection, ...] = ()
    findings: tuple[str, ...] = ()


def apply_updates(
    updates: Iterable[StockUpdate], known: Mapping[str, VendorStock], at: datetime
) -> tuple[list[StockReport], list[StockConflict]]:
    """What the vendor has now, and the updates that do not fit what it last reported."""
    reports, conflicts = [], []
    for update in updates:
        applied = update.applied_to(known.get(update.product_id), at)
        if isinstance(applied, StockConflict):
            conflicts.append(applied)
        else:
            reports.append(applied)
    return reports, conflicts

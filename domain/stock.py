"""Central and vendor stock, and reserving of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import attrs

from . import values
from .errors import InsufficientStock, Shortage, UnknownProducts
from .order import OPEN, OnShortage, Order, OrderLine

# Who has named a product, where it is no vendor.
US = ""
# Of one product, where nobody has set another.
DEFAULT_BACKORDER_LIMIT = 10_000


@attrs.frozen(kw_only=True)
class Product:
    """Something that is sold here."""

    id: str = attrs.field(converter=values.clean_id, validator=values.text_id)
    name: str = attrs.field(validator=values.name)
    # The vendor whose feed gave the name, or US; None if nobody gave one.
    named_by: str | None = None


@attrs.frozen(kw_only=True)
class Vendor:
    """Somebody whose stock is sold here."""

    id: str = attrs.field(converter=values.clean_id, validator=values.text_id)
    name: str = attrs.field(validator=values.name)


@attrs.frozen(kw_only=True)
class CentralStock:
    """A product's units over all vendors, and how many of them are held for orders."""

    product_id: str
    on_hand: int = 0
    # May exceed on_hand when a vendor's report falls below what was already sold.
    reserved: int = 0
    # Those on hand of vendors that have been silent for too long.
    stale: int = 0
    # Those that accepted orders wait for.
    backordered: int = 0
    # At how few available somebody wants to be told; and how many may be waited for.
    low_at: int | None = None
    backorder_limit: int | None = None
    # Not later than the first of its holds expires; None: it has none.
    holds_expire_at: datetime | None = None

    @property
    def free(self) -> int:
        """Units that are reserved for nobody: below 0 where more is reserved than there is."""
        return self.on_hand - self.stale - self.reserved

    @property
    def available(self) -> int:
        """Units that a new order may reserve: those that nobody waits for."""
        return max(0, self.free - self.backordered)

    def available_after(self, change: StockDelta) -> int:
        """What a new order may reserve after a change."""
        free = self.free + change.on_hand - change.stale - change.reserved
        return max(0, free - self.backordered - change.backordered)

    @property
    def may_wait(self) -> int:
        """Units that may be waited for beyond those that are."""
        limit = DEFAULT_BACKORDER_LIMIT if self.backorder_limit is None else self.backorder_limit
        return max(0, limit - self.backordered)

    def changed(self, change: StockDelta) -> CentralStock:
        """The stock after a change."""
        return attrs.evolve(
            self,
            on_hand=self.on_hand + change.on_hand,
            reserved=self.reserved + change.reserved,
            stale=self.stale + change.stale,
            backordered=self.backordered + change.backordered,
        )


@attrs.frozen(kw_only=True)
class ProductLimits:
    """What is watched and allowed of a product, in units. None: nothing, or the usual."""

    low_at: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(values.stock_level)
    )
    backorder_limit: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(values.stock_level)
    )


@attrs.frozen(kw_only=True)
class VendorStock:
    """What one vendor can sell us of one product, in units."""

    vendor_id: str
    product_id: str
    available: int
    reported: int
    # Ever, by all orders; and how much of that the vendor's last report had counted.
    allocated: int = 0
    counted: int = 0
    # Whether the vendor has been silent for too long: no new order is promised any of it.
    stale: bool = False
    # What the last report said that this figure is of; None where it said nothing.
    stated_at: datetime | None = None
    # When the vendor said last that it expects more, perhaps past by now; None: it did not.
    expected_at: datetime | None = None


@attrs.frozen(kw_only=True)
class StockDelta:
    """By how much a product's central stock changes, in units."""

    product_id: str
    on_hand: int = 0
    reserved: int = 0
    stale: int = 0
    backordered: int = 0


@attrs.frozen(kw_only=True)
class VendorStockChange:
    """By how much one vendor's stock of a product changes, in units."""

    vendor_id: str
    product_id: str
    available: int
    allocated: int = 0


class Reservations:
    """Reserves central stock for one order after the other, first come, first served."""

    def __init__(self, stock: Mapping[str, CentralStock]) -> None:
        self._available = {product_id: level.available for product_id, level in stock.items()}
        self._may_wait = {product_id: level.may_wait for product_id, level in stock.items()}
        self._reserved: Counter[str] = Counter()
        self._backordered: Counter[str] = Counter()

    def reserve(
        self,
        lines: Sequence[OrderLine],
        on_shortage: OnShortage = OnShortage.FAIL,
    ) -> tuple[OrderLine, ...]:
        """The lines, as far as they could be reserved; raises UnknownProducts.

        InsufficientStock where a unit is not there and may not be waited for, or `partial` gets
        none at all. What `split` does not get is to be waited for; all of it, if it gets none.
        """
        unknown = [line.product_id for line in lines if line.product_id not in self._available]
        if unknown:
            raise UnknownProducts(unknown)
        shortages = [
            Shortage(product_id=line.product_id, requested=line.quantity, available=available)
            for line in lines
            if (available := self._available[line.product_id]) < line.quantity
        ]
        if shortages:
            lines = self._divide(lines, on_shortage, shortages)
        for line in lines:
            self._available[line.product_id] -= line.reserved
            self._reserved[line.product_id] += line.reserved
            if line.backordered:
                self._may_wait[line.product_id] -= line.backordered
                self._backordered[line.product_id] += line.backordered
        return tuple(lines)

    def _divide(
        self,
        lines: Sequence[OrderLine],
        on_shortage: OnShortage,
        shortages: Sequence[Shortage],
    ) -> list[OrderLine]:
        """The lines without what is not there."""
        if on_shortage is OnShortage.FAIL:
            raise InsufficientStock(shortages)
        missing = {x.product_id: x.requested - x.available for x in shortages}
        if on_shortage is not OnShortage.PARTIAL:
            too_many = [
                x for x in shortages if missing[x.product_id] > self._may_wait[x.product_id]
            ]
            if too_many:
                raise InsufficientStock(too_many)
        divided = [attrs.evolve(line, cancelled=missing.get(line.product_id, 0)) for line in lines]
        if on_shortage is not OnShortage.BACKORDER and any(line.units for line in divided):
            return divided
        if on_shortage is OnShortage.PARTIAL:
            raise InsufficientStock(shortages)
        return [attrs.evolve(line, backordered=missing.get(line.product_id, 0)) for line in lines]

    def changes(self) -> list[StockDelta]:
        """What all the reservations come to, a change a product."""
        return [
            StockDelta(
                product_id=product_id, reserved=units, backordered=self._backordered[product_id]
            )
            for product_id, units in sorted(self._reserved.items())
        ]


def units_of(orders: Iterable[Order]) -> Counter[str]:
    """How many units of each product these orders are for."""
    units: Counter[str] = Counter()
    for order in orders:
        for line in order.lines:
            if line.units:
                units[line.product_id] += line.units
    return units


def released(pairs: Iterable[tuple[Order, Order]]) -> list[StockDelta]:
    """What orders reserve and wait for less, from each before to its after; a change a product."""
    reserved: Counter[str] = Counter()
    backordered: Counter[str] = Counter()
    for before, after in pairs:
        for order, sign in ((before, -1), (after, 1)):
            if order.status in OPEN:
                for line in order.lines:
                    reserved[line.product_id] += sign * line.reserved
                    backordered[line.product_id] += sign * line.backordered
    return [
        StockDelta(product_id=key, reserved=reserved[key], backordered=backordered[key])
        for key in sorted(reserved)
        if reserved[key] or backordered[key]
    ]

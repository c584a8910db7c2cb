"""Central and vendor stock, and reserving of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import attrs

from . import values
from .errors import InsufficientStock, Shortage, UnknownProducts
from .order import Order, OrderLine


@attrs.frozen(kw_only=True)
class Product:
    """Something that is sold here."""

    id: str = attrs.field(converter=values.clean_id, validator=values.text_id)
    name: str = attrs.field(validator=values.name)
    # The vendor whose feed gave the name; None if no feed gave one.
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

    @property
    def available(self) -> int:
        """Units that a new order may reserve."""
        return max(0, self.on_hand - self.stale - self.reserved)


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


@attrs.frozen(kw_only=True)
class StockDelta:
    """By how much a product's central stock changes, in units."""

    product_id: str
    on_hand: int = 0
    reserved: int = 0
    stale: int = 0


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
        self._reserved: Counter[str] = Counter()

    def reserve(self, lines: Sequence[OrderLine]) -> None:
        """Reserve every line or none; raises UnknownProducts or InsufficientStock."""
        unknown = [line.product_id for line in lines if line.product_id not in self._available]
        if unknown:
            raise UnknownProducts(unknown)
        shortages = [
            Shortage(product_id=line.product_id, requested=line.quantity, available=available)
            for line in lines
            if (available := self._available[line.product_id]) < line.quantity
        ]
        if shortages:
            raise InsufficientStock(shortages)
        for line in lines:
            self._available[line.product_id] -= line.quantity
            self._reserved[line.product_id] += line.quantity

    def changes(self) -> list[StockDelta]:
        """What all the reservations come to, a change a product."""
        return [
            StockDelta(product_id=product_id, reserved=units)
            for product_id, units in sorted(self._reserved.items())
        ]


def units_of(orders: Iterable[Order]) -> Counter[str]:
    """How many units of each product these orders are for."""
    units: Counter[str] = Counter()
    for order in orders:
        for line in order.lines:
            units[line.product_id] += line.quantity
    return units


def released(orders: Iterable[Order]) -> list[StockDelta]:
    """What giving up these orders' reservations comes to, a change a product."""
    units = units_of(orders)
    return [StockDelta(product_id=key, reserved=-units[key]) for key in sorted(units)]

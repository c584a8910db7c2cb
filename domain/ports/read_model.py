"""What can be asked without changing anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import attrs

from ..order import Order, OrderStatus

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Page(Generic[T]):
    """A part of a listing, and how many items the whole has."""

    items: tuple[T, ...]
    total: int


@attrs.frozen(kw_only=True)
class StockLevel:
    """A product's central stock in units. `vendor_count`: vendors that have some of it."""

    product_id: str
    name: str
    on_hand: int
    reserved: int
    available: int
    vendor_count: int
    updated_at: datetime


@attrs.frozen(kw_only=True)
class VendorStockLevel:
    """What one vendor has of one product, in units."""

    vendor_id: str
    vendor_name: str
    product_id: str
    available: int
    reported: int
    as_of: datetime


@attrs.frozen(kw_only=True)
class ProductStock:
    """A product's central stock, and every vendor's of it by vendor id: figures of one moment."""

    central: StockLevel
    vendors: tuple[VendorStockLevel, ...]


@attrs.frozen(kw_only=True)
class OrderFilter:
    """Which orders are asked for: those for which everything holds that is given."""

    status: OrderStatus | None = None
    # With a line of it.
    product_id: str | None = None
    # That supplies some of it.
    vendor_id: str | None = None
    # Then or later.
    updated_since: datetime | None = None
    reference: str | None = None
    idempotency_key: str | None = None
    # That come after this one in the listing, so are older.
    after: UUID | None = None


class ReadModel(Protocol):
    """Committed state only, each answer from one moment. Thread-safe; StorageUnavailable."""

    def stock(self, offset: int, limit: int, product_id: str | None = None) -> Page[StockLevel]:
        """Products by id."""

    def product(self, product_id: str) -> ProductStock | None:
        """One product, with its vendors."""

    def vendor_stock(
        self,
        offset: int,
        limit: int,
        vendor_id: str | None = None,
        product_id: str | None = None,
    ) -> Page[VendorStockLevel]:
        """Vendor stock by vendor id, then product id."""

    def order(self, order_id: UUID) -> Order | None:
        """One order; its allocations by product id, then vendor id."""

    def orders(self, offset: int, limit: int, wanted: OrderFilter = OrderFilter()) -> Page[Order]:
        """Orders, newest first (by id, which is a UUIDv7)."""

    def failed_attempts(self, order_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """At which delivery each order was last recorded to have failed; 0 if at none.

        Unknown orders are left out.
        """

    def ping(self) -> None:
        """Return if the storage answers and has the expected schema; else StorageUnavailable."""


@attrs.frozen(kw_only=True)
class Discrepancy:
    """A figure that is not what the ledger says."""

    figure: str
    # What it belongs to: a product id, "vendor/product", or an order id.
    subject: str
    expected: int
    found: int


class Ledger(Protocol):
    """The record of supply and demand from which every balance can be recomputed."""

    def discrepancies(self) -> Iterator[Discrepancy]:
        """Every figure that differs, at one moment, in memory that does not grow with the data.

        `vendor_available`: a vendor's stock is its adjustments less its allocations.
        `on_hand`: a product's central stock is the sum over its vendors.
        `reserved`: and holds exactly the lines of orders still reserved.
        `allocated`: a fulfilled order's allocations are exactly its lines; any other has none.
        `has_lines`: an order has lines (1), whatever its status; without any (0), what it stood for
        is lost, and nothing else would tell.
        """

"""Where stock is kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ..stock import CentralStock, Product, StockDelta, Vendor, VendorStock, VendorStockChange
from ..vendor_sync import StockAdjustment


class StockRepository(Protocol):
    """Central and vendor stock. A product's central lock covers its vendor stock too."""

    def lock(self, product_ids: Collection[str]) -> dict[str, CentralStock]:
        """Central stock of these products, locked in one fixed order until the unit of work ends.

        Unknown products are left out.
        """

    def change(self, changes: Sequence[StockDelta], at: datetime) -> None:
        """Change central stock, at most one change a product.

        ConstraintViolated if a figure would fall below 0, or a reservation grow beyond on hand.
        """

    def lock_vendor_stock(self, product_ids: Collection[str]) -> list[VendorStock]:
        """All vendor stock of these products, which are locked like by `lock`."""

    def lock_top_vendors(self, counts: Mapping[str, int]) -> list[VendorStock]:
        """Of each product so many vendors, those with the highest stock, ties by vendor id.

        None that have nothing. The products are locked like by `lock`.
        """

    def change_vendors(self, changes: Sequence[VendorStockChange]) -> None:
        """Change vendor stock, one change a vendor and product; ConstraintViolated below 0."""

    def upsert_vendor_stock(self, levels: Sequence[VendorStock]) -> None:
        """Insert or replace vendor stock of products that the caller has locked.

        Marks of no more than what is counted now are of no use any more, and go.
        """

    def mark_allocated(self, levels: Sequence[VendorStock], at: datetime) -> None:
        """Note that these totals of allocated units were seen committed by then.

        The caller has locked the products. A total that was marked before keeps its first time.
        """

    def allocated_by(self, vendor_id: str, timestamps: Mapping[str, datetime]) -> Mapping[str, int]:
        """For each product the highest total that was marked by its time; without one, left out."""

    def record(self, adjustments: Sequence[StockAdjustment]) -> None:
        """Write the supply side of the ledger."""

    def products_of(self, vendor_id: str) -> set[str]:
        """The products of which the vendor last reported more than nothing."""

    def accept_report(self, vendor: Vendor, as_of: datetime, now: datetime) -> bool:
        """Add or rename the vendor, and note that this is its newest report.

        False, and nothing changes, if a newer one was accepted since the vendor came. One of later
        than `now` is a mistake of some clock, and no newer one. Otherwise the vendor is locked
        until the unit of work ends. To be called before any other lock is taken.
        """

    def retire(self, vendor_id: str) -> None:
        """The vendor is gone: should it come back, whatever it then reports is newer.

        An unknown vendor is passed over.
        """

    def products(self, product_ids: Collection[str]) -> dict[str, Product]:
        """These products, not locked; unknown ones are left out."""

    def add_products(self, products: Sequence[Product], at: datetime) -> None:
        """Add those products that are not known yet, with no stock; known ones stay as they are."""

    def rename_products(self, products: Sequence[Product]) -> None:
        """Set the names of known products that the caller has locked, and who gave them."""

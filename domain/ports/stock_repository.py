"""Where stock is kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ..errors import Rejection
from ..stock import (
    CentralStock,
    Product,
    ProductLimits,
    StockDelta,
    Vendor,
    VendorStock,
    VendorStockChange,
)
from ..vendor_sync import Quarantine, ReportState, StockAdjustment
from .ledger import Discrepancy


class StockRepository(Protocol):
    """Central and vendor stock. A product's central lock covers its vendor stock too."""

    def lock(self, product_ids: Collection[str]) -> dict[str, CentralStock]:
        """Central stock of these products, locked in one fixed order until the unit of work ends.

        Unknown products are left out.
        """

    def change(self, changes: Sequence[StockDelta], at: datetime) -> None:
        """Change central stock, at most one change a product.

        ConstraintViolated if a figure would fall below 0, more be stale than is on hand, or a
        reservation grow beyond what is on hand and not stale.
        """

    def products_with_due_holds(self, now: datetime, limit: int) -> list[str]:
        """So many products, not locked, of which a hold may have expired by now."""

    def refresh_holds(self, product_ids: Collection[str]) -> None:
        """Look up when the next hold of these products expires; the caller has locked them."""

    def fillable(self, limit: int) -> list[str]:
        """So many products, not locked, that orders wait for and of which some is free."""

    def limit_product(self, product_id: str, limits: ProductLimits, at: datetime) -> bool:
        """Set what is watched and allowed of a product; False where there is no such product."""

    def lock_vendor_stock(self, product_ids: Collection[str]) -> list[VendorStock]:
        """All vendor stock of these products, which are locked like by `lock`."""

    def vendor_levels(self, vendor_id: str, product_ids: Collection[str]) -> list[VendorStock]:
        """What one vendor has of these products, not locked."""

    def lock_top_vendors(self, counts: Mapping[str, int]) -> list[VendorStock]:
        """Of each product so many vendors, those with the highest stock, ties by vendor id.

        What is stale comes last; none that have nothing. The products are locked like by `lock`.
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

    def discrepancies(self, product_ids: Collection[str]) -> list[Discrepancy]:
        """What the ledger finds wrong with the stock of these products; the caller has locked them.

        An order's own figures, `allocated` and `has_lines`, are not looked at.
        """

    def correct_allocated(self, levels: Sequence[VendorStock]) -> None:
        """Set what was ever allocated, and counted, of vendor stock that the caller has locked.

        Marks of more than that are of nothing that happened, and go.
        """

    def products_of(self, vendor_id: str, after: str, limit: int) -> list[str]:
        """So many products, by id after this one, of which it last reported more than nothing.

        Or of which it said when it expects more.
        """

    def expected(self, product_ids: Collection[str], now: datetime) -> Mapping[str, datetime]:
        """When more of these products is expected, not locked; those without a time are left out.

        The earliest time after `now` of all vendors that are enabled and neither stale nor in
        quarantine.
        """

    def accept_report(
        self, vendor: Vendor, as_of: datetime, now: datetime, max_age: timedelta | None = None
    ) -> bool:
        """Add or rename the vendor, and note that this is its newest report; it is not stale.

        After `max_age` without another it is silent.

        False, and nothing changes, if a newer one was accepted since the vendor came. One of later
        than `now` is a mistake of some clock, and no newer one. Otherwise the vendor is locked
        until the unit of work ends. To be called before any other lock is taken.
        """

    def reported_units(self, vendor_id: str) -> int:
        """What the vendor reported last, of all products together."""

    def quarantine(self, vendor_id: str) -> Quarantine | None:
        """Whether the vendor's reports are in quarantine, not locked."""

    def begin_quarantine(self, vendor_id: str, now: datetime) -> None:
        """From now on, unless it is so already; the vendor counts as silent meanwhile.

        It ends with the next report that is accepted.
        """

    def approve(self, vendor_id: str) -> bool:
        """The next report is to be believed; False where none is in quarantine."""

    def replace_rejections(self, vendor_id: str, rejections: Sequence[Rejection]) -> None:
        """What was rejected of the vendor's last report."""

    def silent_vendors(self, now: datetime) -> list[str]:
        """The vendors, not locked, that have been silent for too long, stale or not."""

    def make_stale(self, vendor_id: str, now: datetime) -> bool:
        """Note that the vendor is stale; False if it was so before, or is not silent any more."""

    def lock_vendor(self, vendor_id: str) -> ReportState | None:
        """What is known of its reports; it is locked until the unit of work ends, as by a report.

        None, and nothing is locked, where it has reported nothing, or has retired since.
        """

    def note_heard(self, vendor_id: str, now: datetime, max_age: timedelta | None) -> None:
        """The vendor, which is locked and not stale, has told some of its stock."""

    def fresh_products(self, vendor_id: str, limit: int) -> list[str]:
        """So many of the products, not locked, of which the vendor has some that is not stale."""

    def retire(self, vendor_id: str) -> None:
        """The vendor is gone: should it come back, whatever it then reports is newer.

        An unknown vendor is passed over.
        """

    def products(self, product_ids: Collection[str]) -> dict[str, Product]:
        """These products, not locked; unknown ones are left out."""

    def names(self, product_ids: Collection[str]) -> Mapping[str, str]:
        """What these products are called, not locked; unknown ones are left out."""

    def add_products(self, products: Sequence[Product], at: datetime) -> None:
        """Add those products that are not known yet, with no stock; known ones stay as they are."""

    def rename_products(self, products: Sequence[Product]) -> None:
        """Set the names of known products that the caller has locked, and who gave them."""

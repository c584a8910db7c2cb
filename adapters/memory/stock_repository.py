"""Stock in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from itertools import groupby, islice
from operator import attrgetter

import attrs

from ...domain.errors import ConstraintViolated, Rejection
from ...domain.order import OrderStatus
from ...domain.ports.ledger import Discrepancy
from ...domain.stock import (
    CentralStock,
    Product,
    ProductLimits,
    StockDelta,
    Vendor,
    VendorStock,
    VendorStockChange,
)
from ...domain.vendor_sync import NEVER, Quarantine, ReportState, StockAdjustment
from .database import Database
from .expectations import expected_stock
from .ledger import stock_discrepancies
from .tables import Tables

FOREVER = datetime.max.replace(tzinfo=UTC)


class MemoryStock:
    """StockRepository on memory."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._tables = tables

    def lock(self, product_ids: Collection[str]) -> dict[str, CentralStock]:
        """The unit of work holds the one lock already."""
        central = self._tables.central
        return {key: central[key] for key in sorted(product_ids) if key in central}

    def change(self, changes: Sequence[StockDelta], at: datetime) -> None:
        """Checks what the database's constraints check."""
        for change in changes:
            before = self._tables.central.get(change.product_id)
            if before is None:
                raise ConstraintViolated(f"there is no central stock of {change.product_id}")
            after = before.changed(change)
            if (
                min(after.on_hand, after.reserved, after.backordered) < 0
                or not 0 <= after.stale <= after.on_hand
            ):
                raise ConstraintViolated(f"central stock of {change.product_id} would fall below 0")
            if change.reserved > 0 and after.reserved > after.on_hand - after.stale:
                raise ConstraintViolated(
                    f"{change.product_id}: more reserved than there is on hand"
                )
            self._tables.central[change.product_id] = after
            self._tables.changed_at[change.product_id] = at

    def products_with_due_holds(self, now: datetime, limit: int) -> list[str]:
        """By a scan."""
        due = (
            key
            for key, level in sorted(self._tables.central.items())
            if level.holds_expire_at is not None and level.holds_expire_at <= now
        )
        return list(islice(due, limit))

    def refresh_holds(self, product_ids: Collection[str]) -> None:
        """By a scan over all orders."""
        for product_id in product_ids:
            ends = [
                order.expires_at
                for order in self._tables.orders.values()
                if order.status is OrderStatus.HELD
                and order.expires_at is not None
                and any(line.product_id == product_id for line in order.lines)
            ]
            level = self._tables.central[product_id]
            self._tables.central[product_id] = attrs.evolve(
                level, holds_expire_at=min(ends, default=None)
            )

    def fillable(self, limit: int) -> list[str]:
        """By a scan."""
        found = (
            key
            for key, level in sorted(self._tables.central.items())
            if level.backordered and level.free > 0
        )
        return list(islice(found, limit))

    def limit_product(self, product_id: str, limits: ProductLimits, at: datetime) -> bool:
        """Replace."""
        level = self._tables.central.get(product_id)
        if level is None:
            return False
        self._tables.central[product_id] = attrs.evolve(
            level, low_at=limits.low_at, backorder_limit=limits.backorder_limit
        )
        self._tables.changed_at[product_id] = at
        return True

    def lock_vendor_stock(self, product_ids: Collection[str]) -> list[VendorStock]:
        """Every vendor's row of these products."""
        wanted = set(product_ids)
        levels = self._tables.vendor_stock.values()
        return [level for level in levels if level.product_id in wanted]

    def vendor_levels(self, vendor_id: str, product_ids: Collection[str]) -> list[VendorStock]:
        """Look up."""
        found = (self._tables.vendor_stock.get((key, vendor_id)) for key in product_ids)
        return [level for level in found if level is not None]

    def lock_top_vendors(self, counts: Mapping[str, int]) -> list[VendorStock]:
        """Sorted here."""
        levels = sorted(
            (level for level in self.lock_vendor_stock(counts) if level.available),
            key=lambda level: (
                level.product_id,
                level.stale,
                -level.available,
                level.vendor_id,
            ),
        )
        return [
            level
            for product_id, group in groupby(levels, key=attrgetter("product_id"))
            for level in islice(group, counts[product_id])
        ]

    def change_vendors(self, changes: Sequence[VendorStockChange]) -> None:
        """Checks what the database's constraint checks."""
        for change in changes:
            key = (change.product_id, change.vendor_id)
            before = self._tables.vendor_stock.get(key)
            if before is None:
                raise ConstraintViolated(f"there is no stock of {key}")
            after = attrs.evolve(
                before,
                available=before.available + change.available,
                allocated=before.allocated + change.allocated,
            )
            if after.available < 0:
                raise ConstraintViolated(f"stock of {key} would fall below 0")
            self._tables.vendor_stock[key] = after

    def upsert_vendor_stock(self, levels: Sequence[VendorStock]) -> None:
        """Insert or replace, and forget marks by a scan."""
        for level in levels:
            if not 0 <= level.counted <= level.allocated:
                raise ConstraintViolated("more is counted than was ever allocated")
            self._tables.vendor_stock[level.product_id, level.vendor_id] = level
        counted = {(level.product_id, level.vendor_id): level.counted for level in levels}
        for key in self._tables.marks:
            product_id, vendor_id, allocated = key
            if allocated <= counted.get((product_id, vendor_id), -1):
                self._tables.marks[key] = None

    def mark_allocated(self, levels: Sequence[VendorStock], at: datetime) -> None:
        """Insert what is new."""
        for level in levels:
            key = level.product_id, level.vendor_id, level.allocated
            if self._tables.marks.get(key) is None:
                self._tables.marks[key] = at

    def allocated_by(self, vendor_id: str, timestamps: Mapping[str, datetime]) -> Mapping[str, int]:
        """By a scan over all marks."""
        highest: dict[str, int] = {}
        for (product_id, marked_vendor, allocated), at in self._tables.marks.items():
            if marked_vendor != vendor_id or at is None or product_id not in timestamps:
                continue
            if at <= timestamps[product_id]:
                highest[product_id] = max(allocated, highest.get(product_id, 0))
        return highest

    def record(self, adjustments: Sequence[StockAdjustment]) -> None:
        """Append to the ledger."""
        for adjustment in adjustments:
            self._tables.adjustments[self._database.next_id()] = adjustment

    def discrepancies(self, product_ids: Collection[str]) -> list[Discrepancy]:
        """By a scan over everything."""
        wanted = set(product_ids)
        return [found for found in stock_discrepancies(self._tables) if found.product_id in wanted]

    def correct_allocated(self, levels: Sequence[VendorStock]) -> None:
        """Replace, and forget marks by a scan."""
        self.upsert_vendor_stock(
            [
                attrs.evolve(
                    self._tables.vendor_stock[level.product_id, level.vendor_id],
                    allocated=level.allocated,
                    counted=level.counted,
                )
                for level in levels
            ]
        )
        allocated = {(level.product_id, level.vendor_id): level.allocated for level in levels}
        for key in self._tables.marks:
            product_id, vendor_id, total = key
            if total > allocated.get((product_id, vendor_id), total):
                self._tables.marks[key] = None

    def products_of(self, vendor_id: str, after: str, limit: int) -> list[str]:
        """By a scan."""
        levels = self._tables.vendor_stock.values()
        found = (
            x.product_id
            for x in levels
            if x.vendor_id == vendor_id and (x.reported or x.expected_at is not None)
        )
        return nsmallest(limit, (product_id for product_id in found if product_id > after))

    def expected(self, product_ids: Collection[str], now: datetime) -> Mapping[str, datetime]:
        """By a scan."""
        return expected_stock(self._tables, product_ids, now)

    def accept_report(
        self, vendor: Vendor, as_of: datetime, now: datetime, max_age: timedelta | None = None
    ) -> bool:
        """Insert or replace."""
        known = self._tables.reported_at.get(vendor.id)
        retired = self._tables.retired.get(vendor.id, False)
        if known is not None and as_of < known <= now and not retired:
            return False
        self._tables.retired[vendor.id] = False
        self._tables.stale[vendor.id] = False
        self._tables.quarantines[vendor.id] = None
        self._tables.heard_at[vendor.id] = now
        self._tables.silent_at[vendor.id] = FOREVER if max_age is None else now + max_age
        self._tables.vendors[vendor.id] = vendor
        self._tables.reported_at[vendor.id] = as_of
        return True

    def reported_units(self, vendor_id: str) -> int:
        """By a scan."""
        levels = self._tables.vendor_stock.values()
        return sum(level.reported for level in levels if level.vendor_id == vendor_id)

    def quarantine(self, vendor_id: str) -> Quarantine | None:
        """Look up."""
        return self._tables.quarantines.get(vendor_id)

    def begin_quarantine(self, vendor_id: str, now: datetime) -> None:
        """Insert what is new."""
        if self._tables.quarantines.get(vendor_id) is None:
            self._tables.quarantines[vendor_id] = Quarantine(since=now)
            self._tables.silent_at[vendor_id] = min(now, self._tables.silent_at[vendor_id])

    def approve(self, vendor_id: str) -> bool:
        """Replace."""
        known = self._tables.quarantines.get(vendor_id)
        if known is not None:
            self._tables.quarantines[vendor_id] = attrs.evolve(known, approved=True)
        return known is not None

    def replace_rejections(self, vendor_id: str, rejections: Sequence[Rejection]) -> None:
        """Replace."""
        self._tables.rejections[vendor_id] = tuple(rejections)

    def silent_vendors(self, now: datetime) -> list[str]:
        """By a scan."""
        return sorted(key for key, at in self._tables.silent_at.items() if at < now)

    def make_stale(self, vendor_id: str, now: datetime) -> bool:
        """Note it."""
        silent = self._tables.silent_at.get(vendor_id, FOREVER) < now
        begun = silent and not self._tables.stale[vendor_id]
        if begun:
            self._tables.stale[vendor_id] = True
        return begun

    def lock_vendor(self, vendor_id: str) -> ReportState | None:
        """The unit of work holds the one lock already."""
        as_of = self._tables.reported_at.get(vendor_id, NEVER)
        if as_of == NEVER or self._tables.retired.get(vendor_id):
            return None
        quarantined = self._tables.quarantines.get(vendor_id) is not None
        return ReportState(as_of=as_of, stale=self._tables.stale[vendor_id] or quarantined)

    def note_heard(self, vendor_id: str, now: datetime, max_age: timedelta | None) -> None:
        """Replace."""
        self._tables.heard_at[vendor_id] = now
        self._tables.silent_at[vendor_id] = FOREVER if max_age is None else now + max_age

    def fresh_products(self, vendor_id: str, limit: int) -> list[str]:
        """By a scan."""
        levels = self._tables.vendor_stock.values()
        fresh = (x for x in levels if x.vendor_id == vendor_id and x.available and not x.stale)
        return [level.product_id for level in islice(fresh, limit)]

    def retire(self, vendor_id: str) -> None:
        """Note it."""
        if vendor_id in self._tables.vendors:
            self._tables.retired[vendor_id] = True

    def products(self, product_ids: Collection[str]) -> dict[str, Product]:
        """Look up."""
        known = self._tables.products
        return {key: known[key] for key in product_ids if key in known}

    def names(self, product_ids: Collection[str]) -> Mapping[str, str]:
        """Look up."""
        return {key: product.name for key, product in self.products(product_ids).items()}

    def rename_products(self, products: Sequence[Product]) -> None:
        """Replace."""
        for product in products:
            if product.id in self._tables.products:
                self._tables.products[product.id] = product

    def add_products(self, products: Sequence[Product], at: datetime) -> None:
        """Insert what is new."""
        for product in products:
            if product.id not in self._tables.products:
                self._tables.products[product.id] = product
                self._tables.central[product.id] = CentralStock(product_id=product.id)
                self._tables.changed_at[product.id] = at

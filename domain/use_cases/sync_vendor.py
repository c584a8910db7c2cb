"""Take in what a vendor reports, and bring central stock in line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from ..batches import batches_of
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..ports.vendor_gateway import VendorGateway
from ..stock import StockDelta, VendorStock
from ..vendor_sync import (
    Snapshot,
    StockAdjustment,
    StockReport,
    new_products,
    reconcile,
    renamed_products,
)

# Products a transaction: orders for them wait while it runs.
CHUNK = 1000
CAUSE = "snapshot"


@attrs.frozen(kw_only=True)
class SyncResult:
    """What a vendor's report changed."""

    vendor_id: str
    as_of: datetime
    products: int
    adjustments: tuple[StockAdjustment, ...] = ()
    # A newer report came before this one was taken in completely.
    outdated: bool = False


class SyncVendor:
    """Pulls a vendor's snapshot and applies it. Doing it again changes nothing.

    A large snapshot is applied in several transactions, each of which leaves every balance right;
    what a crash leaves undone, the next sync does.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, gateway: VendorGateway) -> SyncResult:
        """Raises VendorUnavailable, InvalidSnapshot, StorageUnavailable or Conflict."""
        snapshot = gateway.fetch()
        adjustments: list[StockAdjustment] = []
        outdated = False
        try:
            for chunk in batches_of(self._all_reports(snapshot), CHUNK):
                adjustments += self._apply(snapshot, chunk)
        except _Outdated:
            outdated = True
        return SyncResult(
            vendor_id=snapshot.vendor.id,
            as_of=snapshot.as_of,
            products=len(snapshot.reports),
            adjustments=tuple(adjustments),
            outdated=outdated,
        )

    def _all_reports(self, snapshot: Snapshot) -> list[StockReport]:
        """The reports, and one of zero units for each product that the vendor no longer names."""
        with self._unit_of_work() as uow:
            _accept(uow, snapshot)
            known = uow.stock.products_of(snapshot.vendor.id)
            uow.commit()
        gone = known - {report.product_id for report in snapshot.reports}
        zeros = [StockReport(product_id=key, quantity=0) for key in gone]
        # In one order for all vendors, so that syncs side by side cannot block each other.
        return sorted([*snapshot.reports, *zeros], key=lambda report: report.product_id)

    def _apply(self, snapshot: Snapshot, chunk: Sequence[StockReport]) -> list[StockAdjustment]:
        vendor_id = snapshot.vendor.id
        quantities = {report.product_id: report.quantity for report in chunk}
        with self._unit_of_work() as uow:
            _accept(uow, snapshot)
            now = self._clock.now()
            products = uow.stock.products(quantities)
            uow.stock.add_products(new_products(vendor_id, chunk, products), now)
            levels = uow.stock.lock_vendor_stock(quantities)
            uow.stock.rename_products(renamed_products(vendor_id, chunk, products, levels))
            known = {level.product_id: level for level in levels if level.vendor_id == vendor_id}
            uncounted = uow.orders.allocated_since(vendor_id, quantities, snapshot.as_of)
            changed = reconcile(vendor_id, quantities, snapshot.as_of, known, uncounted)
            adjustments = [
                StockAdjustment(
                    vendor_id=vendor_id,
                    product_id=level.product_id,
                    delta=delta,
                    cause=CAUSE,
                    at=now,
                )
                for level in changed
                if (delta := level.available - _available(known.get(level.product_id)))
            ]
            uow.stock.upsert_vendor_stock(changed)
            uow.stock.record(adjustments)
            uow.stock.change(
                [StockDelta(product_id=a.product_id, on_hand=a.delta) for a in adjustments], now
            )
            uow.commit()
        return adjustments


class _Outdated(Exception):
    """A newer report of the vendor has been taken in, perhaps while this one was being."""


def _accept(uow: UnitOfWork, snapshot: Snapshot) -> None:
    if not uow.stock.accept_report(snapshot.vendor, snapshot.as_of):
        raise _Outdated


def _available(level: VendorStock | None) -> int:
    return 0 if level is None else level.available

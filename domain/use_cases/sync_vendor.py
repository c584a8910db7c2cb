"""Take in what a vendor reports, and bring central stock in line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from ..batches import batches_of
from ..errors import Rejection
from ..ports.clock import Clock
from ..ports.stock_repository import StockRepository
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..ports.vendor_gateway import VendorGateway
from ..stock import StockDelta, Vendor, VendorStock
from ..vendor_sync import (
    Snapshot,
    StockAdjustment,
    StockReport,
    VendorTerms,
    is_outdated,
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
    # Rows that were left out, while the others were taken in.
    rejections: tuple[Rejection, ...] = ()
    # A newer report came before this one was taken in completely.
    outdated: bool = False


class SyncVendor:
    """Pulls a vendor's snapshot and applies it. Doing it again changes nothing.

    A large snapshot is applied in several transactions, each of which leaves every balance right;
    what a crash leaves undone, the next sync does.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        """`clock` is the one that all processes share, where there is one."""
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, gateway: VendorGateway) -> SyncResult:
        """Raises VendorUnavailable, InvalidSnapshot, StorageUnavailable or Conflict."""
        asked = self._clock.now()
        snapshot = gateway.fetch()
        # What a vendor says of the future cannot have counted what we do until then.
        as_of = asked if snapshot.as_of is None else min(asked, snapshot.as_of)
        intake = _Intake(snapshot=snapshot, terms=gateway.terms, asked=asked, as_of=as_of)
        adjustments: list[StockAdjustment] = []
        rejections = [*snapshot.rejections]
        outdated = False
        try:
            for chunk in batches_of(self._all_reports(intake), CHUNK):
                adjusted, rejected = self._apply(intake, chunk)
                adjustments += adjusted
                rejections += rejected
        except _Outdated:
            outdated = True
        return SyncResult(
            vendor_id=snapshot.vendor.id,
            as_of=as_of,
            products=len(snapshot.reports),
            adjustments=tuple(adjustments),
            rejections=tuple(rejections),
            outdated=outdated,
        )

    def _all_reports(self, intake: _Intake) -> list[StockReport]:
        """The reports, and one of zero units for each product that the vendor no longer names."""
        with self._unit_of_work() as uow:
            self._accept(uow, intake)
            known = uow.stock.products_of(intake.vendor.id)
            uow.commit()
        reports = intake.reports()
        named = {report.product_id for report in reports}
        unread = {rejection.product_id for rejection in intake.snapshot.rejections}
        gone = sorted(known - named - unread)
        return [*reports, *(StockReport(product_id=key, quantity=0) for key in gone)]

    def _apply(
        self, intake: _Intake, chunk: Sequence[StockReport]
    ) -> tuple[list[StockAdjustment], list[Rejection]]:
        vendor_id = intake.vendor.id
        product_ids = [report.product_id for report in chunk]
        with self._unit_of_work() as uow:
            self._accept(uow, intake)
            products = uow.stock.products(product_ids)
            uow.stock.add_products(new_products(vendor_id, chunk, products), intake.asked)
            levels = uow.stock.lock_vendor_stock(product_ids)
            # Whatever is seen now was committed by now.
            now = self._clock.now()
            known = {level.product_id: level for level in levels if level.vendor_id == vendor_id}
            reports, rejections = intake.sift(chunk, known, now)
            uow.stock.rename_products(renamed_products(vendor_id, reports, products, levels))
            counted = _counted(uow.stock, intake, reports, known, now)
            changed = reconcile(vendor_id, reports, known, counted)
            adjustments = _adjustments(changed, known, now)
            uow.stock.upsert_vendor_stock(changed)
            uow.stock.record(adjustments)
            uow.stock.change(
                [StockDelta(product_id=a.product_id, on_hand=a.delta) for a in adjustments], now
            )
            uow.commit()
        return adjustments, rejections

    def _accept(self, uow: UnitOfWork, intake: _Intake) -> None:
        if not uow.stock.accept_report(intake.vendor, intake.as_of, self._clock.now()):
            raise _Outdated


class _Outdated(Exception):
    """A newer report of the vendor has been taken in, perhaps while this one was being."""


@attrs.frozen(kw_only=True)
class _Intake:
    """A snapshot that is being taken in."""

    snapshot: Snapshot
    terms: VendorTerms
    asked: datetime
    as_of: datetime

    @property
    def vendor(self) -> Vendor:
        return self.snapshot.vendor

    def reports(self) -> list[StockReport]:
        """None is of the future."""
        return [
            attrs.evolve(report, as_of=self.asked)
            if report.as_of is not None and report.as_of > self.asked
            else report
            for report in self.snapshot.reports
        ]

    def sift(
        self, reports: Sequence[StockReport], known: Mapping[str, VendorStock], now: datetime
    ) -> tuple[list[StockReport], list[Rejection]]:
        """Those to take in, and why the others are not."""
        good = []
        rejections = []
        for report in reports:
            found = self._rejection(report, known.get(report.product_id), now)
            if found is None:
                good.append(report)
            else:
                field, reason = found
                rejection = Rejection(
                    place=f"product {report.product_id}",
                    product_id=report.product_id,
                    field=field,
                    reason=reason,
                )
                rejections.append(rejection)
        return good, rejections

    def _rejection(
        self, report: StockReport, known: VendorStock | None, now: datetime
    ) -> tuple[str, str] | None:
        if is_outdated(report, self.as_of, known, now):
            return "as_of", "is older than what is known"
        if not self.terms.counts_orders.by_sequence:
            return None
        allocated = 0 if known is None else known.allocated
        if report.acked_through is not None and report.acked_through > allocated:
            return "acked_through", f"must be at most {allocated}, as no more was ordered"
        return None

    def counted_before(self, report: StockReport) -> datetime | None:
        """Which marks count for a report."""
        own_date = report.as_of or (self.as_of if self.snapshot.stated else None)
        return self.terms.counts_orders.counted_before(own_date, self.as_of)

    def acked_through(self, report: StockReport) -> int | None:
        """By its sequence, where that counts."""
        return report.acked_through if self.terms.counts_orders.by_sequence else None


def _counted(
    stock: StockRepository,
    intake: _Intake,
    reports: Sequence[StockReport],
    known: Mapping[str, VendorStock],
    now: datetime,
) -> dict[str, int]:
    """By product, how much of what was ever allocated its report has counted.

    What was once counted stays so, unless the vendor itself says otherwise.
    """
    counted = {}
    timestamps = {}
    for report in reports:
        level = known.get(report.product_id)
        acked_through = intake.acked_through(report)
        counted[report.product_id] = 0 if level is None else level.counted
        if acked_through is not None:
            counted[report.product_id] = acked_through
        elif level is not None and level.counted < level.allocated:
            timestamp = intake.counted_before(report)
            if timestamp is not None:
                timestamps[report.product_id] = timestamp
    if timestamps:
        stock.mark_allocated([known[product_id] for product_id in timestamps], now)
        for product_id, units in stock.allocated_by(intake.vendor.id, timestamps).items():
            counted[product_id] = max(counted[product_id], units)
    return counted


def _adjustments(
    changed: Sequence[VendorStock], known: Mapping[str, VendorStock], now: datetime
) -> list[StockAdjustment]:
    before = {product_id: level.available for product_id, level in known.items()}
    return [
        StockAdjustment(
            vendor_id=level.vendor_id,
            product_id=level.product_id,
            delta=delta,
            cause=CAUSE,
            at=now,
        )
        for level in changed
        if (delta := level.available - before.get(level.product_id, 0))
    ]

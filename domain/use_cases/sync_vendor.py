"""Take in what a vendor reports, and bring central stock in line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from ..batches import batches_of
from ..errors import InvalidSnapshot, Rejection
from ..ports.clock import Clock
from ..ports.stock_repository import StockRepository
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..ports.vendor_gateway import VendorGateway
from ..stock import Product, StockDelta, Vendor, VendorStock
from ..vendor_sync import (
    Cut,
    Snapshot,
    StockAdjustment,
    StockReport,
    VendorTerms,
    is_known,
    is_outdated,
    new_products,
    reconcile,
    renamed_products,
    suspicious_cut,
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
    # It takes away so much that somebody has to look at it; nothing was taken in.
    quarantined: Cut | None = None


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
        return self._take_in(self._fetch(gateway), gateway.terms, asked, keep=True)

    def preview(self, snapshot: Snapshot, terms: VendorTerms) -> SyncResult:
        """What taking it in would change, which is then undone. StorageUnavailable or Conflict."""
        return self._take_in(snapshot, terms, self._clock.now(), keep=False)

    def _take_in(
        self, snapshot: Snapshot, terms: VendorTerms, asked: datetime, *, keep: bool
    ) -> SyncResult:
        # What a vendor says of the future cannot have counted what we do until then.
        as_of = asked if snapshot.as_of is None else min(asked, snapshot.as_of)
        intake = _Intake(snapshot=snapshot, terms=terms, asked=asked, as_of=as_of, keep=keep)
        adjustments: list[StockAdjustment] = []
        rejections = [*snapshot.rejections]
        outdated, quarantined = False, None
        try:
            for chunk in batches_of(self._all_reports(intake), CHUNK):
                adjusted, rejected = self._apply(intake, chunk)
                adjustments += adjusted
                rejections += rejected
            if keep:
                self._record_rejections(snapshot.vendor.id, rejections)
        except _Outdated:
            outdated = True
        except _Suspicious as error:
            quarantined = error.cut
            if keep:
                self._quarantine(intake)
        return SyncResult(
            vendor_id=snapshot.vendor.id,
            as_of=as_of,
            products=len(snapshot.reports),
            adjustments=tuple(adjustments),
            rejections=tuple(rejections),
            outdated=outdated,
            quarantined=quarantined,
        )

    def _fetch(self, gateway: VendorGateway) -> Snapshot:
        try:
            return gateway.fetch()
        except InvalidSnapshot as error:
            if error.rejections:
                self._record_rejections(gateway.vendor.id, error.rejections)
            raise

    def _record_rejections(self, vendor_id: str, rejections: Sequence[Rejection]) -> None:
        with self._unit_of_work() as uow:
            uow.stock.replace_rejections(vendor_id, rejections)
            uow.commit()

    def _quarantine(self, intake: _Intake) -> None:
        with self._unit_of_work() as uow:
            uow.stock.begin_quarantine(intake.vendor.id, self._clock.now())
            uow.commit()

    def _all_reports(self, intake: _Intake) -> list[StockReport]:
        """The reports, and one of zero units for each product that the vendor no longer names."""
        with self._unit_of_work() as uow:
            quarantine = uow.stock.quarantine(intake.vendor.id)
            self._accept(uow, intake)
            known = uow.stock.products_of(intake.vendor.id)
            before = uow.stock.reported_units(intake.vendor.id)
            after = intake.units + _reported(uow.stock, intake.vendor.id, known & intake.unread)
            cut = suspicious_cut(before, after, intake.terms)
            if cut and not (quarantine and quarantine.is_over(intake.terms, intake.asked)):
                raise _Suspicious(cut)
            intake.commit(uow)
        reports = intake.reports()
        named = {report.product_id for report in reports}
        gone = sorted(known - named - intake.unread)
        return [*reports, *(StockReport(product_id=key, quantity=0) for key in gone)]

    def _apply(
        self, intake: _Intake, chunk: Sequence[StockReport]
    ) -> tuple[list[StockAdjustment], list[Rejection]]:
        vendor_id = intake.vendor.id
        product_ids = [report.product_id for report in chunk]
        with self._unit_of_work() as uow:
            # It keeps other reports of the vendor out.
            self._accept(uow, intake)
            products = uow.stock.products(product_ids)
            chunk = _news(uow.stock, vendor_id, chunk, products)
            if not chunk:
                return [], []
            product_ids = [report.product_id for report in chunk]
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
            uow.stock.change(_central_changes(changed, known), now)
            intake.commit(uow)
        return adjustments, rejections

    def _accept(self, uow: UnitOfWork, intake: _Intake) -> None:
        now = self._clock.now()
        if not uow.stock.accept_report(intake.vendor, intake.as_of, now, intake.terms.max_age):
            raise _Outdated


class _Outdated(Exception):
    """A newer report of the vendor has been taken in, perhaps while this one was being."""


class _Suspicious(Exception):
    """The report takes away more than is believed at once."""

    def __init__(self, cut: Cut) -> None:
        super().__init__()
        self.cut = cut


@attrs.frozen(kw_only=True)
class _Intake:
    """A snapshot that is being taken in."""

    snapshot: Snapshot
    terms: VendorTerms
    asked: datetime
    as_of: datetime
    # Whether it is to last.
    keep: bool

    def commit(self, uow: UnitOfWork) -> None:
        """Unless everything is to be undone."""
        if self.keep:
            uow.commit()

    @property
    def vendor(self) -> Vendor:
        return self.snapshot.vendor

    @property
    def units(self) -> int:
        """What the vendor says it has, of all products together."""
        return sum(report.quantity for report in self.snapshot.reports)

    @property
    def unread(self) -> set[str]:
        """Products whose rows were bad: what is known of them stays."""
        return {r.product_id for r in self.snapshot.rejections if r.product_id is not None}

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


def _news(
    stock: StockRepository,
    vendor_id: str,
    reports: Sequence[StockReport],
    products: Mapping[str, Product],
) -> list[StockReport]:
    """Of a vendor that nobody else reports of now, what is not known yet; no product is locked."""
    product_ids = [report.product_id for report in reports]
    known = {level.product_id: level for level in stock.vendor_levels(vendor_id, product_ids)}
    return [
        report
        for report in reports
        if not is_known(report, known.get(report.product_id), products.get(report.product_id))
    ]


def _reported(stock: StockRepository, vendor_id: str, product_ids: set[str]) -> int:
    """What the vendor last reported of these products."""
    if not product_ids:
        return 0
    levels = stock.lock_vendor_stock(product_ids)
    return sum(level.reported for level in levels if level.vendor_id == vendor_id)


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


def _central_changes(
    changed: Sequence[VendorStock], known: Mapping[str, VendorStock]
) -> list[StockDelta]:
    """What is reported is not stale any more."""
    changes = []
    for level in changed:
        before = known.get(level.product_id)
        available = 0 if before is None else before.available
        stale = available if before is not None and before.stale else 0
        if level.available != available or stale:
            changes.append(
                StockDelta(
                    product_id=level.product_id,
                    on_hand=level.available - available,
                    stale=-stale,
                )
            )
    return changes


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

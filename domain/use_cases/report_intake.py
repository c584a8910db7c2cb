"""A vendor's report on its way into the storage: what each transaction of it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Self

import attrs

from ..errors import OutdatedReport, QuarantinedReport, Rejection
from ..events import VENDOR_RECOVERED, vendor_event
from ..ports.clock import Clock
from ..ports.stock_repository import StockRepository
from ..ports.unit_of_work import UnitOfWork
from ..stock import StockDelta, Vendor, VendorStock
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
)
from .stock_changes import change_stock

CAUSE = "snapshot"
# Products that change in one transaction: orders for them wait while it runs.
CHUNK = 250
# Of more changes a result has no more than their sums.
MAX_LISTED = 10_000


@attrs.frozen(kw_only=True)
class SyncResult:
    """What a vendor's report changed."""

    vendor_id: str
    as_of: datetime
    products: int
    # Products of which there is more or less now; and by how many units.
    changed: int = 0
    added: int = 0
    removed: int = 0
    # The first MAX_LISTED of them.
    adjustments: tuple[StockAdjustment, ...] = ()
    # Rows that were left out, while the others were taken in.
    rejections: tuple[Rejection, ...] = ()
    # A newer report came before this one was taken in completely.
    outdated: bool = False
    # It takes away so much that somebody has to look at it; nothing was taken in.
    quarantined: Cut | None = None


# What is done in the transaction that ends a sync, and lasts only if that does.
AtEnd = Callable[[UnitOfWork, SyncResult], None]


class Outdated(Exception):
    """A newer report of the vendor has been taken in, perhaps while this one was being."""


class Suspicious(Exception):
    """The report takes away more than is believed at once."""

    def __init__(self, cut: Cut) -> None:
        super().__init__()
        self.cut = cut


@attrs.frozen(kw_only=True)
class Applied:
    """What came of some reports."""

    adjustments: Sequence[StockAdjustment]
    rejections: Sequence[Rejection]


@attrs.frozen(kw_only=True)
class Intake:
    """What holds for all reports that a vendor makes at once."""

    vendor: Vendor
    terms: VendorTerms
    # When it was asked for.
    asked: datetime
    as_of: datetime
    # Whether the vendor itself says what it is of.
    stated: bool
    # Whether it is to last.
    keep: bool = True
    # Whether it tells of some products only: then it makes no stale stock fresh.
    partial: bool = False
    # When the last whole report was of, which a part must not undo.
    not_before: datetime | None = None

    @classmethod
    def of(
        cls, snapshot: Snapshot, terms: VendorTerms, asked: datetime, *, keep: bool = True
    ) -> Self:
        """The intake of a snapshot.

        What a vendor says of the future cannot have counted what we do until then.
        """
        as_of = asked if snapshot.as_of is None else min(asked, snapshot.as_of)
        return cls(
            vendor=snapshot.vendor,
            terms=terms,
            asked=asked,
            as_of=as_of,
            stated=snapshot.stated,
            keep=keep,
        )

    def accept(self, uow: UnitOfWork, clock: Clock) -> None:
        """Lock the vendor; raises Outdated where it has reported something newer."""
        before = uow.stock.lock_vendor(self.vendor.id)
        now = clock.now()
        if not uow.stock.accept_report(self.vendor, self.as_of, now, self.terms.max_age):
            raise Outdated
        if before is not None and before.stale:
            uow.events.append([vendor_event(VENDOR_RECOVERED, self.vendor.id, now)])

    def after(self, whole: datetime) -> Self:
        """The same, where the last whole report was of then."""
        return attrs.evolve(self, not_before=min(whole, self.asked))

    def commit(self, uow: UnitOfWork) -> None:
        """Unless everything is to be undone."""
        if self.keep:
            uow.commit()

    def not_of_the_future(self, report: StockReport) -> StockReport:
        """The report, of no later than when it was asked for."""
        if report.as_of is None or report.as_of <= self.asked:
            return report
        return attrs.evolve(report, as_of=self.asked)

    def apply(self, uow: UnitOfWork, reports: Sequence[StockReport], clock: Clock) -> Applied:
        """Take in what is reported, of each product once; the vendor is locked."""
        product_ids = [report.product_id for report in reports]
        products = uow.stock.products(product_ids)
        uow.stock.add_products(new_products(self.vendor.id, reports, products), self.asked)
        stock = uow.stock.lock(product_ids)
        levels = uow.stock.lock_vendor_stock(product_ids)
        # Whatever is seen now was committed by now.
        now = clock.now()
        known = {x.product_id: x for x in levels if x.vendor_id == self.vendor.id}
        good, rejections = self._sift(reports, known, now)
        uow.stock.rename_products(renamed_products(self.vendor.id, good, products, levels))
        counted = self._counted(uow.stock, good, known, now)
        part_of = self.as_of if self.partial else None
        changed = reconcile(self.vendor.id, good, known, counted, part_of=part_of)
        adjustments = _adjustments(changed, known, now)
        uow.stock.upsert_vendor_stock(changed)
        uow.stock.record(adjustments)
        change_stock(uow, stock, _central_changes(changed, known), now)
        return Applied(adjustments=adjustments, rejections=rejections)

    def _sift(
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
                rejections.append(rejected(report.product_id, *found))
        return good, rejections

    def _rejection(
        self, report: StockReport, known: VendorStock | None, now: datetime
    ) -> tuple[str, str] | None:
        if self._is_before_whole(report, known) or is_outdated(report, self.as_of, known, now):
            return "as_of", "is older than what is known"
        if not self.terms.counts_orders.by_sequence:
            return None
        allocated = 0 if known is None else known.allocated
        if report.acked_through is not None and report.acked_through > allocated:
            return "acked_through", f"must be at most {allocated}, as no more was ordered"
        return None

    def _is_before_whole(self, report: StockReport, known: VendorStock | None) -> bool:
        """Whether the last whole report is newer, and says no date of the product itself."""
        if self.not_before is None or (known is not None and known.stated_at is not None):
            return False
        return (report.as_of or self.as_of) < self.not_before

    def _counted(
        self,
        stock: StockRepository,
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
            acked_through = self._acked_through(report)
            counted[report.product_id] = 0 if level is None else level.counted
            if acked_through is not None:
                counted[report.product_id] = acked_through
            elif level is not None and level.counted < level.allocated:
                timestamp = self._counted_before(report)
                if timestamp is not None:
                    timestamps[report.product_id] = timestamp
        if timestamps:
            stock.mark_allocated([known[product_id] for product_id in timestamps], now)
            for product_id, units in stock.allocated_by(self.vendor.id, timestamps).items():
                counted[product_id] = max(counted[product_id], units)
        return counted

    def _counted_before(self, report: StockReport) -> datetime | None:
        """Which marks count for a report."""
        own_date = report.as_of or (self.as_of if self.stated else None)
        return self.terms.counts_orders.counted_before(own_date, self.as_of)

    def _acked_through(self, report: StockReport) -> int | None:
        """By its sequence, where that counts."""
        return report.acked_through if self.terms.counts_orders.by_sequence else None


class Tally:
    """Adds up what came of a report's parts."""

    def __init__(self, intake: Intake, *, products: int, rejections: Sequence[Rejection]) -> None:
        self._intake = intake
        self._products = products
        self._rejections = [*rejections]
        self._adjustments: list[StockAdjustment] = []
        self._changed = self._added = self._removed = 0

    def add(self, applied: Applied) -> None:
        """One more part."""
        self._rejections += applied.rejections
        self._adjustments += applied.adjustments[: MAX_LISTED - len(self._adjustments)]
        self._changed += len(applied.adjustments)
        for adjustment in applied.adjustments:
            self._added += max(0, adjustment.delta)
            self._removed += max(0, -adjustment.delta)

    def result(self, *, outdated: bool = False, quarantined: Cut | None = None) -> SyncResult:
        """All of it so far."""
        return SyncResult(
            vendor_id=self._intake.vendor.id,
            as_of=self._intake.as_of,
            products=self._products,
            changed=self._changed,
            added=self._added,
            removed=self._removed,
            adjustments=tuple(self._adjustments),
            rejections=tuple(self._rejections),
            outdated=outdated,
            quarantined=quarantined,
        )


def require_taken_in(result: SyncResult) -> None:
    """Raise QuarantinedReport or OutdatedReport where the report was not."""
    if result.quarantined:
        cut = result.quarantined
        raise QuarantinedReport(result.vendor_id, cut.before, cut.after)
    if result.outdated:
        raise OutdatedReport(result.vendor_id, result.as_of)


def rejected(product_id: str, field: str, reason: str) -> Rejection:
    """What is said of a report that could be read, but not be taken in."""
    return Rejection(
        place=f"product {product_id}", product_id=product_id, field=field, reason=reason
    )


def select_news(
    stock: StockRepository, vendor_id: str, reports: Sequence[StockReport]
) -> list[StockReport]:
    """Those that say what is not known yet; nothing is locked."""
    product_ids = [report.product_id for report in reports]
    names = stock.names(product_ids)
    known = {level.product_id: level for level in stock.vendor_levels(vendor_id, product_ids)}
    return [
        report
        for report in reports
        if not is_known(report, known.get(report.product_id), names.get(report.product_id))
    ]


def _central_changes(
    changed: Sequence[VendorStock], known: Mapping[str, VendorStock]
) -> list[StockDelta]:
    changes = []
    for level in changed:
        before = known.get(level.product_id)
        available = 0 if before is None else before.available
        was_stale = available if before is not None and before.stale else 0
        stale = (level.available if level.stale else 0) - was_stale
        if level.available != available or stale:
            changes.append(
                StockDelta(
                    product_id=level.product_id,
                    on_hand=level.available - available,
                    stale=stale,
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

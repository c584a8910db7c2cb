"""Take in what a vendor reports, and bring central stock in line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

from ..batches import batches_of
from ..errors import InvalidSnapshot, VendorUnavailable
from ..events import VENDOR_QUARANTINED, vendor_event
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory
from ..ports.vendor_directory import SyncAttempt
from ..ports.vendor_gateway import VendorGateway
from ..stock import Vendor
from ..stock_updates import StockUpdates
from ..vendor_sync import Snapshot, StockReport, VendorTerms, suspicious_cut, with_missing
from .report_intake import (
    CHUNK,
    AtEnd,
    Intake,
    Outdated,
    Suspicious,
    SyncResult,
    Tally,
    select_news,
)
from .update_vendor_stock import UpdateVendorStock

# Products that are compared at a time.
COMPARED = 1000

# Told with how many products a report has been compared so far.
Progress = Callable[[int], None]


def ignore_progress(_compared: int) -> None:
    """For those who wait in silence."""


class SyncVendor:
    """Pulls a vendor's snapshot and applies it. Doing it again changes nothing.

    A large snapshot is applied in several transactions, each of which leaves every balance right;
    what a crash leaves undone, the next sync does.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        """`clock` is the one that all processes share, where there is one."""
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._update = UpdateVendorStock(unit_of_work, clock)

    def __call__(
        self,
        gateway: VendorGateway,
        *,
        progress: Progress = ignore_progress,
        at_end: AtEnd | None = None,
    ) -> SyncResult:
        """Raises VendorUnavailable, InvalidSnapshot, StorageUnavailable or Conflict."""
        try:
            result = self._sync(gateway, progress, at_end)
        except (VendorUnavailable, InvalidSnapshot) as error:
            self._note(gateway.vendor, SyncAttempt(at=self._clock.now(), problem=error.problem))
            raise
        problem = f"as of {result.as_of.isoformat()}, older than what is known"
        attempt = SyncAttempt(
            at=self._clock.now(),
            problem=problem if result.outdated else None,
            outdated=result.outdated,
        )
        self._note(gateway.vendor, attempt)
        return result

    def _note(self, vendor: Vendor, attempt: SyncAttempt) -> None:
        with self._unit_of_work() as uow:
            uow.vendors.note_attempt(vendor, attempt)
            uow.commit()

    def _sync(self, gateway: VendorGateway, progress: Progress, at_end: AtEnd | None) -> SyncResult:
        asked = self._clock.now()
        snapshot = self._fetch(gateway)
        if isinstance(snapshot, StockUpdates):
            return self._update.take_in(snapshot, gateway.terms, asked, at_end=at_end)
        intake = Intake.of(snapshot, gateway.terms, asked)
        result = self._take_in(snapshot, intake, progress, at_end)
        if result.quarantined:
            with self._unit_of_work() as uow:
                now = self._clock.now()
                if uow.stock.quarantine(gateway.vendor.id) is None:
                    uow.events.append([vendor_event(VENDOR_QUARANTINED, gateway.vendor.id, now)])
                uow.stock.begin_quarantine(gateway.vendor.id, now)
                uow.commit()
        return result

    def preview(
        self,
        snapshot: Snapshot | StockUpdates,
        terms: VendorTerms,
        progress: Progress = ignore_progress,
    ) -> SyncResult:
        """What taking it in would change, which is then undone. StorageUnavailable or Conflict."""
        if isinstance(snapshot, StockUpdates):
            return self._update.take_in(snapshot, terms, self._clock.now(), keep=False)
        intake = Intake.of(snapshot, terms, self._clock.now(), keep=False)
        return self._take_in(snapshot, intake, progress, None)

    def _fetch(self, gateway: VendorGateway) -> Snapshot | StockUpdates:
        try:
            return gateway.fetch()
        except InvalidSnapshot as error:
            if error.rejections:
                with self._unit_of_work() as uow:
                    uow.stock.replace_rejections(gateway.vendor.id, error.rejections)
                    uow.commit()
            raise

    def _take_in(
        self, snapshot: Snapshot, intake: Intake, progress: Progress, at_end: AtEnd | None
    ) -> SyncResult:
        tally = Tally(intake, products=len(snapshot.reports), rejections=snapshot.rejections)
        compared = 0
        try:
            self._begin(snapshot, intake)
            for batch in batches_of(self._all_reports(snapshot, intake), COMPARED):
                self._apply(intake, batch, tally)
                compared += len(batch)
                progress(compared)
            self._end(intake, tally.result(), at_end)
        except Outdated:
            return tally.result(outdated=True)
        except Suspicious as error:
            return tally.result(quarantined=error.cut)
        return tally.result()

    def _begin(self, snapshot: Snapshot, intake: Intake) -> None:
        """Note that the report has come, unless it is outdated or takes away too much."""
        vendor_id = intake.vendor.id
        unread = _unread(snapshot)
        with self._unit_of_work() as uow:
            quarantine = uow.stock.quarantine(vendor_id)
            intake.accept(uow, self._clock)
            before = uow.stock.reported_units(vendor_id)
            kept = uow.stock.vendor_levels(vendor_id, unread) if unread else []
            after = snapshot.units + sum(level.reported for level in kept)
            cut = suspicious_cut(before, after, intake.terms)
            if cut and not (quarantine and quarantine.is_over(intake.terms, intake.asked)):
                raise Suspicious(cut)
            intake.commit(uow)

    def _all_reports(self, snapshot: Snapshot, intake: Intake) -> Iterator[StockReport]:
        """By product; of those that the vendor no longer names, one of zero units."""
        unread = _unread(snapshot)
        known = (key for key in self._known_products(intake.vendor.id) if key not in unread)
        reports = snapshot.reports
        if isinstance(reports, tuple):
            reports = sorted(reports, key=attrgetter("product_id"))
        return map(intake.not_of_the_future, with_missing(reports, known))

    def _known_products(self, vendor_id: str) -> Iterator[str]:
        last = ""
        while True:
            with self._unit_of_work() as uow:
                product_ids = uow.stock.products_of(vendor_id, last, COMPARED)
            yield from product_ids
            if len(product_ids) < COMPARED:
                return
            last = product_ids[-1]

    def _apply(self, intake: Intake, batch: Sequence[StockReport], tally: Tally) -> None:
        """Only what is news locks and writes anything."""
        with self._unit_of_work() as uow:
            news = select_news(uow.stock, intake.vendor.id, batch)
        for chunk in batches_of(news, CHUNK):
            with self._unit_of_work() as uow:
                # It keeps other reports of the vendor out.
                intake.accept(uow, self._clock)
                applied = intake.apply(uow, chunk, self._clock)
                intake.commit(uow)
            tally.add(applied)

    def _end(self, intake: Intake, result: SyncResult, at_end: AtEnd | None) -> None:
        if not intake.keep:
            return
        with self._unit_of_work() as uow:
            intake.accept(uow, self._clock)
            uow.stock.replace_rejections(intake.vendor.id, result.rejections)
            if at_end:
                at_end(uow, result)
            uow.commit()


def _unread(snapshot: Snapshot) -> set[str]:
    """Products whose rows were bad: what is known of them stays."""
    return {r.product_id for r in snapshot.rejections if r.product_id is not None}

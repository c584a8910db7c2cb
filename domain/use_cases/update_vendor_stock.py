"""Take in what a vendor tells of single products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ..batches import batches_of
from ..errors import Rejection, StockChanged, StockConflict
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..stock import Vendor
from ..stock_updates import StockUpdate, StockUpdates, apply_updates
from ..vendor_sync import VendorTerms
from .attempts import despite_conflicts
from .idempotency import Answer, RequestKey, find_answer, remember_answer
from .report_intake import CHUNK, Applied, AtEnd, Intake, SyncResult, Tally, rejected

# Of feeds, each vendor's of its own.
FEED = "feed:"


class UpdateVendorStock:
    """Sets or changes single figures of a vendor's stock; what is not named stays.

    The same rules hold as for a whole report. A row that is older than the last whole report, or
    than what is known of its product, is rejected. A vendor that has been silent for too long, or
    is in quarantine, stays so until it makes a whole report.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        """`clock` is the one that all processes share, where there is one."""
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(
        self,
        vendor: Vendor,
        terms: VendorTerms,
        updates: Sequence[StockUpdate],
        answer: Callable[[SyncResult], str],
        request: RequestKey | None = None,
    ) -> Answer:
        """All of them or none, in one transaction, and once for a request with a key.

        Raises StockChanged where a figure is not as expected or would fall below 0,
        IdempotencyKeyReused, StorageUnavailable, or Conflict when others keep getting in the way.
        """
        # In the way is most likely the same key: then the next attempt finds what was answered.
        return despite_conflicts(lambda: self._update(vendor, terms, updates, answer, request))

    def take_in(
        self,
        feed: StockUpdates,
        terms: VendorTerms,
        asked: datetime,
        *,
        keep: bool = True,
        at_end: AtEnd | None = None,
    ) -> SyncResult:
        """A feed, in several transactions, each of which is not repeated.

        What does not fit is rejected. Everything is undone unless it is to be kept. Raises
        StorageUnavailable or Conflict.
        """
        intake = self._intake(feed.vendor, terms, asked, feed.as_of, stated=feed.stated)
        tally = Tally(intake, products=len(feed.updates), rejections=feed.rejections)
        is_new = False
        for number, chunk in enumerate(batches_of(feed.updates, CHUNK)):
            request = RequestKey(
                key=f"{feed.key}:{number}", digest="", scope=f"{FEED}{feed.vendor.id}"
            )
            with self._unit_of_work() as uow:
                intake_now = self._begin(uow, intake)
                if find_answer(uow, request):
                    # It lies there still: it is not to be forgotten and taken in again.
                    uow.idempotency_keys.touch(request.scope, request.key, self._clock.now())
                else:
                    is_new = True
                    applied, conflicts = self._apply(uow, intake_now, chunk)
                    tally.add(applied)
                    tally.add(Applied(adjustments=(), rejections=[*map(_rejected, conflicts)]))
                    remember_answer(uow, request, "", self._clock.now())
                if keep:
                    uow.commit()
        if keep and (is_new or at_end):
            with self._unit_of_work() as uow:
                if is_new:
                    uow.stock.replace_rejections(feed.vendor.id, tally.result().rejections)
                if at_end:
                    at_end(uow, tally.result())
                uow.commit()
        return tally.result()

    def _update(
        self,
        vendor: Vendor,
        terms: VendorTerms,
        updates: Sequence[StockUpdate],
        answer: Callable[[SyncResult], str],
        request: RequestKey | None,
    ) -> Answer:
        now = self._clock.now()
        with self._unit_of_work() as uow:
            intake = self._begin(uow, self._intake(vendor, terms, now, None))
            # Looked up once the vendor is locked: whoever held it has committed by now.
            if earlier := find_answer(uow, request):
                return earlier
            applied, conflicts = self._apply(uow, intake, updates)
            if conflicts:
                raise StockChanged(conflicts)
            tally = Tally(intake, products=len(updates), rejections=())
            tally.add(applied)
            given = remember_answer(uow, request, answer(tally.result()), now)
            uow.commit()
        return given

    def _intake(
        self,
        vendor: Vendor,
        terms: VendorTerms,
        asked: datetime,
        as_of: datetime | None,
        *,
        stated: bool = False,
    ) -> Intake:
        return Intake(
            vendor=vendor,
            terms=terms,
            asked=asked,
            as_of=asked if as_of is None else min(asked, as_of),
            stated=stated,
            partial=True,
        )

    def _begin(self, uow: UnitOfWork, intake: Intake) -> Intake:
        """Lock the vendor; a first report opens its stock."""
        state = uow.stock.lock_vendor(intake.vendor.id)
        if state is None:
            intake.accept(uow, self._clock)
            return intake
        if not state.stale:
            uow.stock.note_heard(intake.vendor.id, self._clock.now(), intake.terms.max_age)
        return intake.after(state.as_of)

    def _apply(
        self, uow: UnitOfWork, intake: Intake, updates: Sequence[StockUpdate]
    ) -> tuple[Applied, list[StockConflict]]:
        product_ids = [update.product_id for update in updates]
        known = {
            level.product_id: level
            for level in uow.stock.lock_vendor_stock(product_ids)
            if level.vendor_id == intake.vendor.id
        }
        reports, conflicts = apply_updates(updates, known, intake.as_of)
        return intake.apply(uow, reports, self._clock), conflicts


def _rejected(conflict: StockConflict) -> Rejection:
    return rejected(conflict.product_id, "change", f"does not fit the {conflict.reported} before")

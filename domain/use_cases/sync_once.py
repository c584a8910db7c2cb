"""Take in what a vendor reports, once for a request with a key."""

from __future__ import annotations

from collections.abc import Callable

from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..ports.vendor_gateway import VendorGateway
from .idempotency import Answer, RequestKey, once, remember_answer
from .report_intake import SyncResult, require_taken_in
from .sync_vendor import SyncVendor


class SyncOnce:
    """Syncs, and remembers the answer in the transaction that ends the sync."""

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, clock: Clock, sync_vendor: SyncVendor
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._sync_vendor = sync_vendor

    def __call__(
        self,
        gateway: VendorGateway,
        answer: Callable[[SyncResult], str],
        request: RequestKey | None = None,
    ) -> Answer:
        """What a request that is cut short leaves undone, its repetition does.

        Raises IdempotencyKeyReused, VendorUnavailable, InvalidSnapshot, QuarantinedReport,
        OutdatedReport, StorageUnavailable, or Conflict when others keep getting in the way.
        """
        return once(self._unit_of_work, request, lambda: self._sync(gateway, answer, request))

    def _sync(
        self,
        gateway: VendorGateway,
        answer: Callable[[SyncResult], str],
        request: RequestKey | None,
    ) -> Answer:
        given: list[Answer] = []

        def remember(uow: UnitOfWork, result: SyncResult) -> None:
            now = self._clock.now()
            given.append(remember_answer(uow, request, answer(result), now))

        require_taken_in(self._sync_vendor(gateway, at_end=remember))
        return given[0]

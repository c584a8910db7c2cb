"""Take in all that a vendor has, as it tells us itself."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Conflict
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..ports.vendor_gateway import VendorGateway
from .idempotency import Answer, RequestKey, find_answer, remember_answer
from .report_intake import SyncResult, require_taken_in
from .sync_vendor import SyncVendor


class ReplaceVendorStock:
    """Syncs with what was told, once for a request with a key."""

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, clock: Clock, sync_vendor: SyncVendor
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._sync_vendor = sync_vendor

    def __call__(
        self,
        told: VendorGateway,
        answer: Callable[[SyncResult], str],
        request: RequestKey | None = None,
    ) -> Answer:
        """What a request that is cut short leaves undone, its repetition does.

        Raises IdempotencyKeyReused, QuarantinedReport, OutdatedReport, StorageUnavailable or
        Conflict.
        """
        if earlier := self._find(request):
            return earlier
        given: list[Answer] = []

        def remember(uow: UnitOfWork, result: SyncResult) -> None:
            now = self._clock.now()
            given.append(remember_answer(uow, request, answer(result), now))

        try:
            result = self._sync_vendor(told, at_end=remember)
        except Conflict:
            # Perhaps the same request was carried out meanwhile.
            if earlier := self._find(request):
                return earlier
            raise
        require_taken_in(result)
        return given[0]

    def _find(self, request: RequestKey | None) -> Answer | None:
        if request is None:
            return None
        with self._unit_of_work() as uow:
            return find_answer(uow, request)

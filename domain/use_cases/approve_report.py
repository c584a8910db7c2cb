"""Let a vendor's report in that takes away much."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import NotQuarantined
from ..ports.unit_of_work import UnitOfWorkFactory
from ..ports.vendor_gateway import VendorGateway
from .idempotency import Answer, RequestKey, once
from .report_intake import SyncResult
from .sync_once import SyncOnce


class ApproveReport:
    """Has the next report of a vendor in quarantine believed, whatever it takes away."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, sync_once: SyncOnce) -> None:
        self._unit_of_work = unit_of_work
        self._sync_once = sync_once

    def __call__(self, vendor_id: str) -> None:
        """Raises NotQuarantined, StorageUnavailable or Conflict."""
        with self._unit_of_work() as uow:
            if not uow.stock.approve(vendor_id):
                raise NotQuarantined(vendor_id)
            uow.commit()

    def and_sync(
        self,
        gateway: VendorGateway,
        answer: Callable[[SyncResult], str],
        request: RequestKey | None = None,
    ) -> Answer:
        """And take it in now, once for a request with a key. Raises what SyncOnce does, too."""

        def carry_out() -> Answer:
            self(gateway.vendor.id)
            return self._sync_once(gateway, answer, request)

        return once(self._unit_of_work, request, carry_out)

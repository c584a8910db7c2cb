"""Take the stock of a vendor off sale that has left."""

from __future__ import annotations

import attrs

from ..ports.unit_of_work import UnitOfWorkFactory
from ..stock import Vendor
from ..vendor_sync import Snapshot, VendorTerms
from .report_intake import SyncResult
from .sync_vendor import SyncVendor


class RetireVendor:
    """Has a vendor report nothing. Should it come back, its next report counts, however old."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, sync_vendor: SyncVendor) -> None:
        self._unit_of_work = unit_of_work
        self._sync_vendor = sync_vendor

    def __call__(self, vendor: Vendor) -> SyncResult:
        """Raises StorageUnavailable or Conflict."""
        result = self._sync_vendor(_Gone(vendor=vendor))
        with self._unit_of_work() as uow:
            uow.stock.retire(vendor.id)
            uow.commit()
        return result


@attrs.frozen(kw_only=True)
class _Gone:
    """The gateway of a vendor that has nothing for us any more."""

    vendor: Vendor
    terms: VendorTerms = attrs.field(factory=lambda: VendorTerms(max_cut=None))

    def fetch(self) -> Snapshot:
        """Nothing, from now on."""
        return Snapshot(vendor=self.vendor, as_of=None, reports=())

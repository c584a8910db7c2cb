"""Take the stock of a vendor off sale that has left."""

from __future__ import annotations

import attrs

from ..errors import UnknownVendor, VendorInUse
from ..ports.read_model import ReadModel
from ..ports.unit_of_work import UnitOfWorkFactory
from ..stock import Vendor
from ..vendor_sync import Snapshot, VendorTerms
from .report_intake import SyncResult
from .sync_vendor import SyncVendor


class RetireVendor:
    """Has a vendor report nothing. Should it come back, its next report counts, however old."""

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, sync_vendor: SyncVendor, read_model: ReadModel
    ) -> None:
        self._unit_of_work = unit_of_work
        self._sync_vendor = sync_vendor
        self._read_model = read_model

    def __call__(self, vendor_id: str) -> SyncResult:
        """Raises UnknownVendor, VendorInUse, StorageUnavailable or Conflict."""
        found = self._read_model.vendors(0, 1, vendor_id).items
        if not found:
            raise UnknownVendor(vendor_id)
        with self._unit_of_work() as uow:
            if any(x.from_file and x.vendor.id == vendor_id for x in uow.vendors.declared()):
                raise VendorInUse(vendor_id)
            uow.vendors.withdraw([vendor_id])
            uow.commit()
        result = self._sync_vendor(_Gone(vendor=Vendor(id=vendor_id, name=found[0].name)))
        with self._unit_of_work() as uow:
            uow.stock.retire(vendor_id)
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

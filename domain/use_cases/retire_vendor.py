"""Take the stock of a vendor off sale that has left."""

from __future__ import annotations

from collections.abc import Callable, Container

import attrs

from ..errors import UnknownVendor, VendorInUse
from ..ports.clock import Clock
from ..ports.read_model import ReadModel, VendorStatus
from ..ports.unit_of_work import UnitOfWorkFactory
from ..stock import Vendor
from ..vendor_sync import Snapshot, VendorTerms
from .idempotency import Answer, RequestKey, once, remember_answer
from .sync_vendor import SyncVendor


def _no_answer(_status: VendorStatus) -> str:
    return ""


class RetireVendor:
    """Has a vendor report nothing. Should it come back, its next report counts, however old."""

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        sync_vendor: SyncVendor,
        read_model: ReadModel,
        own: Callable[[], Container[str]] = frozenset,
    ) -> None:
        """`own`: the vendors that the program brings, so that they would be back at once."""
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._sync_vendor = sync_vendor
        self._read_model = read_model
        self._own = own

    def __call__(
        self,
        vendor_id: str,
        answer: Callable[[VendorStatus], str] = _no_answer,
        request: RequestKey | None = None,
    ) -> Answer:
        """Once for a request with a key; what one that is cut short leaves, its repetition does.

        Raises UnknownVendor, VendorInUse, IdempotencyKeyReused, StorageUnavailable, or Conflict
        when others keep getting in the way.
        """
        return once(self._unit_of_work, request, lambda: self._retire(vendor_id, answer, request))

    def _retire(
        self, vendor_id: str, answer: Callable[[VendorStatus], str], request: RequestKey | None
    ) -> Answer:
        if vendor_id in self._own():
            raise VendorInUse(vendor_id)
        vendor = Vendor(id=vendor_id, name=self._status(vendor_id).name)
        with self._unit_of_work() as uow:
            if any(x.from_file and x.vendor.id == vendor_id for x in uow.vendors.declared()):
                raise VendorInUse(vendor_id)
            uow.vendors.withdraw([vendor_id])
            uow.commit()
        self._sync_vendor(_Gone(vendor=vendor))
        retired = attrs.evolve(self._status(vendor_id), retired=True)
        now = self._clock.now()
        with self._unit_of_work() as uow:
            uow.stock.retire(vendor_id)
            given = remember_answer(uow, request, answer(retired), now)
            uow.commit()
        return given

    def _status(self, vendor_id: str) -> VendorStatus:
        found = self._read_model.vendors(0, 1, vendor_id).items
        if not found:
            raise UnknownVendor(vendor_id)
        return found[0]


@attrs.frozen(kw_only=True)
class _Gone:
    """The gateway of a vendor that has nothing for us any more."""

    vendor: Vendor
    terms: VendorTerms = attrs.field(factory=lambda: VendorTerms(max_cut=None))

    def fetch(self) -> Snapshot:
        """Nothing, from now on."""
        return Snapshot(vendor=self.vendor, as_of=None, reports=())

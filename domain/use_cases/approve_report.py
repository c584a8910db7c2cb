"""Let a vendor's report in that takes away much."""

from __future__ import annotations

from ..errors import NotQuarantined
from ..ports.unit_of_work import UnitOfWorkFactory


class ApproveReport:
    """Has the next report of a vendor in quarantine believed, whatever it takes away."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self, vendor_id: str) -> None:
        """Raises NotQuarantined, StorageUnavailable or Conflict."""
        with self._unit_of_work() as uow:
            if not uow.stock.approve(vendor_id):
                raise NotQuarantined(vendor_id)
            uow.commit()

"""Say which vendors there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ..errors import InvalidValue, UnknownVendor
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..ports.vendor_directory import DeclaredVendor
from .idempotency import Answer, RequestKey, once_in_transaction


class DeclareVendors:
    """Adds vendors, and replaces how those that are known are read."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(
        self,
        vendors: Sequence[DeclaredVendor],
        answer: str = "",
        request: RequestKey | None = None,
    ) -> Answer:
        """Once for a request with a key.

        Raises InvalidValue for one of a vendors file, IdempotencyKeyReused, StorageUnavailable, or
        Conflict when others keep getting in the way.
        """

        def declare(uow: UnitOfWork, _now: datetime) -> str:
            of_file = {each.vendor.id for each in uow.vendors.declared() if each.from_file}
            for each in vendors:
                if each.vendor.id in of_file:
                    raise InvalidValue("id", f"{each.vendor.id!r} is in the vendors file already")
            uow.vendors.declare(vendors)
            return answer

        return once_in_transaction(self._unit_of_work, self._clock, request, declare)


class DeclareVendorsFile:
    """Adds the vendors of a vendors file, and withdraws those that it lists no longer."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self, vendors: Sequence[DeclaredVendor], *, keep_others: bool = False) -> None:
        """All that it lists. The others are kept if it cannot all be read.

        Raises StorageUnavailable or Conflict.
        """
        with self._unit_of_work() as uow:
            known = uow.vendors.declared()
            now = {each.vendor.id for each in vendors}
            if not keep_others:
                gone = [x.vendor.id for x in known if x.from_file and x.vendor.id not in now]
                uow.vendors.withdraw(gone)
            uow.vendors.declare([each for each in vendors if _is_news(each, known)])
            uow.commit()


def _is_news(vendor: DeclaredVendor, known: Sequence[DeclaredVendor]) -> bool:
    return not any(
        (vendor.vendor, vendor.entry, vendor.folder, vendor.from_file)
        == (each.vendor, each.entry, each.folder, each.from_file)
        for each in known
    )


class PlanSync:
    """Notes when a vendor will be synced next, for those who look."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, vendor_id: str, wait: timedelta) -> None:
        """In so long. Raises StorageUnavailable or Conflict."""
        at = self._clock.now() + wait
        with self._unit_of_work() as uow:
            uow.vendors.plan_sync(vendor_id, at)
            uow.commit()


class EnableVendor:
    """Has a vendor synced again, or no longer."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(
        self, vendor_id: str, *, enabled: bool, answer: str = "", request: RequestKey | None = None
    ) -> Answer:
        """Once for a request with a key.

        Raises UnknownVendor, IdempotencyKeyReused, StorageUnavailable, or Conflict when others keep
        getting in the way.
        """

        def enable(uow: UnitOfWork, _now: datetime) -> str:
            if not uow.vendors.enable(vendor_id, enabled=enabled):
                raise UnknownVendor(vendor_id)
            return answer

        return once_in_transaction(self._unit_of_work, self._clock, request, enable)

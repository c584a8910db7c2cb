"""A vendor in memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from threading import Lock

from ...domain.errors import VendorUnavailable
from ...domain.ports.clock import Clock
from ...domain.stock import Vendor
from ...domain.vendor_sync import Snapshot, StockReport


class MemoryVendorGateway:
    """VendorGateway on what it was last told to report; at first, nothing."""

    def __init__(self, vendor: Vendor, clock: Clock) -> None:
        self._vendor = vendor
        self._clock = clock
        self._lock = Lock()
        self._reports: tuple[StockReport, ...] = ()
        self._as_of: datetime | None = None
        self._problem: str | None = None

    @property
    def vendor(self) -> Vendor:
        """Whose stock it is."""
        return self._vendor

    def report(self, reports: Iterable[StockReport], as_of: datetime | None = None) -> None:
        """From now on the vendor has this; without `as_of`, whenever it is asked."""
        with self._lock:
            self._reports, self._as_of, self._problem = tuple(reports), as_of, None

    def fail(self, problem: str) -> None:
        """From now on the vendor cannot be reached, until it reports again."""
        with self._lock:
            self._problem = problem

    def fetch(self) -> Snapshot:
        """What was last reported. Raises InvalidSnapshot when a product stands in it twice."""
        began = self._clock.now()
        with self._lock:
            if self._problem is not None:
                raise VendorUnavailable(self._vendor.id, self._problem)
            return Snapshot(
                vendor=self._vendor,
                as_of=min(began, self._as_of or began),
                reports=self._reports,
            )

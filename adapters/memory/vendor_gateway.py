"""A vendor in memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from threading import Lock

from ...domain.errors import VendorUnavailable
from ...domain.stock import Vendor
from ...domain.vendor_sync import Snapshot, StockReport, VendorTerms


class MemoryVendorGateway:
    """VendorGateway on what it was last told to report; at first, nothing."""

    def __init__(self, vendor: Vendor, terms: VendorTerms | None = None) -> None:
        self._vendor = vendor
        self._terms = terms or VendorTerms()
        self._lock = Lock()
        self._reports: tuple[StockReport, ...] = ()
        self._as_of: datetime | None = None
        self._problem: str | None = None

    @property
    def vendor(self) -> Vendor:
        """Whose stock it is."""
        return self._vendor

    @property
    def terms(self) -> VendorTerms:
        """How its reports are to be understood."""
        return self._terms

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
        with self._lock:
            if self._problem is not None:
                raise VendorUnavailable(self._vendor.id, self._problem)
            return Snapshot(
                vendor=self._vendor,
                as_of=self._as_of,
                stated=self._as_of is not None,
                reports=self._reports,
            )

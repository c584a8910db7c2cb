"""How we ask a vendor what it has."""

from __future__ import annotations

from typing import Protocol

from ..stock import Vendor
from ..stock_updates import StockUpdates
from ..vendor_sync import Snapshot, VendorTerms


class VendorGateway(Protocol):
    """One vendor's feed. Thread-safe; a call reads the whole feed or raises."""

    @property
    def vendor(self) -> Vendor:
        """Whose feed it is."""

    @property
    def terms(self) -> VendorTerms:
        """How its reports are to be understood."""

    def fetch(self) -> Snapshot | StockUpdates:
        """The vendor's stock now, or what has changed in it. VendorUnavailable or InvalidSnapshot.

        `as_of` is the vendor's own statement, else the earliest that there is evidence of, else
        None. It may lie in the future: vendors' clocks are not ours.
        """

"""How we ask a vendor what it has."""

from __future__ import annotations

from typing import Protocol

from ..stock import Vendor
from ..vendor_sync import Snapshot


class VendorGateway(Protocol):
    """One vendor's feed. Thread-safe; a call reads the whole feed or raises."""

    @property
    def vendor(self) -> Vendor:
        """Whose feed it is."""

    def fetch(self) -> Snapshot:
        """The vendor's stock now. Raises VendorUnavailable or InvalidSnapshot.

        `as_of` is the vendor's own statement, and never later than the moment the call began: where
        the vendor states none, or one in the future, it is that moment.
        """

"""Which vendors there are, and how syncing them is getting on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from ..stock import Vendor


@attrs.frozen(kw_only=True)
class DeclaredVendor:
    """A vendor, and how its feed is read."""

    vendor: Vendor
    # As it stands in a vendors file, in JSON; and the folder that its paths begin at.
    entry: str
    folder: str
    # Whether a vendors file declares it, so that it goes when it stands there no longer.
    from_file: bool = False
    # A disabled one is not synced.
    enabled: bool = True


@attrs.frozen(kw_only=True)
class SyncAttempt:
    """A vendor's feed was read, or could not be."""

    at: datetime
    # None: the report was taken in.
    problem: str | None = None
    # Whether it was refused as older than one before.
    outdated: bool = False


class VendorDirectory(Protocol):
    """Vendors by id. A vendor that is declared no longer keeps its stock until it is retired."""

    def declared(self) -> list[DeclaredVendor]:
        """By id, not locked."""

    def declare(self, vendors: Sequence[DeclaredVendor]) -> None:
        """Add vendors, or replace how their feeds are read; those that are disabled stay so."""

    def withdraw(self, vendor_ids: Collection[str]) -> None:
        """They are declared no longer."""

    def disabled(self) -> set[str]:
        """Those not to be synced, declared or not."""

    def enable(self, vendor_id: str, *, enabled: bool) -> bool:
        """Have a vendor synced, or not; False if it is unknown."""

    def note_attempt(self, vendor: Vendor, attempt: SyncAttempt) -> None:
        """Add the vendor, unless it is known, and what came of syncing it."""

    def plan_sync(self, vendor_id: str, at: datetime) -> None:
        """Note when a known vendor is to be synced next."""

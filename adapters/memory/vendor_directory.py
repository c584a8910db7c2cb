"""Which vendors there are, in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import attrs

from ...domain.ports.vendor_directory import DeclaredVendor, SyncAttempt
from ...domain.stock import Vendor
from ...domain.vendor_sync import NEVER
from .tables import SyncState, Tables


class MemoryVendorDirectory:
    """VendorDirectory on memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def declared(self) -> list[DeclaredVendor]:
        """Sorted here."""
        disabled = self.disabled()
        return [
            attrs.evolve(declared, enabled=vendor_id not in disabled)
            for vendor_id, declared in sorted(self._tables.declared.items())
            if declared is not None
        ]

    def declare(self, vendors: Sequence[DeclaredVendor]) -> None:
        """Insert or replace."""
        for declared in vendors:
            self._add(declared.vendor)
            self._tables.vendors[declared.vendor.id] = declared.vendor
            self._tables.declared[declared.vendor.id] = declared

    def withdraw(self, vendor_ids: Collection[str]) -> None:
        """Leave a mark."""
        for vendor_id in vendor_ids:
            self._tables.declared[vendor_id] = None

    def disabled(self) -> set[str]:
        """By a scan."""
        return {key for key, is_enabled in self._tables.enabled.items() if not is_enabled}

    def enable(self, vendor_id: str, *, enabled: bool) -> bool:
        """Note it."""
        if vendor_id not in self._tables.vendors:
            return False
        self._tables.enabled[vendor_id] = enabled
        return True

    def note_attempt(self, vendor: Vendor, attempt: SyncAttempt) -> None:
        """Replace."""
        self._add(vendor)
        before = self._tables.sync_states.get(vendor.id, SyncState())
        self._tables.sync_states[vendor.id] = SyncState(
            attempted_at=attempt.at,
            problem=attempt.problem,
            failures=before.failures + 1 if attempt.problem else 0,
            outdated=before.outdated + attempt.outdated,
            next_sync_at=before.next_sync_at,
        )

    def plan_sync(self, vendor_id: str, at: datetime) -> None:
        """Replace."""
        if vendor_id in self._tables.vendors:
            before = self._tables.sync_states.get(vendor_id, SyncState())
            self._tables.sync_states[vendor_id] = attrs.evolve(before, next_sync_at=at)

    def _add(self, vendor: Vendor) -> None:
        self._tables.vendors.setdefault(vendor.id, vendor)
        self._tables.reported_at.setdefault(vendor.id, NEVER)

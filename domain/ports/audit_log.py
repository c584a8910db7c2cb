"""Where it is kept what was changed by whom."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ..audit import AuditEntry
from .read_model import Page


class AuditLog(Protocol):
    """Entries, inside a transaction. None is ever changed."""

    def append(self, entry: AuditEntry) -> None:
        """Add an entry."""

    def forget(self, before: datetime, limit: int) -> int:
        """Forget so many entries older than that, and say how many there were."""


class AuditTrail(Protocol):
    """Committed entries. Thread-safe; StorageUnavailable, Conflict."""

    def page(self, offset: int, limit: int) -> Page[AuditEntry]:
        """Entries, newest first."""

"""The audit log in memory."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from ...domain.audit import AuditEntry
from ...domain.ports.read_model import Page
from .database import Database
from .tables import Tables


class MemoryAuditLog:
    """AuditLog on memory."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._rows = tables.audit_log

    def append(self, entry: AuditEntry) -> None:
        """Add a row with the next number."""
        self._rows[self._database.next_id()] = entry

    def forget(self, before: datetime, limit: int) -> int:
        """By a scan."""
        rows = sorted((row.at, number) for number, row in self._rows.items() if row)
        old = list(islice((number for at, number in rows if at < before), limit))
        for number in old:
            self._rows[number] = None
        return len(old)


class MemoryAuditTrail:
    """AuditTrail on memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, offset: int, limit: int) -> Page[AuditEntry]:
        """Sort, and count."""
        with self._database.committed() as tables:
            rows = [row for _, row in sorted(tables.audit_log.items(), reverse=True) if row]
        return Page(items=tuple(rows[offset : offset + limit]), total=len(rows))

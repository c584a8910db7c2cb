"""Requests that were carried out, in memory."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

import attrs

from ...domain.errors import Conflict
from ...domain.ports.idempotency_keys import Remembered
from .tables import KeyRow, Tables


class MemoryIdempotencyKeys:
    """IdempotencyKeys on memory."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.idempotency_keys

    def find(self, scope: str, key: str) -> Remembered | None:
        """Look up."""
        row = self._rows.get((scope, key))
        return None if row is None else row.request

    def remember(self, scope: str, key: str, request: Remembered, at: datetime) -> None:
        """Insert what is new."""
        if self._rows.get((scope, key)) is not None:
            raise Conflict
        self._rows[scope, key] = KeyRow(request=request, used_at=at)

    def touch(self, scope: str, key: str, at: datetime) -> None:
        """Replace."""
        row = self._rows.get((scope, key))
        if row is not None:
            self._rows[scope, key] = attrs.evolve(row, used_at=at)

    def forget(self, before: datetime, limit: int) -> int:
        """By a scan."""
        old = (key for key, row in self._rows.items() if row is not None and row.used_at < before)
        forgotten = list(islice(old, limit))
        for key in forgotten:
            self._rows[key] = None
        return len(forgotten)

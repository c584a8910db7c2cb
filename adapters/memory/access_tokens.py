"""API tokens in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

from ...domain.access import AccessToken
from ...domain.errors import Conflict
from .database import Database
from .tables import Tables


class MemoryAccessTokens:
    """AccessTokens on memory."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.access_tokens

    def add(self, token: AccessToken) -> None:
        """Insert what is new."""
        if any(row and row.digest == token.digest for row in self._rows.values()):
            raise Conflict
        self._rows[token.id] = token

    def revoke(self, token_id: str, at: datetime) -> bool:
        """Replace."""
        row = self._rows.get(token_id)
        if row is None:
            return False
        if row.revoked_at is None:
            self._rows[token_id] = attrs.evolve(row, revoked_at=at)
        return True

    def note_uses(self, requests: Mapping[str, int], at: datetime) -> dict[str, int]:
        """Compare and replace."""
        day, totals = at.date(), {}
        for token_id, more in requests.items():
            row = self._rows.get(token_id)
            if row and (row.used_on is None or row.used_on <= day):
                total = totals[token_id] = row.requests_on(day) + more
                self._rows[token_id] = attrs.evolve(row, last_used_at=at, used_on=day, used=total)
        return totals

    def remove_of_demo(self) -> None:
        """Leave marks for the commit to delete."""
        for row in [row for row in self._rows.values() if row and row.of_demo]:
            self._rows[row.id] = None


class MemoryTokenDirectory:
    """TokenDirectory on memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[AccessToken]:
        """Sort."""
        with self._database.committed() as tables:
            rows = [row for row in tables.access_tokens.values() if row is not None]
        return sorted(rows, key=lambda row: (row.created_at, row.id))

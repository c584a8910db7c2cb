"""API tokens in memory."""

from __future__ import annotations

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

    def note_use(self, token_id: str, at: datetime, unless_since: datetime) -> None:
        """Compare and set."""
        row = self._rows.get(token_id)
        if row and (row.last_used_at is None or row.last_used_at < unless_since):
            self._rows[token_id] = attrs.evolve(row, last_used_at=at)

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

"""The parked messages of the outbox table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Engine, Integer, bindparam, delete, select

from ...domain.errors import BrokerUnavailable, Conflict
from ...domain.ports.clock import Clock
from ...domain.ports.message_bus import DeadLetter
from .bulk import bulk_keys
from .connection import Rows
from .errors import read_errors_translated
from .outbox import OutboxStatements, add_messages
from .schema import ROW_ID, parked_messages
from .transaction import Transaction

# Longer ones are no row's id.
MAX_DIGITS = 18


class SqlDeadLetters:
    """Looks at parked messages, replays and discards them: each call is one transaction."""

    def __init__(self, engine: Engine, clock: Clock, outbox: OutboxStatements) -> None:
        self._engine = engine
        self._clock = clock
        self._outbox = outbox
        table = parked_messages.c
        letter = (table.id, table.body, table.reason, table.attempts, table.parked_at)
        self._ids = bulk_keys(engine.dialect, ROW_ID)
        self._listing = (
            select(*letter)
            .where(table.id > bindparam("after", type_=ROW_ID))
            .order_by(table.id)
            .limit(bindparam("limit", type_=Integer))
        )
        self._find = select(*letter).where(self._ids.contain(table.id))
        self._remove = delete(parked_messages).where(self._ids.contain(table.id)).returning(*letter)

    def listing(self, limit: int, after: str | None = None) -> list[DeadLetter]:
        """By number."""
        [start] = _numbers([after or ""]) or [0]
        with read_errors_translated(), self._engine.connect() as connection:
            rows = connection.execute(self._listing, {"after": start, "limit": limit})
            return _letters(rows)

    def find(self, ids: Collection[str]) -> list[DeadLetter]:
        """One question."""
        with read_errors_translated(), self._engine.connect() as connection:
            return _letters(connection.execute(self._find, self._ids.bind(_numbers(ids))))

    def replay(self, ids: Collection[str]) -> list[DeadLetter]:
        """Move the bodies back to the outbox, under new numbers: both or none."""
        try:
            with Transaction(self._engine) as transaction:
                letters = self._removed(transaction, ids)
                bodies = [letter.body for letter in letters]
                add_messages(transaction, self._outbox, bodies, self._clock.now())
                transaction.commit()
        except Conflict as error:
            raise BrokerUnavailable(f"nothing was replayed: {error}") from error
        return letters

    def discard(self, ids: Collection[str]) -> list[DeadLetter]:
        """Delete the rows."""
        try:
            with Transaction(self._engine) as transaction:
                letters = self._removed(transaction, ids)
                transaction.commit()
        except Conflict as error:
            raise BrokerUnavailable(f"nothing was discarded: {error}") from error
        return letters

    def _removed(self, transaction: Transaction, ids: Collection[str]) -> list[DeadLetter]:
        return _letters(transaction.fetch_all(self._remove, self._ids.bind(_numbers(ids))))


def _numbers(ids: Collection[str]) -> list[int]:
    """Those ids that can be a row's, written as we write them."""
    return sorted(
        {
            int(text)
            for text in ids
            if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and text[0] != "0"
        }
    )


def _letters(rows: Rows | Iterable[Any]) -> list[DeadLetter]:
    return [
        DeadLetter(id=str(key), body=body, reason=reason, attempts=attempts, parked_at=parked_at)
        for key, body, reason, attempts, parked_at in sorted(rows, key=lambda row: row[0])
    ]

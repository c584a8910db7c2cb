"""What happened, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from ...domain.events import Event
from ...domain.ports.event_log import EventBatch
from .database import Database
from .tables import Cursor, Tables


class MemoryEventLog:
    """EventLog on memory."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._tables = tables
        self._events: list[Event] = []

    def append(self, events: Sequence[Event]) -> None:
        """Keep until the commit."""
        self._events += events

    def flush(self) -> None:
        """Add what there is as one batch."""
        if self._events:
            position = self._database.next_id()
            self._tables.events[position] = EventBatch(
                position=position, events=tuple(self._events)
            )
            self._events.clear()

    def claim(self, reader: str, now: datetime, until: datetime) -> int | None:
        """Compare and set."""
        beginning = Cursor(position=_end(self._tables))
        cursor = self._tables.cursors.get(reader, beginning)
        if cursor.claimed_until is not None and cursor.claimed_until > now:
            return None
        self._tables.cursors[reader] = Cursor(position=cursor.position, claimed_until=until)
        return cursor.position

    def advance(self, reader: str, position: int) -> None:
        """Set."""
        self._tables.cursors[reader] = Cursor(position=position)

    def forget(self, before: datetime, limit: int) -> int:
        """By a scan."""
        old = (
            position
            for position, batch in sorted(self._tables.events.items())
            if batch is not None and batch.events[0].at < before
        )
        forgotten = list(islice(old, limit))
        self._tables.events.update(dict.fromkeys(forgotten))
        return len(forgotten)


class MemoryEventFeed:
    """EventFeed on memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, after: int, limit: int) -> list[EventBatch]:
        """By a scan."""
        with self._database.committed() as tables:
            batches = [x for x in tables.events.values() if x is not None and x.position > after]
        return sorted(batches, key=lambda batch: batch.position)[:limit]

    def end(self) -> int:
        """The highest."""
        with self._database.committed() as tables:
            return _end(tables)


def _end(tables: Tables) -> int:
    return max((key for key, batch in tables.events.items() if batch is not None), default=0)

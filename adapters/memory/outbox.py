"""The outbox in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

import attrs

from ...domain.ports.outbox import Backlog, OutboxMessage
from ..wire import encode_batches
from .database import Database
from .tables import QueuedMessage, Tables


class MemoryOutbox:
    """Outbox on memory."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._tables = tables
        self._messages = tables.outbox

    def announce(
        self, order_ids: Sequence[UUID], at: datetime, traces: Mapping[UUID, str] | None = None
    ) -> None:
        """As on a database."""
        bodies = encode_batches(order_ids, traces=traces)
        self._add(bodies, at)

    def announce_individually(
        self, order_ids: Sequence[UUID], at: datetime, traces: Mapping[UUID, str] | None = None
    ) -> None:
        """As on a database."""
        self._add(encode_batches(order_ids, 1, traces), at)

    def _add(self, bodies: Sequence[bytes], at: datetime) -> None:
        for body in bodies:
            self._messages[self._database.next_id()] = QueuedMessage(body=body, created_at=at)

    def claim(self, limit: int, now: datetime, until: datetime) -> list[OutboxMessage]:
        """Take what is due, and make it due later."""
        due = (
            (message_id, message)
            for message_id, message in sorted(self._messages.items())
            if message is not None and (message.due_at is None or message.due_at <= now)
        )
        taken = list(islice(due, limit))
        for message_id, message in taken:
            self._messages[message_id] = attrs.evolve(message, due_at=until)
        return [OutboxMessage(id=message_id, body=message.body) for message_id, message in taken]

    def remove(self, ids: Collection[int]) -> None:
        """Leave a mark for the commit to delete."""
        for message_id in ids:
            if message_id in self._messages:
                self._messages[message_id] = None

    def release(self, ids: Collection[int]) -> None:
        """Make due now."""
        for message_id in ids:
            if message := self._messages.get(message_id):
                self._messages[message_id] = attrs.evolve(message, due_at=None)

    def backlog(self) -> Backlog | None:
        """Count."""
        created = [each.created_at for each in self._messages.values() if each is not None]
        return Backlog(messages=len(created), since=min(created)) if created else None

    def claim_alarm(self, now: datetime, before: datetime) -> bool:
        """Compare and set."""
        raised_at = self._tables.alarm.get("raised_at")
        if raised_at is not None and raised_at > before:
            return False
        self._tables.alarm["raised_at"] = now
        return True

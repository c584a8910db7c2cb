"""The outbox in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Executable,
    Integer,
    LargeBinary,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from ...domain.ports.outbox import Backlog, OutboxMessage
from ..wire import encode_batches
from .bulk import bulk_keys, bulk_rows, upsert
from .claim_cursor import ClaimCursor
from .schema import ROW_ID, TIMESTAMP, outbox, outbox_alarm
from .transaction import Transaction


def is_due() -> ColumnElement[bool]:
    """Whether a message may be claimed at the moment in the parameter `now`."""
    return outbox.c.due_at.is_(None) | (outbox.c.due_at <= bindparam("now", type_=TIMESTAMP))


def claim_where(*conditions: ColumnElement[bool]) -> Executable:
    """Takes up to `limit` due messages of which this is true, oldest first, and counts that."""
    due = (
        select(outbox.c.id)
        .where(is_due(), *conditions)
        .order_by(outbox.c.id)
        .limit(bindparam("limit", type_=Integer))
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    return (
        update(outbox)
        .values(
            due_at=bindparam("until", type_=TIMESTAMP),
            attempts=outbox.c.attempts + 1,
        )
        .where(outbox.c.id == due.c.id)
        .returning(outbox.c.id, outbox.c.body, outbox.c.attempts)
    )


class OutboxStatements:
    """The statements of the outbox, built once for a database."""

    def __init__(self, dialect: Dialect) -> None:
        self.ids = bulk_keys(dialect, ROW_ID)
        self.bodies = bulk_rows(dialect, body=LargeBinary())
        self.add = insert(outbox).from_select(
            ["body", "created_at", "attempts"],
            select(self.bodies.c.body, bindparam("at", type_=TIMESTAMP), literal(0)),
        )
        self.claim = claim_where(outbox.c.id >= bindparam("from_id", type_=ROW_ID))
        self.remove = delete(outbox).where(self.ids.contain(outbox.c.id))
        self.backlog = select(func.count(), func.min(outbox.c.created_at)).select_from(outbox)
        alarm = upsert(dialect, outbox_alarm).values(
            id=literal(1), raised_at=bindparam("now", type_=TIMESTAMP)
        )
        self.claim_alarm = alarm.on_conflict_do_update(
            index_elements=["id"],
            set_={"raised_at": alarm.excluded.raised_at},
            where=outbox_alarm.c.raised_at <= bindparam("before", type_=TIMESTAMP),
        ).returning(outbox_alarm.c.id)
        self.release = update(outbox).values(due_at=None).where(self.ids.contain(outbox.c.id))


def add_messages(
    transaction: Transaction, statements: OutboxStatements, bodies: Sequence[bytes], at: datetime
) -> None:
    """Append messages of any kind."""
    if bodies:
        parameters = statements.bodies.bind([(body,) for body in bodies])
        transaction.enqueue(statements.add, parameters | {"at": at})


class SqlOutbox:
    """Outbox on SQL."""

    def __init__(
        self, transaction: Transaction, statements: OutboxStatements, cursor: ClaimCursor
    ) -> None:
        self._transaction = transaction
        self._statements = statements
        self._cursor = cursor

    def announce(
        self, order_ids: Sequence[UUID], at: datetime, traces: Mapping[UUID, str] | None = None
    ) -> None:
        """Append."""
        bodies = encode_batches(order_ids, traces=traces)
        add_messages(self._transaction, self._statements, bodies, at)

    def announce_individually(
        self, order_ids: Sequence[UUID], at: datetime, traces: Mapping[UUID, str] | None = None
    ) -> None:
        """Append."""
        bodies = encode_batches(order_ids, 1, traces)
        add_messages(self._transaction, self._statements, bodies, at)

    def claim(self, limit: int, now: datetime, until: datetime) -> list[OutboxMessage]:
        """A claim makes a message due later; one that another transaction claims is passed over."""
        start = self._cursor.start(now)
        rows = self._transaction.fetch_all(
            self._statements.claim,
            {"limit": limit, "now": now, "until": until, "from_id": start.id},
        )
        messages = [OutboxMessage(id=key, body=body) for key, body, _attempts in sorted(rows)]
        self._cursor.advance(start, messages, now)
        return messages

    def remove(self, ids: Collection[int]) -> None:
        """Delete."""
        if ids:
            self._transaction.enqueue(self._statements.remove, self._statements.ids.bind(ids))

    def release(self, ids: Collection[int]) -> None:
        """Make due now."""
        if ids:
            self._transaction.enqueue(self._statements.release, self._statements.ids.bind(ids))

    def backlog(self) -> Backlog | None:
        """One question."""
        [(messages, since)] = self._transaction.fetch_all(self._statements.backlog)
        return Backlog(messages=messages, since=since) if messages else None

    def claim_alarm(self, now: datetime, before: datetime) -> bool:
        """The row's lock has the second of two wait, and then fail its condition."""
        parameters = {"now": now, "before": before}
        return bool(self._transaction.fetch_all(self._statements.claim_alarm, parameters))

"""What happened, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Dialect,
    Engine,
    Select,
    Text,
    bindparam,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    text,
    true,
    update,
)

from ...domain.events import Event
from ...domain.ports.event_log import EventBatch
from .bulk import upsert
from .commits import count_commit
from .errors import driver_errors_translated, read_errors_translated
from .event_lines import decode_events, encode_event
from .schema import TIMESTAMP, event_batches, event_cursors, event_position
from .transaction import Transaction

# Batches that are given their positions at once.
_CHUNK = 1000

_BEGIN = text("INSERT INTO event_position (id, last) VALUES (1, 0) ON CONFLICT DO NOTHING")
_LOCK_POSITION = select(event_position.c.last).with_for_update()
# In one statement after the lock: it sees all that was given before.
_GIVE_POSITIONS = text(
    """
    WITH new AS (
        SELECT id, row_number() OVER (ORDER BY id) AS number
        FROM (SELECT id FROM event_batches WHERE position IS NULL ORDER BY id LIMIT :limit) AS x
    ), given AS (
        UPDATE event_position SET last = last + (SELECT count(*) FROM new)
        RETURNING last - (SELECT count(*) FROM new) AS before
    )
    UPDATE event_batches SET position = given.before + new.number
    FROM new, given WHERE event_batches.id = new.id
    """
)


class EventStatements:
    """The statements of the event log, built once for a database."""

    def __init__(self, dialect: Dialect) -> None:
        cursor = event_cursors.c
        this = cursor.reader == bindparam("_reader")
        self.add = insert(event_batches).values(
            created_at=bindparam("at", type_=TIMESTAMP), events=bindparam("_events", type_=Text)
        )
        begin = upsert(dialect, event_cursors).from_select(
            ["reader", "position"],
            select(bindparam("_reader", type_=Text), select_end(dialect).scalar_subquery()).where(
                true()
            ),
        )
        self.begin = begin.on_conflict_do_nothing()
        now = bindparam("now", type_=TIMESTAMP)
        self.claim = (
            update(event_cursors)
            .values(claimed_until=bindparam("_until", type_=TIMESTAMP))
            .where(this, or_(cursor.claimed_until.is_(None), cursor.claimed_until <= now))
            .returning(cursor.position)
        )
        self.advance = (
            update(event_cursors)
            .values(position=bindparam("_position", type_=BigInteger), claimed_until=null())
            .where(this)
        )
        old = (
            select(event_batches.c.id)
            .where(event_batches.c.created_at < bindparam("before", type_=TIMESTAMP))
            .order_by(event_batches.c.created_at)
            .limit(bindparam("limit", type_=BigInteger))
        )
        self.forget = (
            delete(event_batches).where(event_batches.c.id.in_(old)).returning(event_batches.c.id)
        )


class SqlEventLog:
    """EventLog on SQL."""

    def __init__(self, transaction: Transaction, statements: EventStatements) -> None:
        self._transaction = transaction
        self._statements = statements
        self._lines: list[str] = []
        self._at: datetime | None = None

    def append(self, events: Sequence[Event]) -> None:
        """Keep until the commit."""
        for event in events:
            self.append_line(encode_event(event), event.at)

    def append_line(self, line: str, at: datetime) -> None:
        """The same, of an event that is encoded already."""
        self._lines.append(line)
        self._at = at

    def flush(self) -> None:
        """Add what there is, as one row."""
        if self._lines:
            row = {"_events": "\n".join(self._lines), "at": self._at}
            self._transaction.enqueue(self._statements.add, row)
            self._lines.clear()

    def claim(self, reader: str, now: datetime, until: datetime) -> int | None:
        """By the row of the reader: the second of two waits for the first, and then finds it so."""
        self._transaction.enqueue(self._statements.begin, {"_reader": reader})
        parameters = {"_reader": reader, "now": now, "_until": until}
        rows = self._transaction.fetch_all(self._statements.claim, parameters)
        return next((int(position) for (position,) in rows), None)

    def advance(self, reader: str, position: int) -> None:
        """One statement."""
        parameters = {"_reader": reader, "_position": position}
        self._transaction.enqueue(self._statements.advance, parameters)

    def forget(self, before: datetime, limit: int) -> int:
        """By the index on their age."""
        parameters = {"before": before, "limit": limit}
        return len(self._transaction.fetch_all(self._statements.forget, parameters))


class SqlEventFeed:
    """EventFeed on SQL. Whoever reads gives the positions that nobody has given yet."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._is_numbered = engine.dialect.name == "sqlite"
        place = event_batches.c.id if self._is_numbered else event_batches.c.position
        self._new = select(event_batches.c.id).where(event_batches.c.position.is_(None)).limit(1)
        self._read = (
            select(place, event_batches.c.events)
            .where(place > bindparam("after", type_=BigInteger))
            .order_by(place)
            .limit(bindparam("limit", type_=BigInteger))
        )
        self._end = select_end(engine.dialect)

    def read(self, after: int, limit: int) -> list[EventBatch]:
        """By the index on positions."""
        self._give_positions()
        with read_errors_translated(), self._reader.connect() as connection:
            rows = connection.execute(self._read, {"after": after, "limit": limit}).all()
        return [EventBatch(position=key, events=decode_events(lines)) for key, lines in rows]

    def end(self) -> int:
        """In one question."""
        with read_errors_translated(), self._reader.connect() as connection:
            return int(connection.execute(self._end).scalar_one())

    def _give_positions(self) -> None:
        if self._is_numbered:
            return
        while self._has_new():
            with driver_errors_translated(), self._engine.begin() as connection:
                connection.execute(_BEGIN)
                connection.execute(_LOCK_POSITION)
                connection.execute(_GIVE_POSITIONS, {"limit": _CHUNK})
            count_commit()

    def _has_new(self) -> bool:
        with read_errors_translated(), self._reader.connect() as connection:
            return connection.execute(self._new).first() is not None


def select_end(dialect: Dialect) -> Select[Any]:
    """The position of the newest batch, as if those that have none yet were given theirs."""
    if dialect.name == "sqlite":
        return select(func.coalesce(func.max(event_batches.c.id), 0))
    given = select(func.coalesce(func.max(event_position.c.last), 0)).scalar_subquery()
    new = select(func.count()).where(event_batches.c.position.is_(None)).scalar_subquery()
    return select(given + new)

"""Which processes there are, in SQL."""

from __future__ import annotations

from datetime import datetime

import attrs
from sqlalchemy import Engine, bindparam, delete, select

from ...domain.ports.process_registry import Process, ProcessKind
from .bulk import upsert
from .errors import read_errors_translated
from .schema import TEXT_ID, TIMESTAMP, processes
from .transaction import Transaction

_FORGET = delete(processes).where(processes.c.last_seen < bindparam("before", type_=TIMESTAMP))
_REMOVE = delete(processes).where(processes.c.id == bindparam("process_id", type_=TEXT_ID))
_ALL = select(processes).order_by(processes.c.kind, processes.c.started_at, processes.c.id)


class SqlProcessRegistry:
    """ProcessRegistry on SQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        note = upsert(engine.dialect, processes).values(
            {column.name: bindparam(column.name, type_=column.type) for column in processes.c}
        )
        self._note = note.on_conflict_do_update(
            index_elements=["id"], set_={"last_seen": note.excluded.last_seen}
        )

    def note(self, process: Process, forget_before: datetime) -> None:
        """One transaction of two statements."""
        with Transaction(self._engine) as transaction:
            transaction.enqueue(self._note, attrs.asdict(process) | {"kind": process.kind.value})
            transaction.enqueue(_FORGET, {"before": forget_before})
            transaction.commit()

    def remove(self, process_id: str) -> None:
        """By the primary key."""
        with Transaction(self._engine) as transaction:
            transaction.enqueue(_REMOVE, {"process_id": process_id})
            transaction.commit()

    def all(self) -> tuple[Process, ...]:
        """They are few."""
        with read_errors_translated(), self._reader.connect() as connection:
            rows = connection.execute(_ALL).mappings().all()
        return tuple(Process(**{**row, "kind": ProcessKind(row["kind"])}) for row in rows)

"""Which processes there are, in SQL."""

from __future__ import annotations

from datetime import datetime

import attrs
from sqlalchemy import Engine, bindparam, delete, insert, select

from ...domain.ports.process_registry import Figures, Process, ProcessKind, Sample
from .bulk import upsert
from .errors import read_errors_translated
from .schema import TEXT_ID, TIMESTAMP, process_samples, processes
from .transaction import Transaction

_FORGET = delete(processes).where(processes.c.last_seen < bindparam("before", type_=TIMESTAMP))
_REMOVE = delete(processes).where(processes.c.id == bindparam("process_id", type_=TEXT_ID))
_TAKE = insert(process_samples).values(
    {column.name: bindparam(column.name, type_=column.type) for column in process_samples.c}
)
_FORGET_SAMPLES = delete(process_samples).where(
    process_samples.c.at < bindparam("before", type_=TIMESTAMP)
)
_SAMPLES = (
    select(process_samples)
    .where(process_samples.c.at >= bindparam("since", type_=TIMESTAMP))
    .order_by(process_samples.c.at, process_samples.c.process_id)
)
_FIGURES = [field.name for field in attrs.fields(Figures)]
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

    def note(
        self, process: Process, forget_before: datetime, figures: Figures | None = None
    ) -> None:
        """One transaction."""
        with Transaction(self._engine) as transaction:
            transaction.enqueue(self._note, attrs.asdict(process) | {"kind": process.kind.value})
            if figures is not None:
                sample = {
                    "at": process.last_seen,
                    "process_id": process.id,
                    "kind": process.kind.value,
                    **attrs.asdict(figures),
                }
                transaction.enqueue(_TAKE, sample)
            for forget in (_FORGET, _FORGET_SAMPLES):
                transaction.enqueue(forget, {"before": forget_before})
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

    def samples(self, since: datetime) -> tuple[Sample, ...]:
        """By the primary key."""
        with read_errors_translated(), self._reader.connect() as connection:
            rows = connection.execute(_SAMPLES, {"since": since}).all()
        return tuple(
            Sample(
                process_id=row.process_id,
                kind=ProcessKind(row.kind),
                at=row.at,
                figures=Figures(**{name: getattr(row, name) for name in _FIGURES}),
            )
            for row in rows
        )

"""The time that all processes share which use a database."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import DateTime, Engine, bindparam, func, insert, select

from ...domain.ports.clock import Clock
from .errors import read_errors_translated
from .schema import TIMESTAMP, allocation_marks, boots, vendors
from .transaction import Transaction

_NOW = select(func.clock_timestamp(type_=DateTime(timezone=True)))
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STARTED = select(boots.c.started_at).where(boots.c.boot_id == bindparam("boot_id"))
_START = insert(boots).values(
    boot_id=bindparam("boot_id"), started_at=bindparam("started_at", type_=TIMESTAMP)
)
_SEEN = (select(func.max(vendors.c.heard_at)), select(func.max(allocation_marks.c.marked_at)))


def shared_clock(engine: Engine) -> Clock | None:
    """The clock of a database; None where the processes have nothing but their own."""
    if engine.dialect.name == "postgresql":
        return ServerClock(engine)
    return BootClock(engine) if _BOOT_ID.exists() else None


class ServerClock:
    """Clock of a PostgreSQL server. StorageUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")

    def now(self) -> datetime:
        """Asked anew each time."""
        with read_errors_translated(), self._reader.connect() as connection:
            now: datetime = connection.execute(_NOW).scalar_one()
        return now.astimezone(UTC)


class BootClock:
    """Clock of the machine that a SQLite file is on, whatever is done to its wall clock meanwhile.

    The first process that asks after a boot notes when that was, by the wall clock; from then on
    only the time since counts, which nobody can set. StorageUnavailable.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._started_at: datetime | None = None

    def now(self) -> datetime:
        """The same in every process."""
        if self._started_at is None:
            self._started_at = self._agree()
        return self._started_at + _since_boot()

    def look(self) -> datetime:
        """The same, without waiting for a writer: the wall clock's while nothing is agreed on."""
        if self._started_at is None:
            boot_id = _BOOT_ID.read_text().strip()
            with read_errors_translated(), self._engine.connect() as connection:
                started_at = connection.execute(_STARTED, {"boot_id": boot_id}).scalar()
            if started_at is None:
                return datetime.now(UTC)
            self._started_at = _moment(started_at)
        return self._started_at + _since_boot()

    def _agree(self) -> datetime:
        boot_id = _BOOT_ID.read_text().strip()
        with Transaction(self._engine) as transaction:
            for (started_at,) in transaction.fetch_all(_STARTED, {"boot_id": boot_id}):
                return _moment(started_at)
            # Never before what was seen under an earlier boot.
            seen = [_moment(at) for part in _SEEN for (at,) in transaction.fetch_all(part) if at]
            started_at = max([datetime.now(UTC), *seen]) - _since_boot()
            transaction.enqueue(_START, {"boot_id": boot_id, "started_at": started_at})
            transaction.commit()
        return started_at


def _since_boot() -> timedelta:
    return timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))


def _moment(value: datetime | str) -> datetime:
    # The highest of several has no type of its own in SQLite.
    return datetime.fromisoformat(value) if isinstance(value, str) else value

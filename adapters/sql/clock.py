"""The time by the database server's clock, which all processes share."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import DateTime, Engine, func, select

from .errors import read_errors_translated

_NOW = select(func.clock_timestamp(type_=DateTime(timezone=True)))


class ServerClock:
    """Clock on PostgreSQL. StorageUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")

    def now(self) -> datetime:
        """Asked anew each time."""
        with read_errors_translated(), self._reader.connect() as connection:
            now: datetime = connection.execute(_NOW).scalar_one()
        return now.astimezone(UTC)

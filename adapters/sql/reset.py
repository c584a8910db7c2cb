"""Begin anew."""

from __future__ import annotations

from sqlalchemy import Engine

from .engine import long_statements
from .errors import driver_errors_translated
from .schema import metadata
from .write_lock import write_lock


def reset(engine: Engine) -> None:
    """Delete all rows of our tables, in one transaction. StorageUnavailable."""
    with driver_errors_translated():
        if engine.dialect.name == "sqlite":
            _delete(engine)
        else:
            _truncate(engine)


def _delete(engine: Engine) -> None:
    with write_lock(engine), engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())


def _truncate(engine: Engine) -> None:
    names = ", ".join(table.name for table in metadata.sorted_tables)
    with engine.begin() as connection, long_statements(connection):
        connection.exec_driver_sql(f"TRUNCATE {names}")

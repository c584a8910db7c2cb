"""Bringing a database to the schema that this version of the package expects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from ..engine import create_schema, create_sqlite_file, long_statements
from ..errors import read_errors_translated
from ..write_lock import write_lock

# Alembic keeps what it is at work on in module globals.
_alembic = Lock()
# Any number that nobody else uses in the same database.
_ADVISORY_LOCK = 7_203_846_152_910_417


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Create or upgrade the tables; several at once wait for each other. StorageUnavailable."""
    create_sqlite_file(engine)
    with read_errors_translated(), write_lock(engine):
        if engine.dialect.name == "sqlite":
            _use_write_ahead_log(engine)
        with engine.connect() as connection, _alembic, _locked(connection):
            create_schema(connection)
            command.upgrade(_config(connection), revision)
            connection.commit()


def newest_revision() -> str | None:
    """The revision that a migration leads to."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _use_write_ahead_log(engine: Engine) -> None:
    """Let readers and the writer go side by side. It stays with the file."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")


@contextmanager
def _locked(connection: Connection) -> Iterator[None]:
    """The lock is released at the end of the transaction."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        return
    with long_statements(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        yield


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    # Alembic reads its options with interpolation, where % has a meaning.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config

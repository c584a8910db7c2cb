"""Bringing a database to the schema that this version of the package expects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, inspect, select, update

from ....domain.errors import InvalidValue
from ..engine import create_schema, create_sqlite_file, long_statements
from ..errors import read_errors_translated
from ..revision import VERSION_TABLE, require_compatible
from ..write_lock import write_lock

# Alembic keeps what it is at work on in module globals.
_alembic = Lock()
# Any number that nobody else uses in the same database.
_ADVISORY_LOCK = 7_203_846_152_910_417


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Create or upgrade the tables; several at once wait for each other. StorageUnavailable.

    Tables of a newer version that this one can work with stay as they are; SchemaTooNew for others.
    """
    create_sqlite_file(engine)
    with read_errors_translated(), write_lock(engine):
        if engine.dialect.name == "sqlite":
            _use_write_ahead_log(engine)
        with _migrating(engine) as connection:
            create_schema(connection)
            if _is_newer(connection):
                require_compatible(connection)
                return
            command.upgrade(_config(connection), revision)
            _note_compatible(connection)
            connection.commit()


def downgrade(engine: Engine, revision: str) -> None:
    """Undo the migrations after this one. StorageUnavailable; InvalidValue, as from `undone_by`."""
    with read_errors_translated(), write_lock(engine), _migrating(engine) as connection:
        _undone(connection, revision)
        command.downgrade(_config(connection), revision)
        _note_compatible(connection)
        connection.commit()


def undone_by(engine: Engine, revision: str) -> list[str]:
    """What going down to this revision means, the newest first: a line for each migration.

    InvalidValue for a revision that there is none of, or that is not before the database's.
    """
    with read_errors_translated(), engine.connect() as connection:
        return [
            f"{each.revision} {(each.module.downgrade.__doc__ or each.doc).strip()}"
            for each in _undone(connection, revision)
        ]


def _undone(connection: Connection, revision: str) -> list[Script]:
    scripts = ScriptDirectory.from_config(_config())
    current = _current(connection)
    known = [each.revision for each in scripts.walk_revisions()]
    if current not in known:
        raise InvalidValue("revision", f"cannot be reached: {current} is unknown to this version")
    earlier = known[known.index(current) + 1 :]
    if revision not in earlier:
        there_are = f" ({', '.join(earlier)})" if earlier else ""
        raise InvalidValue("revision", f"must be one before {current}{there_are}")
    return list(scripts.iterate_revisions(current, revision))


def newest_revision() -> str | None:
    """The revision that a migration leads to."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def compatible_from(revision: str) -> str:
    """The oldest revision whose code can go on with the tables of this one."""
    scripts = ScriptDirectory.from_config(_config())
    script = scripts.get_revision(revision)
    while script.module.OLD_CODE_RUNS:
        script = scripts.get_revision(str(script.down_revision))
    return script.revision


def _note_compatible(connection: Connection) -> None:
    columns = inspect(connection).get_columns(VERSION_TABLE.name)
    # Not in tables from before this was kept.
    if "compatible_from" in {column["name"] for column in columns}:
        oldest = compatible_from(str(_current(connection)))
        connection.execute(update(VERSION_TABLE).values(compatible_from=oldest))


def _is_newer(connection: Connection) -> bool:
    if not inspect(connection).has_table(VERSION_TABLE.name):
        return False
    current = str(_current(connection))
    try:
        ScriptDirectory.from_config(_config()).get_revision(current)
    except CommandError:
        return True
    return False


def _current(connection: Connection) -> str | None:
    return connection.execute(select(VERSION_TABLE.c.version_num)).scalar()


@contextmanager
def _migrating(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection, _alembic, _locked(connection):
        yield connection


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

"""A look at the database: whether it is as this adapter needs it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from ...domain.errors import StorageUnavailable
from ..system.diagnosis import Diagnosis, Verdict
from .engine import POOL_OVERFLOW, POOL_SIZE, file_of
from .errors import read_errors_translated
from .revision import HEAD, require_compatible
from .schema import metadata

# Seconds that a server's clock may differ from ours.
CLOCK_TOLERANCE = 2.0
LITTLE_SPACE = 1_000_000_000
NO_SPACE = 50_000_000
PROCESS_CONNECTIONS = POOL_SIZE + POOL_OVERFLOW

_FREE_CONNECTIONS = text("""
    SELECT current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
""")
_MAY_CREATE = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
_MAY_USE = text("""
    SELECT bool_and(has_table_privilege(to_regclass(name), privilege))
    FROM unnest(CAST(:names AS text[])) AS name,
        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
""")


def diagnose(engine: Engine, now: datetime, processes: int) -> Iterator[Diagnosis]:
    """Changes nothing. `processes`: how many will connect. StorageUnavailable if none can."""
    is_sqlite = engine.dialect.name == "sqlite"
    reader = engine.execution_options(isolation_level="AUTOCOMMIT")
    with read_errors_translated(), reader.connect() as connection:
        version = sqlite3.sqlite_version if is_sqlite else _ask(connection, "SHOW server_version")
        yield Diagnosis(subject="database", found=f"{engine.dialect.name} {version} answers")
        yield _schema(connection)
        if not is_sqlite:
            yield from _server(connection, now, processes)
    if is_sqlite:
        yield _space(engine)
    else:
        yield _isolation(engine)


def _ask(connection: Connection, statement: str) -> object:
    return connection.execute(text(statement)).scalar_one()


def _schema(connection: Connection) -> Diagnosis:
    try:
        with read_errors_translated():
            require_compatible(connection)
    except StorageUnavailable as error:
        return Diagnosis(subject="schema", verdict=Verdict.FAIL, found=str(error))
    return Diagnosis(subject="schema", found=f"its tables fit this version, which has {HEAD}")


def _server(connection: Connection, now: datetime, processes: int) -> Iterator[Diagnosis]:
    yield _clock(connection, now)
    yield _permissions(connection)
    yield _connections(connection, processes)


def _clock(connection: Connection, now: datetime) -> Diagnosis:
    theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    ahead = (theirs - now).total_seconds()
    found = f"the server is {ahead:+.1f} seconds from this machine"
    if abs(ahead) <= CLOCK_TOLERANCE:
        return Diagnosis(subject="clock", found=found)
    advice = "have both set by NTP: orders and vendors' reports are dated by this machine"
    return Diagnosis(subject="clock", verdict=Verdict.WARN, found=found, advice=advice)


def _permissions(connection: Connection) -> Diagnosis:
    names = [table.name for table in metadata.sorted_tables]
    if connection.execute(_MAY_USE, {"names": names}).scalar_one() is False:
        return Diagnosis(
            subject="permissions",
            verdict=Verdict.FAIL,
            found="this user may not read and write every table",
            advice="GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA … TO it",
        )
    if not connection.execute(_MAY_CREATE).scalar_one():
        return Diagnosis(
            subject="permissions",
            verdict=Verdict.WARN,
            found="this user may not create tables",
            advice="run `order-aggregator migrate` as one who may",
        )
    return Diagnosis(subject="permissions", found="this user may do all that is needed")


def _connections(connection: Connection, processes: int) -> Diagnosis:
    free: int = connection.execute(_FREE_CONNECTIONS).scalar_one()
    wanted = processes * PROCESS_CONNECTIONS
    found = f"{free} more can connect; {processes} processes take up to {wanted}"
    if free >= wanted:
        return Diagnosis(subject="connections", found=found)
    return Diagnosis(
        subject="connections",
        verdict=Verdict.FAIL if free < processes else Verdict.WARN,
        found=found,
        advice="raise max_connections, or run fewer processes",
    )


def _isolation(engine: Engine) -> Diagnosis:
    with read_errors_translated(), engine.connect() as connection:
        level = _ask(connection, "SHOW transaction_isolation")
    if level == "read committed":
        return Diagnosis(subject="isolation", found=str(level))
    return Diagnosis(
        subject="isolation",
        verdict=Verdict.WARN,
        found=f"{level}: transactions will conflict more often",
        advice="leave default_transaction_isolation at read committed",
    )


def _space(engine: Engine) -> Diagnosis:
    folder = file_of(engine.url).absolute().parent
    free = shutil.disk_usage(folder).free
    found = f"{free // 1_000_000:,} MB are free in {folder}"
    if free >= LITTLE_SPACE:
        return Diagnosis(subject="disk", found=found)
    verdict = Verdict.FAIL if free < NO_SPACE else Verdict.WARN
    advice = "make room: with a full disk no order is accepted"
    return Diagnosis(subject="disk", verdict=verdict, found=found, advice=advice)

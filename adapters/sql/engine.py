"""Connections to the database, set up for what this adapter does with them."""

from __future__ import annotations

import os
import re
import select
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

import psycopg
import sqlalchemy
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Engine, PoolProxiedConnection, QueuePool, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.schema import CreateSchema

from ...domain.errors import InvalidValue, StorageUnavailable
from ..system.greenlets import run_in_thread
from .driver import RESPONSE_TIMEOUT, Connection, Peer

SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg", "postgres")
FORMS = "must be sqlite:///<file> or postgresql://<user>:<password>@<host>:<port>/<database>"

MAX_PORT = 65535
POOL_SIZE = 10
POOL_OVERFLOW = 20
POOL_TIMEOUT = 10  # seconds

# A server that has silently gone is noticed within 14 seconds, even by a connection that is idle;
# the URL may say otherwise.
_POSTGRESQL_PARAMETERS: dict[str, object] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 14_000,
}
# Rows are always looked up by key, and read in its order. Without these, a plan made while a table
# was still small, and kept, would go on reading or sorting all of it when it has grown. What the
# server holds for a client that has silently gone, locks above all, it lets go of in time for the
# next ones.
_POSTGRESQL_SESSION = """
    SET timezone = 'UTC';
    SET statement_timeout = '8s';
    SET idle_in_transaction_session_timeout = '8s';
    SET tcp_keepalives_idle = 5;
    SET tcp_keepalives_interval = 3;
    SET tcp_keepalives_count = 3;
    SET enable_seqscan = off;
    SET enable_bitmapscan = off;
    SET enable_mergejoin = off;
    SET jit = off
"""
# Seconds for what reads everything, or waits for what does. The server says so earlier than we do.
LONG_TIMEOUT = 3600
_LONG_STATEMENTS = f"""
    SET LOCAL statement_timeout = '{LONG_TIMEOUT}s';
    SET LOCAL idle_in_transaction_session_timeout = '{LONG_TIMEOUT}s'
"""
# `synchronous = FULL`: a commit has reached the disk. Writers wait for `write_lock`; the timeout is
# for programs that do not know it.
_SQLITE_SESSION = (
    "PRAGMA busy_timeout = 10000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",
)
# What no later attempt mends (sqlite.org/rescode.html).
_PERMANENT_ERRORS = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)


SCHEMA_NAME = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")

# Those that `create_engine` has made, with the schema of each.
_made: WeakKeyDictionary[Engine, str | None] = WeakKeyDictionary()


def create_engine(url: str, schema: str | None = None) -> Engine:
    """An engine for the database at this URL. It connects when it is used.

    `schema`: of PostgreSQL, for tables that are apart from a host's own; its connections see no
    other unless it is named (`public.carts`). None: that of the user or the URL. SQLite has none.

    A SQLite file that is not there is as a database without tables: only `create_sqlite_file`
    makes it.
    Raises InvalidValue for what can never work; it does not show the URL, which may hold a
    password.
    """
    parsed = _parse(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if schema is not None:
        _check_schema(schema, is_sqlite=is_sqlite)
    engine = _sqlite_engine(parsed) if is_sqlite else _postgresql_engine(parsed, schema)
    _made[engine] = schema
    return engine


def create_schema(connection: sqlalchemy.Connection) -> None:
    """Make the engine's schema where it is not there yet."""
    schema = _made[connection.engine]
    if schema is not None:
        connection.execute(CreateSchema(schema, if_not_exists=True))


def require_our_engine(engine: Engine) -> None:
    """Raise InvalidValue for an engine whose connections are not set up as this adapter needs.

    Without the deadlines, isolation and functions that ours have, it would work until it fails.
    """
    if engine not in _made:
        raise InvalidValue(
            "engine", "must be made by order_aggregator.adapters.sql.create_engine(url)"
        )


def create_sqlite_file(engine: Engine) -> None:
    """Make the SQLite file and its folder where they are not there yet. StorageUnavailable."""
    if engine.dialect.name != "sqlite":
        return
    path = file_of(engine.url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sqlite3.connect(path).close()
    except (OSError, sqlite3.Error) as error:
        raise StorageUnavailable(f"cannot create {path.absolute()}: {error}") from error


def acquire_connection(engine: Engine) -> PoolProxiedConnection:
    """From the pool. Where none is idle, that may take its time, but blocks no event loop."""
    pool = engine.pool
    if isinstance(pool, QueuePool) and pool.checkedin():
        return engine.raw_connection()
    return run_in_thread(engine.raw_connection)


@contextmanager
def long_statements(connection: sqlalchemy.Connection) -> Iterator[None]:
    """Let statements of this transaction on PostgreSQL take up to an hour."""
    connection.exec_driver_sql(_LONG_STATEMENTS)
    driver = cast(Connection, connection.connection.driver_connection)
    driver.response_timeout = LONG_TIMEOUT + RESPONSE_TIMEOUT
    try:
        yield
    finally:
        del driver.response_timeout  # back to that of all


def allow_long_statements(driver: Connection) -> None:
    """Let what follows in this transaction read whole tables, for up to an hour.

    `end_long_statements` is to be called before the connection is used for anything else.
    """
    driver.execute(f"{_LONG_STATEMENTS}; SET LOCAL enable_seqscan = on".encode())
    driver.response_timeout = LONG_TIMEOUT + RESPONSE_TIMEOUT


def end_long_statements(driver: Connection) -> None:
    """Back to the deadline of all; nothing where it was not another."""
    vars(driver).pop("response_timeout", None)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        (parsed.host or "").encode("idna")  # as the resolver will
    except (ArgumentError, ValueError):
        # The cause may quote a part of a password.
        raise InvalidValue("database_url", FORMS) from None
    if parsed.drivername not in SCHEMES:
        raise InvalidValue("database_url", FORMS)
    if parsed.drivername != "sqlite":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _check_schema(schema: str, *, is_sqlite: bool) -> None:
    if is_sqlite:
        raise InvalidValue("database_schema", "is for PostgreSQL: SQLite has a file of its own")
    if not SCHEMA_NAME.fullmatch(schema):
        expected = "must be up to 63 of a-z, 0-9 and _, and begin with neither a digit nor pg_"
        raise InvalidValue("database_schema", expected)


def _postgresql_engine(url: URL, schema: str | None) -> Engine:
    if url.port is not None and not 1 <= url.port <= MAX_PORT:
        raise InvalidValue("database_url", f"must have a port from 1 to {MAX_PORT}")
    _check_options(url)
    engine = sqlalchemy.create_engine(
        url,
        connect_args={k: v for k, v in _POSTGRESQL_PARAMETERS.items() if k not in url.query},
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_TIMEOUT,
        pool_use_lifo=True,
    )
    event.listen(engine, "do_connect", _connector(Peer()))
    event.listen(engine, "connect", partial(_set_up_postgresql, schema))
    event.listen(engine, "checkin", _mark_used)
    event.listen(engine, "checkout", _replace_dead)
    return engine


def _check_options(url: URL) -> None:
    """Raise InvalidValue for options in the query that no connection could ever be made with."""
    options: dict[str, Any] = dict(url.query)
    try:
        url.get_dialect()().create_connect_args(url)
        make_conninfo(**options)
    except (ArgumentError, psycopg.ProgrammingError):
        raise InvalidValue("database_url", "has an option that libpq does not take") from None
    for name in options.keys() & _POSTGRESQL_PARAMETERS.keys():
        if not str(options[name]).isdecimal():
            raise InvalidValue("database_url", f"{name} must be a whole number")


def _connector(peer: Peer) -> Callable[..., Connection]:
    def connect(
        _dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]
    ) -> Connection:
        connection = run_in_thread(Connection.connect, *arguments, **parameters)
        connection.peer = peer
        return connection

    return connect


def _set_up_postgresql(schema: str | None, connection: Connection, _record: Any) -> None:
    connection.autocommit = True
    connection.execute(_POSTGRESQL_SESSION)
    if schema is not None:
        connection.execute(f'SET search_path = "{schema}"')
    connection.end_orphans()
    connection.autocommit = False


def _mark_used(_connection: Any, record: Any) -> None:
    record.info["used"] = True


def _replace_dead(connection: Connection, record: Any, _proxy: Any) -> None:
    """Have the pool open another connection where this one is closed, or dead like another one.

    A server that shuts down says so: an idle connection with something to read is no longer good.
    That costs no round trip, unlike a ping.
    """
    if connection.is_suspect:
        connection.give_up()
        raise DisconnectionError
    if not record.info.get("used"):
        return
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError


def _sqlite_engine(url: URL) -> Engine:
    file = url.database
    just_a_file = url == URL.create("sqlite", database=file)
    if not file or file == ":memory:" or "\0" in file or not just_a_file:
        raise InvalidValue("database_url", FORMS)
    path = file_of(url)
    _check_folder(path.parent)
    _check_file(path)
    _check_file(lock_file_of(url))
    _check_content(path)
    engine = sqlalchemy.create_engine(
        url,
        creator=lambda: _open_sqlite(path),
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_TIMEOUT,
    )
    event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _open_sqlite(path: Path) -> sqlite3.Connection:
    """Open the file, but do not make it: the name of one that is not there may be a slip."""
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(uri, uri=True, check_same_thread=False)
    except sqlite3.OperationalError:
        require_database(path)
        raise


def require_database(path: Path) -> None:
    """Raise StorageUnavailable unless the SQLite file is there."""
    if not path.exists():
        raise StorageUnavailable(
            f"there is no database at {path.absolute()}: run `order-aggregator migrate`"
        )


def file_of(url: URL) -> Path:
    """Where SQLite keeps the database."""
    return Path(str(url.database))


def lock_file_of(url: URL) -> Path:
    """What writers lock."""
    return Path(f"{url.database}.lock")


def _check_folder(folder: Path) -> None:
    """Raise InvalidValue if the folder can neither be written to nor made."""
    nearest = folder.absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        raise InvalidValue("database_url", f"cannot create {folder}: {nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InvalidValue("database_url", f"cannot write to {nearest}")


def _check_file(path: Path) -> None:
    """Raise InvalidValue if something is there that is no file, or cannot be written."""
    if not path.exists():
        return
    if not path.is_file():
        raise InvalidValue("database_url", f"{path.absolute()} is not a file")
    if not os.access(path, os.R_OK | os.W_OK):
        raise InvalidValue("database_url", f"cannot read and write {path.absolute()}")


def _check_content(path: Path) -> None:
    """Raise InvalidValue if the file is there and SQLite can never use it.

    Only at the start: to a process that is running, the same may happen for a while.
    """
    if not path.exists():
        return
    try:
        # Not by opening the file: closing it would drop the locks of SQLite in this process.
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF in _PERMANENT_ERRORS:
            raise InvalidValue("database_url", f"{path.absolute()}: {error}") from error


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # SQLite has a function of this name from 3.41 on.
    connection.create_function("unhex", 1, bytes.fromhex, deterministic=True)
    for statement in _SQLITE_SESSION:
        connection.execute(statement)

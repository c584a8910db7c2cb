"""Connections to the database, set up for what this adapter does with them."""

from __future__ import annotations

import fcntl
import os
import select
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from ...domain.errors import InvalidValue, StorageUnavailable

SCHEMES = "must be sqlite:///<file> or postgresql+psycopg://<user>@<host>/<database>"

POOL_SIZE = 10
POOL_OVERFLOW = 20
POOL_TIMEOUT = 10  # seconds

# A peer that has silently gone is noticed within half a minute; the URL may say otherwise.
_POSTGRESQL_PARAMETERS: dict[str, object] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# Rows are always looked up by key. Without `enable_seqscan = off`, a plan made while a table was
# still small, and kept, would go on reading all of it when it has grown.
_POSTGRESQL_SESSION = """
    SET timezone = 'UTC';
    SET statement_timeout = '30s';
    SET idle_in_transaction_session_timeout = '60s';
    SET enable_seqscan = off;
    SET jit = off
"""
# `synchronous = FULL`: a commit has reached the disk. Writers wait for `write_turn`; the timeout is
# for programs that do not know it.
_SQLITE_SESSION = (
    "PRAGMA busy_timeout = 10000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",
)


def create_engine(url: str) -> Engine:
    """An engine for the database at this URL. It connects when it is used.

    The folder of a SQLite file is created. Raises InvalidValue.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    return _postgresql_engine(parsed)


@contextmanager
def write_turn(engine: Engine) -> Iterator[None]:
    """Wait until no other thread or process writes, where the database has one writer at a time.

    The kernel queues those who wait; SQLite's own busy handler would have them sleep and try again.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    try:
        turn = os.open(f"{engine.url.database}.lock", os.O_WRONLY | os.O_CREAT, 0o666)
    except OSError as error:
        raise StorageUnavailable(f"cannot write beside the database: {error}") from error
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield
    finally:
        os.close(turn)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidValue("database_url", SCHEMES) from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise InvalidValue("database_url", SCHEMES)
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InvalidValue("database_url", SCHEMES)
    return parsed


def _postgresql_engine(url: URL) -> Engine:
    given = url.query
    engine = sqlalchemy.create_engine(
        url,
        connect_args={k: v for k, v in _POSTGRESQL_PARAMETERS.items() if k not in given},
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_TIMEOUT,
        pool_use_lifo=True,
    )
    event.listen(engine, "connect", _set_up_postgresql)
    event.listen(engine, "checkin", _mark_used)
    event.listen(engine, "checkout", _replace_closed)
    return engine


def _set_up_postgresql(connection: psycopg.Connection, _record: Any) -> None:
    connection.autocommit = True
    connection.execute(_POSTGRESQL_SESSION)
    connection.autocommit = False


def _mark_used(_connection: Any, record: Any) -> None:
    record.info["used"] = True


def _replace_closed(connection: psycopg.Connection, record: Any, _proxy: Any) -> None:
    """Have the pool open another connection where the server has closed this one meanwhile.

    A server that shuts down says so: an idle connection with something to read is no longer good.
    That costs no round trip, unlike a ping.
    """
    if not record.info.get("used"):
        return
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError


def _sqlite_engine(url: URL) -> Engine:
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidValue("database_url", f"cannot create {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidValue("database_url", f"cannot write to {folder.absolute()}")
    engine = sqlalchemy.create_engine(
        url, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, pool_timeout=POOL_TIMEOUT
    )
    event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # SQLite has a function of this name from 3.41 on.
    connection.create_function("unhex", 1, bytes.fromhex, deterministic=True)
    for statement in _SQLITE_SESSION:
        connection.execute(statement)

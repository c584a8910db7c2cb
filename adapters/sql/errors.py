"""What the drivers raise, in the domain's words."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ...domain.errors import (
    CommitOutcomeUnknown,
    Conflict,
    ConstraintViolated,
    OrderAggregatorError,
    StorageUnavailable,
)

ErrorType = type[OrderAggregatorError]

# By SQLSTATE, or its class of two characters (PostgreSQL manual, appendix A).
_BY_SQLSTATE: dict[str, ErrorType] = {
    "08": StorageUnavailable,  # connection
    "23": ConstraintViolated,  # integrity
    "23505": Conflict,  # unique violation
    "25006": StorageUnavailable,  # read-only: a standby
    "25P03": StorageUnavailable,  # idle in transaction for too long
    "28": StorageUnavailable,  # authorization
    "3D": StorageUnavailable,  # no such database
    "40": Conflict,  # serialization failure, deadlock
    "42501": StorageUnavailable,  # insufficient privilege
    "53": StorageUnavailable,  # disk full, out of memory, too many connections
    "55P03": Conflict,  # lock not available
    "57": StorageUnavailable,  # shutdown, statement timeout
    "58": StorageUnavailable,  # input and output of the server
    "XX": StorageUnavailable,  # internal error, corruption
}
_NO_SUCH_SCHEMA = ("42P01", "42703")  # undefined table, undefined column

# By primary result code (sqlite.org/rescode.html).
_BY_SQLITE_CODE: dict[int, ErrorType] = {
    sqlite3.SQLITE_BUSY: Conflict,
    sqlite3.SQLITE_LOCKED: Conflict,
    sqlite3.SQLITE_CONSTRAINT: ConstraintViolated,
    sqlite3.SQLITE_CANTOPEN: StorageUnavailable,
    sqlite3.SQLITE_CORRUPT: StorageUnavailable,
    sqlite3.SQLITE_FULL: StorageUnavailable,
    sqlite3.SQLITE_IOERR: StorageUnavailable,
    sqlite3.SQLITE_NOMEM: StorageUnavailable,
    sqlite3.SQLITE_NOTADB: StorageUnavailable,
    sqlite3.SQLITE_PERM: StorageUnavailable,
    sqlite3.SQLITE_PROTOCOL: StorageUnavailable,
    sqlite3.SQLITE_READONLY: StorageUnavailable,
}
_NO_SUCH = re.compile(r"^no such |has no column named ")
_NOT_UNIQUE = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)

MIGRATE = "the database has not the expected tables: run `order-aggregator migrate`"


@contextmanager
def driver_errors_translated(*, committing: bool = False) -> Iterator[None]:
    """Raise the domain's error for a driver's; one that can only be a bug stays as it is."""
    try:
        yield
    except (SQLAlchemyError, psycopg.Error) as error:
        translation = _translation(error, committing=committing)
        if translation is None:
            raise
        raise translation from error


@contextmanager
def read_errors_translated() -> Iterator[None]:
    """The same for what changes no order or stock, where a Conflict would say nothing."""
    try:
        with driver_errors_translated():
            yield
    except Conflict as error:
        raise StorageUnavailable(str(error)) from error


def _translation(error: Exception, *, committing: bool) -> OrderAggregatorError | None:
    if isinstance(error, PoolTimeoutError):
        return StorageUnavailable("no database connection became free in time")
    # The driver's own error, or one that SQLAlchemy has wrapped.
    cause = error.orig if isinstance(error, DBAPIError) else error
    if cause is not None and getattr(error, "connection_invalidated", False):
        return connection_lost(cause, committing=committing)
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    if isinstance(cause, psycopg.Error):
        return _of_postgresql(cause)
    return None


def connection_lost(cause: BaseException, *, committing: bool) -> OrderAggregatorError:
    """What that means: whether a commit was carried out, nobody can tell."""
    kind = CommitOutcomeUnknown if committing else StorageUnavailable
    return kind(f"the connection to the database was lost: {_first_line(cause)}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _of_postgresql(error: psycopg.Error) -> OrderAggregatorError | None:
    message = _first_line(error)
    if error.sqlstate is None:
        # No answer from the server at all.
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return StorageUnavailable(message) if lost else None
    if error.sqlstate in _NO_SUCH_SCHEMA:
        return StorageUnavailable(MIGRATE)
    kind = _BY_SQLSTATE.get(error.sqlstate) or _BY_SQLSTATE.get(error.sqlstate[:2])
    return None if kind is None else kind(message)


def _of_sqlite(error: sqlite3.Error) -> OrderAggregatorError | None:
    message = _first_line(error)
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_ERROR and _NO_SUCH.search(message):
        return StorageUnavailable(MIGRATE)
    if code in _NOT_UNIQUE:
        return Conflict(message)
    kind = _BY_SQLITE_CODE.get(code & 0xFF)
    return None if kind is None else kind(message)

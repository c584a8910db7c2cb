"""Statements on their way to the database, in as few trips as can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any, Protocol

import attrs
import psycopg
from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    Executable,
    NestedTransaction,
    PoolProxiedConnection,
)

from ...domain.errors import OrderAggregatorError
from .commits import count_commit
from .driver import Connection as DriverConnection
from .engine import acquire_connection, allow_long_statements, end_long_statements
from .errors import connection_lost, driver_errors_translated
from .write_lock import write_lock

# What psycopg says of a statement that was sent, and not answered.
NOT_EXECUTED = -1

Parameters = Mapping[str, object]
Rows = Sequence[Any]  # each a tuple


@attrs.frozen(kw_only=True)
class Step:
    """A statement, and how many rows it has to change, if that is known."""

    statement: Executable
    parameters: Parameters
    expected_rowcount: int | None = None
    # What to raise if it changes another number of rows.
    mismatch_error: OrderAggregatorError | None = None

    def check(self, changed: int) -> None:
        """Raise `mismatch_error` unless so many rows were to be changed."""
        if self.mismatch_error is not None and changed != self.expected_rowcount:
            raise self.mismatch_error


class OpenTransaction(Protocol):
    """A connection with a transaction open."""

    def execute(self, steps: Sequence[Step]) -> Rows:
        """Execute all in their order; the rows of the last one, if it returns any."""

    def allow_long_statements(self) -> None:
        """Let what follows read whole tables, and take its time."""

    def commit(self) -> None:
        """Commit."""


def open_transaction(engine: Engine) -> AbstractContextManager[OpenTransaction]:
    """A transaction that writes. It is rolled back at the end unless it was committed."""
    return _on_sqlite(engine) if engine.dialect.name == "sqlite" else _on_postgresql(engine)


@contextmanager
def _on_sqlite(engine: Engine) -> Iterator[OpenTransaction]:
    with write_lock(engine), driver_errors_translated(), engine.connect() as connection:
        # A transaction that began by reading could not always go on to write.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield _OnSqlite(connection)


@attrs.frozen
class _OverSqlAlchemy:
    _connection: Connection

    def execute(self, steps: Sequence[Step]) -> Rows:
        rows: Rows = ()
        for step in steps:
            with driver_errors_translated():
                result = self._connection.execute(step.statement, step.parameters)
                rows = result.all() if result.returns_rows else ()
                changed = result.rowcount
            step.check(changed)
        return rows

    def allow_long_statements(self) -> None:
        """SQLite has no deadline; that of somebody's own transaction is not ours."""


@attrs.frozen
class _OnSqlite(_OverSqlAlchemy):
    def commit(self) -> None:
        with driver_errors_translated(committing=True):
            self._connection.commit()
        count_commit()


@attrs.frozen
class _Nested(_OverSqlAlchemy):
    _savepoint: NestedTransaction

    def commit(self) -> None:
        with driver_errors_translated():
            self._savepoint.commit()


@contextmanager
def open_nested(connection: Connection) -> Iterator[OpenTransaction]:
    """A part of somebody's own transaction: what is committed here, is so when that is."""
    with driver_errors_translated():
        savepoint = connection.begin_nested()
    try:
        yield _Nested(connection, savepoint)
    finally:
        if savepoint.is_active:
            with driver_errors_translated():
                savepoint.rollback()


@contextmanager
def _on_postgresql(engine: Engine) -> Iterator[OpenTransaction]:
    with driver_errors_translated():
        pooled = acquire_connection(engine)
    opened = _OnPostgresql(pooled, engine.dialect)
    try:
        yield opened
    finally:
        opened.end_long_statements()
        with driver_errors_translated():
            pooled.close()


class _OnPostgresql:
    """By the driver itself: its pipeline sends one statement without waiting for the last one.

    Each answer that a thread waits for may cost it the interpreter's lock, for as long as another
    thread then takes to give it back.
    """

    def __init__(self, pooled: PoolProxiedConnection, dialect: Dialect) -> None:
        driver = pooled.driver_connection
        if not isinstance(driver, DriverConnection):
            raise TypeError("only our connections have a pipeline and a deadline")
        self._pooled = pooled
        self._driver = driver
        self._dialect = dialect

    def execute(self, steps: Sequence[Step]) -> Rows:
        cursors: list[psycopg.Cursor] = []
        try:
            with self._translating(), self._driver.pipeline():
                for step in steps:
                    words = compile_for_driver(step, self._dialect)
                    cursors.append(self._driver.execute(*words))
        finally:
            # Before the error of a later statement: it may come of what an earlier one did not do.
            for step, cursor in zip(steps, cursors, strict=False):
                if cursor.rowcount != NOT_EXECUTED:
                    step.check(cursor.rowcount)
        return cursors[-1].fetchall() if cursors[-1].description else ()

    def allow_long_statements(self) -> None:
        with self._translating():
            allow_long_statements(self._driver)

    def end_long_statements(self) -> None:
        """Whatever comes next on the connection has the deadline of all again."""
        end_long_statements(self._driver)

    def commit(self) -> None:
        with self._translating(committing=True):
            self._driver.commit()
        count_commit()

    @contextmanager
    def _translating(self, *, committing: bool = False) -> Iterator[None]:
        with driver_errors_translated():
            try:
                yield
            except psycopg.Error as error:
                if not self._driver.closed:
                    raise
                self._pooled.invalidate(error)
                raise connection_lost(error, committing=committing) from error


def compile_for_driver(step: Step, dialect: Dialect) -> tuple[str, dict[str, object]]:
    """What psycopg is to execute, and with which parameters.

    TypeError for a statement with a parameter that SQLAlchemy would convert.
    """
    sql, defaults = _compiled(step.statement, dialect)
    return sql, {**defaults, **step.parameters}


@lru_cache(maxsize=512)
def _compiled(statement: Executable, dialect: Dialect) -> tuple[str, dict[str, object]]:
    compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    for parameter, name in compiled.bind_names.items():
        if parameter.type.dialect_impl(dialect).bind_processor(dialect) is not None:
            # SQLAlchemy would convert it, and is passed by here.
            raise TypeError(f"{name} has a type that the driver does not take as it is")
    return str(compiled), dict(compiled.params)

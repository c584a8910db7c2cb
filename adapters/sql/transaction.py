"""One transaction: rows in, rows out, errors in the domain's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Executable, Row

from ...domain.errors import Conflict, OrderAggregatorError
from .engine import write_turn
from .errors import driver_errors_translated

Parameters = Mapping[str, object]
AnyRow = Row[*tuple[Any, ...]]


class Transaction:
    """A transaction that writes. Leaving it without `commit` undoes everything."""

    _connection: Connection

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open = ExitStack()
        self._spoiled = False

    def __enter__(self) -> Self:
        with driver_errors_translated(), ExitStack() as opening:
            opening.enter_context(write_turn(self._engine))
            self._connection = opening.enter_context(self._engine.connect())
            if self._engine.dialect.name == "sqlite":
                # A transaction that began by reading could not always go on to write.
                self._connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._open = opening.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with driver_errors_translated():
            self._open.close()

    def rows(self, statement: Executable, parameters: Parameters | None = None) -> Sequence[AnyRow]:
        """Execute, and fetch all rows."""
        try:
            with driver_errors_translated():
                return self._connection.execute(statement, parameters).all()
        except BaseException:
            self._spoiled = True
            raise

    def write(self, statement: Executable, parameters: Parameters | None = None) -> int:
        """Execute; the number of rows that were changed."""
        try:
            with driver_errors_translated():
                return self._connection.execute(statement, parameters).rowcount
        except BaseException:
            self._spoiled = True
            raise

    def write_each(
        self,
        statement: Executable,
        parameters: Parameters,
        expected: int,
        otherwise: OrderAggregatorError,
    ) -> None:
        """Execute; raise `otherwise` unless so many rows were changed."""
        if self.write(statement, parameters) != expected:
            self._spoiled = True
            raise otherwise

    def commit(self) -> None:
        """Commit. Raises Conflict if something failed before: a part must never be committed."""
        if self._spoiled:
            raise Conflict("an earlier step of this transaction failed")
        with driver_errors_translated(committing=True):
            self._connection.commit()

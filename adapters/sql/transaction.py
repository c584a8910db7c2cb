"""One transaction: rows in, rows out, errors in the domain's words."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, Executable

from ...domain.errors import Conflict, OrderAggregatorError
from .connection import OpenTransaction, Parameters, Rows, Step, open_nested, open_transaction


class Transaction:
    """A transaction that writes. Leaving it without `commit` undoes everything.

    What is written is sent with the next question or with the commit: so its errors come there.
    """

    _connection: OpenTransaction

    def __init__(self, engine: Engine, within: Connection | None = None) -> None:
        """`within`: a connection whose transaction it is to be a part of."""
        self._engine = engine
        self._within = within
        self._open = ExitStack()
        self._unsent: list[Step] = []
        self._failed = False

    def __enter__(self) -> Self:
        self._connection = self._open.enter_context(
            open_transaction(self._engine) if self._within is None else open_nested(self._within)
        )
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def fetch_all(self, statement: Executable, parameters: Parameters | None = None) -> Rows:
        """Execute, and fetch all rows."""
        return self._send(Step(statement=statement, parameters=parameters or {}))

    def enqueue(
        self,
        statement: Executable,
        parameters: Parameters | None = None,
        *,
        expected_rowcount: int | None = None,
        mismatch_error: OrderAggregatorError | None = None,
    ) -> None:
        """Execute, by the commit at the latest.

        Raises `mismatch_error` unless `expected_rowcount` rows change.
        """
        step = Step(
            statement=statement,
            parameters=parameters or {},
            expected_rowcount=expected_rowcount,
            mismatch_error=mismatch_error,
        )
        self._unsent.append(step)

    def allow_long_statements(self) -> None:
        """Let what follows read whole tables, and take its time."""
        self._connection.allow_long_statements()

    def commit(self) -> None:
        """Commit. Raises Conflict if something failed before: a part must never be committed."""
        if self._unsent:
            self._send()
        if self._failed:
            raise Conflict("an earlier step of this transaction failed")
        self._connection.commit()

    def _send(self, *steps: Step) -> Rows:
        steps = (*self._unsent, *steps)
        self._unsent.clear()
        try:
            return self._connection.execute(steps)
        except BaseException:
            self._failed = True
            raise

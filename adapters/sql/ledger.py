"""The ledger in SQL: the database compares, and hands out only what differs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from ...domain.ports.ledger import Discrepancy
from .balances import order_checks, order_discrepancies, stock_checks, stock_discrepancies
from .engine import long_statements
from .errors import read_errors_translated

_STREAMED = {"yield_per": 500}
_STOCK = stock_checks()
_ORDERS = order_checks()


class SqlLedger:
    """Ledger on SQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def discrepancies(self) -> Iterator[Discrepancy]:
        """All figures of one snapshot, which neither waits for writers nor holds them up."""
        with read_errors_translated(), self._snapshot() as connection:
            for figure, statement in _STOCK.items():
                with connection.execute(statement, execution_options=_STREAMED) as rows:
                    yield from stock_discrepancies(figure, rows)
            for figure, statement in _ORDERS.items():
                with connection.execute(statement, execution_options=_STREAMED) as rows:
                    yield from order_discrepancies(figure, rows)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
                yield connection
                return
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            with long_statements(connection):
                # Everything is read, in the order of the disk.
                connection.exec_driver_sql("SET LOCAL enable_seqscan = on")
                yield connection

"""The unit of work on SQL: one transaction."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import attrs
from sqlalchemy import Connection, Engine

from .access_tokens import SqlAccessTokens, TokenStatements
from .audit_log import AuditStatements, SqlAuditLog
from .claim_cursor import ClaimCursor
from .event_log import EventStatements, SqlEventLog
from .idempotency_keys import KeyStatements, SqlIdempotencyKeys
from .order_repository import SqlOrders
from .order_statements import OrderStatements
from .outbox import OutboxStatements, SqlOutbox
from .stock_repository import SqlStock
from .stock_statements import StockStatements
from .transaction import Transaction
from .vendor_directory import DirectoryStatements, SqlVendorDirectory
from .webhooks import SqlWebhooks, WebhookStatements


@attrs.frozen
class Statements:
    """Everything a unit of work executes, built once for a database."""

    stock: StockStatements
    orders: OrderStatements
    outbox: OutboxStatements
    events: EventStatements
    vendors: DirectoryStatements
    idempotency_keys: KeyStatements
    webhooks: WebhookStatements
    access_tokens: TokenStatements
    audit_log: AuditStatements

    @classmethod
    def for_engine(cls, engine: Engine) -> Statements:
        """The statements in the words of the engine's database."""
        return cls(
            StockStatements(engine.dialect),
            OrderStatements(engine.dialect),
            OutboxStatements(engine.dialect),
            EventStatements(engine.dialect),
            DirectoryStatements(engine.dialect),
            KeyStatements(engine.dialect),
            WebhookStatements(engine.dialect),
            TokenStatements(engine.dialect),
            AuditStatements(engine.dialect),
        )


class SqlUnitOfWork:
    """UnitOfWork on SQL. Locks are taken in one order: vendor, orders, central stock."""

    def __init__(
        self,
        engine: Engine,
        statements: Statements,
        cursor: ClaimCursor,
        within: Connection | None = None,
    ) -> None:
        self._transaction = Transaction(engine, within)
        self.stock = SqlStock(self._transaction, statements.stock)
        self.events = SqlEventLog(self._transaction, statements.events)
        self.orders = SqlOrders(self._transaction, statements.orders, self.events)
        self.outbox = SqlOutbox(self._transaction, statements.outbox, cursor)
        self.vendors = SqlVendorDirectory(self._transaction, statements.vendors)
        self.idempotency_keys = SqlIdempotencyKeys(self._transaction, statements.idempotency_keys)
        self.webhooks = SqlWebhooks(self._transaction, statements.webhooks)
        self.access_tokens = SqlAccessTokens(self._transaction, statements.access_tokens)
        self.audit_log = SqlAuditLog(self._transaction, statements.audit_log)

    def __enter__(self) -> Self:
        self._transaction.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._transaction.__exit__(exc_type, exc, traceback)

    def commit(self) -> None:
        """Commit the transaction."""
        self.events.flush()
        self._transaction.commit()

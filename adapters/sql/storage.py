"""Everything that is kept in one SQL database."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from .access_tokens import SqlTokenDirectory
from .audit_log import SqlAuditTrail
from .claim_cursor import ClaimCursor
from .clock import shared_clock
from .engine import require_our_engine
from .event_log import SqlEventFeed
from .ledger import SqlLedger
from .process_registry import SqlProcessRegistry
from .read_model import SqlReadModel
from .revision import migrate
from .unit_of_work import SqlUnitOfWork, Statements
from .webhook_directory import SqlWebhookDirectory


class SqlStorage:
    """Stock, orders and outbox in SQLite or PostgreSQL. Thread-safe.

    InvalidValue for an engine that is not made by `create_engine`.
    """

    def __init__(self, engine: Engine) -> None:
        require_our_engine(engine)
        self.engine = engine
        self._statements = Statements.for_engine(engine)
        self._claim_cursor = ClaimCursor()
        self.clock = shared_clock(engine)
        self.read_model = SqlReadModel(engine, self.clock)
        self.ledger = SqlLedger(engine)
        self.event_feed = SqlEventFeed(engine)
        self.processes = SqlProcessRegistry(engine)
        self.webhooks = SqlWebhookDirectory(engine)
        self.access_tokens = SqlTokenDirectory(engine)
        self.audit_trail = SqlAuditTrail(engine)

    def unit_of_work(self, within: Connection | None = None) -> SqlUnitOfWork:
        """A unit of work; the storage's UnitOfWorkFactory.

        `within`: a connection of this storage's engine, with rows of your own in its transaction.
        What is committed here is so when you commit; its locks are held until then. On SQLite,
        begin that transaction with BEGIN IMMEDIATE.
        """
        return SqlUnitOfWork(self.engine, self._statements, self._claim_cursor, within)

    def migrate(self) -> None:
        """Create or upgrade the tables; several at once wait for each other."""
        migrate(self.engine)

"""The storage that the in-memory adapters share."""

from __future__ import annotations

from ...domain.ports.clock import Clock
from .access_tokens import MemoryTokenDirectory
from .audit_log import MemoryAuditTrail
from .database import Database
from .event_log import MemoryEventFeed
from .ledger import MemoryLedger
from .process_registry import MemoryProcessRegistry
from .read_model import MemoryReadModel
from .unit_of_work import MemoryUnitOfWork
from .webhooks import MemoryWebhookDirectory


class MemoryStorage:
    """Stock, orders and outbox in memory. One unit of work at a time; readers never wait for it."""

    def __init__(self, clock: Clock | None = None) -> None:
        """`clock`: what holds are timed by; None: the machine's, as there is but one process."""
        self.clock = clock
        self._database = Database()
        self.read_model = MemoryReadModel(self._database, clock)
        self.event_feed = MemoryEventFeed(self._database)
        self.ledger = MemoryLedger(self._database)
        self.processes = MemoryProcessRegistry()
        self.webhooks = MemoryWebhookDirectory(self._database)
        self.access_tokens = MemoryTokenDirectory(self._database)
        self.audit_trail = MemoryAuditTrail(self._database)

    def unit_of_work(self) -> MemoryUnitOfWork:
        """A unit of work; the storage's UnitOfWorkFactory."""
        return MemoryUnitOfWork(self._database)

    def migrate(self) -> None:
        """There is nothing to do."""

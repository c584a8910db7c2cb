"""The unit of work on memory: writes go to an overlay, which a commit lays down."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from .access_tokens import MemoryAccessTokens
from .audit_log import MemoryAuditLog
from .database import Database
from .event_log import MemoryEventLog
from .idempotency_keys import MemoryIdempotencyKeys
from .order_repository import MemoryOrders
from .outbox import MemoryOutbox
from .stock_repository import MemoryStock
from .vendor_directory import MemoryVendorDirectory
from .webhooks import MemoryWebhooks


class MemoryUnitOfWork:
    """UnitOfWork on memory: the only one at its time."""

    stock: MemoryStock
    orders: MemoryOrders
    outbox: MemoryOutbox
    events: MemoryEventLog
    vendors: MemoryVendorDirectory
    idempotency_keys: MemoryIdempotencyKeys
    webhooks: MemoryWebhooks
    access_tokens: MemoryAccessTokens
    audit_log: MemoryAuditLog

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._tables = self._open.enter_context(self._database.overlay())
        self.stock = MemoryStock(self._database, self._tables)
        self.events = MemoryEventLog(self._database, self._tables)
        self.orders = MemoryOrders(self._database, self._tables, self.events)
        self.outbox = MemoryOutbox(self._database, self._tables)
        self.vendors = MemoryVendorDirectory(self._tables)
        self.idempotency_keys = MemoryIdempotencyKeys(self._tables)
        self.webhooks = MemoryWebhooks(self._database, self._tables)
        self.access_tokens = MemoryAccessTokens(self._tables)
        self.audit_log = MemoryAuditLog(self._database, self._tables)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def commit(self) -> None:
        """Lay the overlay down."""
        self.events.flush()
        self._database.commit(self._tables)

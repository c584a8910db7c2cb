"""Everything that is kept, by one adapter."""

from __future__ import annotations

from typing import Protocol

from .access_tokens import TokenDirectory
from .audit_log import AuditTrail
from .clock import Clock
from .event_log import EventFeed
from .ledger import Ledger
from .process_registry import ProcessRegistry
from .read_model import ReadModel
from .unit_of_work import UnitOfWork
from .webhooks import WebhookDirectory


class Storage(Protocol):
    """Stock, orders and outbox. Thread-safe."""

    @property
    def read_model(self) -> ReadModel:
        """Its committed state."""

    @property
    def ledger(self) -> Ledger:
        """The record that its balances are recomputed from."""

    @property
    def event_feed(self) -> EventFeed:
        """What happened, in order."""

    @property
    def webhooks(self) -> WebhookDirectory:
        """Who is told of it, and what waits to be told."""

    @property
    def access_tokens(self) -> TokenDirectory:
        """Who may call."""

    @property
    def audit_trail(self) -> AuditTrail:
        """What was changed by whom."""

    @property
    def processes(self) -> ProcessRegistry:
        """Which processes use it."""

    @property
    def clock(self) -> Clock | None:
        """The one clock of all processes that use it; None where they have that of one machine."""

    def unit_of_work(self) -> UnitOfWork:
        """A new unit of work; the storage's UnitOfWorkFactory."""

    def migrate(self) -> None:
        """Create what it needs, or bring that up to date. StorageUnavailable."""

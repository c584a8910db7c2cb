"""Where everything is kept."""

from __future__ import annotations

from typing import Protocol

from .read_model import Ledger, ReadModel
from .unit_of_work import UnitOfWork


class Storage(Protocol):
    """Stock, orders and outbox. Thread-safe."""

    @property
    def read_model(self) -> ReadModel:
        """What can be asked of it."""

    @property
    def ledger(self) -> Ledger:
        """Its ledger."""

    def unit_of_work(self) -> UnitOfWork:
        """A new unit of work; the storage's UnitOfWorkFactory."""

    def migrate(self) -> None:
        """Create what it needs, or bring that up to date. StorageUnavailable."""

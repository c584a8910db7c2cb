"""Forget what happened long ago."""

from __future__ import annotations

from datetime import timedelta

from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory

# Batches of events that are forgotten in one transaction.
BITE = 500


class ForgetEvents:
    """Forgets old events, a few at a time. An order keeps its own; a late reader is told."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock, keep: timedelta) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._keep = keep

    def __call__(self) -> int:
        """How many batches were forgotten. Raises StorageUnavailable or Conflict."""
        before = self._clock.now() - self._keep
        with self._unit_of_work() as uow:
            forgotten = uow.events.forget(before, BITE)
            if forgotten:
                uow.commit()
        return forgotten

"""Forget what nobody will ask for any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

# What is forgotten in one transaction.
BITE = 500


class Forgetful(Protocol):
    """A log that can forget."""

    def forget(self, before: datetime, limit: int) -> int:
        """Forget so many of those from before, and say how many there were."""


class ForgetOld:
    """Forgets what is older than it is to be kept, a few at a time."""

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        keep: timedelta,
        log_of: Callable[[UnitOfWork], Forgetful],
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._keep = keep
        self._log_of = log_of

    def __call__(self) -> int:
        """How many were forgotten. Raises StorageUnavailable or Conflict."""
        before = self._clock.now() - self._keep
        with self._unit_of_work() as uow:
            forgotten = self._log_of(uow).forget(before, BITE)
            if forgotten:
                uow.commit()
        return forgotten

"""Record that orders failed, which tells them from those that bring down their worker."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from ..ports.clock import Clock
from ..ports.order_repository import Attempt
from ..ports.unit_of_work import UnitOfWorkFactory


class RecordFailures:
    """Writes down, for a batch of orders, at which delivery they failed."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, failures: Mapping[UUID, Attempt]) -> None:
        """Record the orders, each with its last attempt, in one transaction.

        To be called last, right before their messages are retried: whoever dies earlier has
        recorded nothing. Raises Unavailable or Conflict.
        """
        with self._unit_of_work() as uow:
            uow.orders.record_failures(failures, self._clock.now())
            uow.commit()

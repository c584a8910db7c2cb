"""Announce again the orders that nobody fulfilled: the storage, not the broker, knows the truth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory

BATCH = 1000


class ResendOrders:
    """Puts orders that stay reserved back into the outbox. A message too many changes nothing.

    An order whose message still waits in the outbox is left alone. Both have the timestamp of the
    transaction that wrote them, so only orders that were sent before the oldest message was created
    are looked at.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock, after: timedelta) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._after = after

    def __call__(self) -> Sequence[UUID]:
        """Resend a batch; its order ids. Raises StorageUnavailable or Conflict."""
        with self._unit_of_work() as uow:
            now = self._clock.now()
            sent_before = now - self._after
            if backlog := uow.outbox.backlog():
                sent_before = min(sent_before, backlog.since)
            order_ids = uow.orders.claim_unfulfilled(sent_before, now, BATCH)
            if order_ids:
                uow.outbox.announce(order_ids, now)
                uow.commit()
        return order_ids

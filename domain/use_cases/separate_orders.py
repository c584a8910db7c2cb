"""Announce orders again, each by itself, so that one can be returned without the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from ..order import OrderStatus
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory


class RequeueIndividually:
    """Puts a message of its own into the outbox for each order that has not ended."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(
        self, order_ids: Sequence[UUID], traces: Mapping[UUID, str] | None = None
    ) -> list[UUID]:
        """Announce each alone; those announced. Raises Unavailable or Conflict.

        `traces`: of those that are traced, what names their traces.
        Unknown ones too: their messages will be parked, and others must not be parked with them.
        """
        with self._unit_of_work() as uow:
            known = uow.orders.lock(order_ids)
            left = [
                order_id
                for order_id in dict.fromkeys(order_ids)
                if order_id not in known or known[order_id].status is OrderStatus.RESERVED
            ]
            if left:
                now = self._clock.now()
                uow.orders.mark_sent(left, now)
                uow.outbox.announce_individually(left, now, traces)
                uow.commit()
        return left

"""Announce orders again, each by itself, so that one can be returned without the others."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from ..events import announce
from ..ports.unit_of_work import UnitOfWorkFactory


class SeparateOrders:
    """Puts a message of its own into the outbox for each order."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self, order_ids: Sequence[UUID]) -> None:
        """Announce each of them alone. Raises Unavailable or Conflict."""
        with self._unit_of_work() as uow:
            uow.outbox.add(announce(order_ids, together=1))
            uow.commit()

"""Where orders are kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import attrs

from ..order import Order


@attrs.frozen(kw_only=True)
class Attempt:
    """At which delivery (1 is the first) an order could not be fulfilled, and why."""

    number: int
    problem: str


@attrs.frozen(kw_only=True)
class Waiting:
    """An order that waits for units of a product."""

    order_id: UUID
    product_id: str
    units: int


class OrderRepository(Protocol):
    """Orders with their lines and allocations."""

    def add(self, orders: Sequence[Order]) -> None:
        """Insert new orders, with their events; Conflict, by the commit, if an id or key exists."""

    def find_placed(self, ids: Collection[UUID], idempotency_keys: Collection[str]) -> list[Order]:
        """The orders with one of these ids or keys as they were when they were placed."""

    def count_open(self, references: Collection[str]) -> Mapping[str, int]:
        """How many orders with each of these references are held, wait or are reserved.

        References without any are left out. Whoever else counts one of them waits until the unit
        of work ends.
        """

    def lock(self, ids: Collection[UUID]) -> dict[UUID, Order]:
        """These orders, locked until the unit of work ends; unknown ones are left out."""

    def save(self, orders: Sequence[Order]) -> None:
        """Write the one step that each of these orders has taken, with its event.

        One that is reserved by it counts as sent then, as the caller announces it.
        Conflict where one has taken another step meanwhile. ConstraintViolated for a step that the
        domain does not know, or where more would come back than was allocated.
        """

    def expired_holds(
        self, now: datetime, product_ids: Collection[str], limit: int
    ) -> Collection[UUID]:
        """So many of the holds of these products whose time is over by now, not locked."""

    def waiting(self, product_ids: Collection[str], limit: int) -> list[Waiting]:
        """Of each of these products the first so many orders that wait for it, oldest first.

        Nobody comes before them while the product is locked.
        """

    def ended_before(self, moment: datetime, limit: int) -> list[UUID]:
        """So many of the orders that ended and were changed last before then, the oldest first.

        They are not locked.
        """

    def count_ended_before(self, moment: datetime) -> int:
        """How many such orders there are."""

    def remove(self, orders: Sequence[Order]) -> None:
        """Delete orders that the caller has locked, with lines and allocations.

        Conflict where one is not there. Their idempotency keys may be used anew.
        """

    def record_failures(self, failures: Mapping[UUID, Attempt], at: datetime) -> None:
        """Note at which delivery fulfilling these orders failed last, and why.

        They count as sent `at`, as their messages are retried. Orders that are not reserved any
        more, and unknown ones, are left as they are.
        """

    def claim_unfulfilled(self, sent_before: datetime, now: datetime, limit: int) -> list[UUID]:
        """Orders still reserved, sent longest ago and before then; they count as sent now.

        What was recorded of their failures is forgotten, as their next messages count anew.
        """

    def mark_sent(self, ids: Collection[UUID], at: datetime) -> None:
        """Note that these orders were announced again; unknown ones are passed over."""

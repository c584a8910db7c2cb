"""Where orders are kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ..order import Order


class OrderRepository(Protocol):
    """Orders with their lines and allocations."""

    def add(self, orders: Sequence[Order]) -> None:
        """Insert new orders; Conflict, at the latest on commit, if an id or key exists."""

    def find(self, ids: Collection[UUID], idempotency_keys: Collection[str]) -> list[Order]:
        """The orders with one of these ids or keys, not locked."""

    def lock(self, ids: Collection[UUID]) -> dict[UUID, Order]:
        """These orders, locked until the unit of work ends; unknown ones are left out."""

    def settle(self, orders: Sequence[Order]) -> None:
        """Write the end of orders: status, failure and allocations.

        Conflict unless every one of them is still reserved.
        """

    def give_back(self, orders: Sequence[Order]) -> None:
        """Write what came back of fulfilled orders, which the caller has locked: see `returned`.

        ConstraintViolated where more would come back than was allocated.
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

    def record_failures(self, attempts: Mapping[UUID, int], at: datetime) -> None:
        """Note at which delivery (1 is the first) fulfilling these orders failed last.

        They count as sent `at`, as their messages are retried. Orders that are not reserved any
        more, and unknown ones, are left as they are.
        """

    def claim_unfulfilled(self, sent_before: datetime, now: datetime, limit: int) -> list[UUID]:
        """Orders still reserved, sent longest ago and before then; they count as sent now.

        What was recorded of their failures is forgotten, as their next messages count anew.
        """

    def mark_sent(self, ids: Collection[UUID], at: datetime) -> None:
        """Note that these orders were announced again; unknown ones are passed over."""

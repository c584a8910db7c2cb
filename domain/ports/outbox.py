"""Where messages wait until they are sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import attrs


@attrs.frozen(kw_only=True)
class OutboxMessage:
    """A message that was committed and waits to be sent."""

    id: int
    body: bytes


@attrs.frozen(kw_only=True)
class Backlog:
    """How many messages wait in the outbox, and when the oldest of them was created."""

    messages: int
    since: datetime


class Outbox(Protocol):
    """Messages that are committed with the data they announce."""

    def announce(
        self, order_ids: Sequence[UUID], at: datetime, traces: Mapping[UUID, str] | None = None
    ) -> None:
        """Add messages, created `at`, that announce these orders to the workers.

        They are due at once, whatever any clock says. One message may announce several orders.
        `traces`: of those that are traced, what names their traces.
        """

    def announce_individually(
        self, order_ids: Sequence[UUID], at: datetime, traces: Mapping[UUID, str] | None = None
    ) -> None:
        """The same, with a message of its own for each order."""

    def claim(self, limit: int, now: datetime, until: datetime) -> list[OutboxMessage]:
        """Up to `limit` due messages, oldest first, that nobody else can claim before `until`.

        Ids grow with each message. One that became due behind others that were claimed already may
        be left out for a few seconds.
        """

    def remove(self, ids: Collection[int]) -> None:
        """Delete messages that were sent; unknown ids are passed over."""

    def release(self, ids: Collection[int]) -> None:
        """Make claimed messages due again at once; unknown ids are passed over."""

    def backlog(self) -> Backlog | None:
        """What waits, claimed messages included; None if nothing does. Reads the whole outbox."""

    def claim_alarm(self, now: datetime, before: datetime) -> bool:
        """Claim to report the backlog at `now`; False if somebody did so since `before`."""

"""Where it is kept what happened, until others have been told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import attrs

from ..events import Event


@attrs.frozen(kw_only=True)
class EventBatch:
    """What happened in one transaction, and its place among all that ever happened."""

    # Grows with each batch; never is one added before another that has been read.
    position: int
    events: tuple[Event, ...]


class EventLog(Protocol):
    """Events, inside a transaction: none is left of one that is rolled back."""

    def append(self, events: Sequence[Event]) -> None:
        """Add events to those of this transaction."""

    def claim(self, reader: str, now: datetime, until: datetime) -> int | None:
        """Up to where a reader has read, which nobody else can claim before `until`.

        None if somebody else has claimed it. A reader that is not known begins at the end.
        """

    def advance(self, reader: str, position: int) -> None:
        """Note up to where a reader has read, and give its claim up."""

    def forget(self, before: datetime, limit: int) -> int:
        """Forget so many batches older than that, and say how many there were."""


class EventFeed(Protocol):
    """Committed events in the order of their commits. Thread-safe; StorageUnavailable, Conflict."""

    def read(self, after: int, limit: int) -> list[EventBatch]:
        """So many batches after this position, oldest first."""

    def end(self) -> int:
        """The position of the newest batch; 0 if there was none."""

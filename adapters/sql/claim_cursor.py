"""Where claims of outbox messages begin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from ...domain.ports.outbox import OutboxMessage

# How often a claim begins at the first id.
FULL_SCAN_INTERVAL = timedelta(seconds=5)


class Start(NamedTuple):
    """The lowest id to claim, and whether that is the first one of all."""

    id: int
    is_full_scan: bool


class ClaimCursor:
    """Begins at the oldest message that was found one full scan earlier.

    As long as anybody reads old rows, PostgreSQL steps over everything that was ever removed. Ids
    are given before the commit, so a lower one may come later. If that takes longer than from one
    full scan to the next, another one has to find it.
    """

    def __init__(self) -> None:
        self._begin = self._next_begin = self._newest = 0
        self._scanned_at: datetime | None = None
        self._last_was_full_scan = False

    def start(self, now: datetime) -> Start:
        """The start of a claim at `now`; to be handed to `advance` with what the claim found."""
        last = self._scanned_at
        # A clock that was set back does not put it off.
        due = last is None or not last <= now < last + FULL_SCAN_INTERVAL
        # Never twice in a row: if it fails, or takes long, messages are sent all the same.
        is_full_scan = due and not self._last_was_full_scan
        self._last_was_full_scan = is_full_scan
        return Start(0 if is_full_scan else self._begin, is_full_scan)

    def advance(self, start: Start, messages: Sequence[OutboxMessage], now: datetime) -> None:
        """Remember what a claim has found."""
        if start.is_full_scan:
            self._scanned_at = now
            self._begin = self._next_begin
            self._next_begin = messages[0].id if messages else self._newest
        if messages:
            self._newest = messages[-1].id

"""Where it is kept which requests were carried out."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import attrs


@attrs.frozen(kw_only=True)
class Remembered:
    """A request that was carried out: a digest of what was asked, and what was answered."""

    digest: str
    answer: str


class IdempotencyKeys(Protocol):
    """Requests by key, each remembered in the transaction of its effect.

    A key counts within its scope: those of clients never meet those of feeds.
    """

    def find(self, scope: str, key: str) -> Remembered | None:
        """What was remembered under a key, not locked."""

    def remember(self, scope: str, key: str, request: Remembered, at: datetime) -> None:
        """Keep it. Conflict where another transaction has used the key meanwhile."""

    def touch(self, scope: str, key: str, at: datetime) -> None:
        """Keep a key from being forgotten, as if it were remembered only now."""

    def forget(self, before: datetime, limit: int) -> int:
        """Forget so many of those that were remembered before, and say how many there were."""

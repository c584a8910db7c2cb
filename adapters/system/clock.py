"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The time as this machine knows it."""

    def now(self) -> datetime:
        """This moment, in UTC, to the microsecond."""
        return datetime.now(UTC)

"""What time it is."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time. Thread-safe."""

    def now(self) -> datetime:
        """This moment, in UTC, never earlier than an answer before by more than a clock's step."""

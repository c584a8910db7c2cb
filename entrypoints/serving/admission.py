"""How many orders are admitted at a time: as many as are done within a target time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

# Seconds from when an order is whole until its response. Who waits longer would rather have been
# refused at once.
TARGET = 0.25
LEAST = 50.0
# What each that was quick enough adds: a tenth in the time that they all take.
STEP = 0.1


class NotAdmittedError(Exception):
    """As many requests are in hand as can be responded to in time."""


class Admission:
    """Bounds how many are in hand, by how long they stay there.

    By Little's law as many are in hand as come in a second, times the seconds that each stays:
    where they stay too long, that says how many would stay for the target time. Each that is quick
    enough raises the bound again, a little, as in TCP (RFC 5681, 3.1).
    """

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._bound = self._most
        self._in_hand = 0
        self._lowered_at = -inf

    @property
    def is_full(self) -> bool:
        """Whether there is no room for one more."""
        return self._in_hand >= self._bound

    def require_room(self) -> None:
        """Raise NotAdmittedError unless there is room for one more."""
        if self.is_full:
            raise NotAdmittedError

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """It is in hand until the block is left."""
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1

    def observe(self, seconds: float, now: float) -> None:
        """Learn how long one was being placed. `now` in seconds of any clock that goes evenly."""
        if seconds <= TARGET:
            self._bound = min(self._most, self._bound + STEP)
        elif now - self._lowered_at > seconds:
            # Those that were in hand already when it was lowered last say nothing new.
            self._lowered_at = now
            at_target = self._in_hand * max(0.3, TARGET / seconds)
            self._bound = max(LEAST, min(self._bound, at_target))

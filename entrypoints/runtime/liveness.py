"""Whether the threads that have to go on do so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from time import monotonic

# Longer than anything is waited for: a peer that does not answer is given up within 30 seconds.
SILENT_AFTER = 60.0


class Liveness:
    """When each watched thread gave its last sign of life. Thread-safe."""

    def __init__(self) -> None:
        self._signs: dict[int, float] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch this thread until the block ends."""
        self._signs[get_ident()] = monotonic()
        try:
            yield
        finally:
            del self._signs[get_ident()]

    def beat(self) -> None:
        """A sign of life of this thread, if it is watched."""
        if get_ident() in self._signs:
            self._signs[get_ident()] = monotonic()

    def silence(self) -> float:
        """Seconds since the last sign of the thread that is silent for the longest."""
        return max((monotonic() - sign for sign in [*self._signs.values()]), default=0.0)


# Of this process.
liveness = Liveness()

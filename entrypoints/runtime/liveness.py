"""Whether what has to go on does so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from time import monotonic

# Longer than anything is waited for: a peer that does not answer is given up within 30 seconds.
SILENT_AFTER = 60.0


class Liveness:
    """When each of those that are watched gave its last sign of life. Thread-safe.

    A thread goes by itself; what has none of its own goes by a name.
    """

    def __init__(self) -> None:
        self._signs: dict[int | str, float] = {}

    @contextmanager
    def watching(self, name: str | None = None) -> Iterator[None]:
        """Watch it until the block ends."""
        key = get_ident() if name is None else name
        self._signs[key] = monotonic()
        try:
            yield
        finally:
            self._signs.pop(key, None)

    def beat(self, name: str | None = None) -> None:
        """A sign of life, if it is watched."""
        key = get_ident() if name is None else name
        if key in self._signs:
            self._signs[key] = monotonic()

    def silence(self) -> float:
        """Seconds since the last sign of whichever is silent for the longest."""
        return max((monotonic() - sign for sign in [*self._signs.values()]), default=0.0)


# Of this process.
liveness = Liveness()

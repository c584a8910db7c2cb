"""The tables that the in-memory adapters share, and who may write to them when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from .tables import Tables


class Database:
    """One unit of work at a time; readers never wait for it."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._writing = Lock()
        self._committing = Lock()
        self._last_id = 0

    @contextmanager
    def overlay(self) -> Iterator[Tables]:
        """Tables to write to, exclusively, until the block ends."""
        with self._writing:
            yield self._tables.overlaid()

    def commit(self, overlay: Tables) -> None:
        """Make an overlay's writes visible, all at once."""
        with self._committing:
            self._tables.absorb(overlay)

    @contextmanager
    def committed(self) -> Iterator[Tables]:
        """The committed rows, unchanging until the block ends; only to be read."""
        with self._committing:
            yield self._tables

    def next_id(self) -> int:
        """A new number, greater than all before. Called by the one writer only."""
        self._last_id += 1
        return self._last_id

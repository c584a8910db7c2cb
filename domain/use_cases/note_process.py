"""Say that a process is at work, and what it has done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from ..ports.clock import Clock
from ..ports.process_registry import Figures, Process, ProcessKind, ProcessRegistry

# So long those that died are shown, and what was done.
KEEP_DEAD = timedelta(hours=1)


class NoteProcess:
    """One process, from its first call on."""

    def __init__(  # noqa: PLR0913 - what is known of it, by name
        self,
        registry: ProcessRegistry,
        clock: Clock,
        *,
        process_id: str,
        kind: ProcessKind,
        host: str,
        pid: int,
        version: str,
        measure: Callable[[], Figures | None] = lambda: None,
    ) -> None:
        """`clock` is the one that all processes share, where there is one.

        `measure`: what the process has done.
        """
        self._registry = registry
        self._clock = clock
        self._process_id = process_id
        self._kind = kind
        self._host = host
        self._pid = pid
        self._version = version
        self._measure = measure
        self._started_at: datetime | None = None

    def __call__(self) -> None:
        """Note it. Raises StorageUnavailable or Conflict."""
        figures = self._measure()
        now = self._clock.now()
        self._started_at = self._started_at or now
        process = Process(
            id=self._process_id,
            kind=self._kind,
            host=self._host,
            pid=self._pid,
            version=self._version,
            started_at=self._started_at,
            last_seen=now,
        )
        self._registry.note(process, now - KEEP_DEAD, figures)

    def leave(self) -> None:
        """Note that it ends. Raises StorageUnavailable or Conflict."""
        self._registry.remove(self._process_id)

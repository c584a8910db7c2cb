"""Which processes there are, in memory."""

from __future__ import annotations

from datetime import datetime
from threading import Lock

from ...domain.ports.process_registry import Process


class MemoryProcessRegistry:
    """ProcessRegistry on memory."""

    def __init__(self) -> None:
        self._processes: dict[str, Process] = {}
        self._lock = Lock()

    def note(self, process: Process, forget_before: datetime) -> None:
        """Replace."""
        with self._lock:
            kept = [each for each in self._processes.values() if each.last_seen >= forget_before]
            self._processes = {each.id: each for each in [*kept, process]}

    def remove(self, process_id: str) -> None:
        """Delete."""
        with self._lock:
            self._processes.pop(process_id, None)

    def all(self) -> tuple[Process, ...]:
        """Sort."""
        with self._lock:
            found = list(self._processes.values())
        return tuple(sorted(found, key=lambda each: (each.kind, each.started_at, each.id)))

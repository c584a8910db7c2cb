"""Which processes there are, in memory."""

from __future__ import annotations

from datetime import datetime
from threading import Lock

from ...domain.ports.process_registry import Figures, Process, Sample


class MemoryProcessRegistry:
    """ProcessRegistry on memory."""

    def __init__(self) -> None:
        self._processes: dict[str, Process] = {}
        self._samples: list[Sample] = []
        self._lock = Lock()

    def note(
        self, process: Process, forget_before: datetime, figures: Figures | None = None
    ) -> None:
        """Replace, and append."""
        with self._lock:
            if figures is not None:
                self._samples.append(
                    Sample(
                        process_id=process.id,
                        kind=process.kind,
                        at=process.last_seen,
                        figures=figures,
                    )
                )
            self._samples = [each for each in self._samples if each.at >= forget_before]
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

    def samples(self, since: datetime) -> tuple[Sample, ...]:
        """Sort."""
        with self._lock:
            found = [each for each in self._samples if each.at >= since]
        return tuple(sorted(found, key=lambda each: (each.at, each.process_id)))

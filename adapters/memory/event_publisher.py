"""Where events are published, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

from ...domain.ports.event_log import EventBatch
from ..cloud_events import cloud_events


class MemoryEventPublisher:
    """EventPublisher that keeps what was published, as CloudEvents."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._published: list[dict[str, Any]] = []

    @property
    def published(self) -> list[dict[str, Any]]:
        """The CloudEvents, oldest first."""
        with self._lock:
            return list(self._published)

    def publish(self, batches: Sequence[EventBatch]) -> int:
        """Everything is confirmed."""
        with self._lock:
            self._published += cloud_events(batches)
        return len(batches)

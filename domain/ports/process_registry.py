"""Which processes there are."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

import attrs


class ProcessKind(StrEnum):
    """What a process is there for."""

    API = "api"
    WORKER = "worker"
    RELAY = "relay"
    SYNC = "sync"


@attrs.frozen(kw_only=True)
class Process:
    """A process, and when it last said that it is at work."""

    id: str
    kind: ProcessKind
    host: str
    pid: int
    version: str
    started_at: datetime
    last_seen: datetime


class ProcessRegistry(Protocol):
    """Processes that said that they are at work. Thread-safe; StorageUnavailable, Conflict."""

    def note(self, process: Process, forget_before: datetime) -> None:
        """Note that a process is at work; forget those that were not seen since."""

    def remove(self, process_id: str) -> None:
        """Forget one that ends; an unknown id is passed over."""

    def all(self) -> tuple[Process, ...]:
        """Every one that is not forgotten: by kind, then when they started, then id."""

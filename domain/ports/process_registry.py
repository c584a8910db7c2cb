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


@attrs.frozen(kw_only=True)
class Figures:
    """What a process has done since it started, and how long its last orders took."""

    # Orders: those that an API has accepted, or a worker has fulfilled; and those that it has not.
    done: int
    refused: int
    # Of the orders since the sample before, in seconds: half took no longer than the first, 99 of
    # 100 no longer than the second. None: there were none.
    p50: float | None = None
    p99: float | None = None
    # Of all processes together: how many orders are reserved, and for how many seconds the oldest
    # that no worker has tried waits. None: this process did not look.
    reserved: int | None = None
    oldest_wait: float | None = None


@attrs.frozen(kw_only=True)
class Sample:
    """A process's figures at a moment."""

    process_id: str
    kind: ProcessKind
    at: datetime
    figures: Figures


class ProcessRegistry(Protocol):
    """Processes that said that they are at work. Thread-safe; StorageUnavailable, Conflict."""

    def note(
        self, process: Process, forget_before: datetime, figures: Figures | None = None
    ) -> None:
        """Note that a process is at work, and its figures.

        Processes that were not seen since are forgotten, and samples from before.
        """

    def remove(self, process_id: str) -> None:
        """Forget one that ends, but not its samples; an unknown id is passed over."""

    def all(self) -> tuple[Process, ...]:
        """Every one that is not forgotten: by kind, then when they started, then id."""

    def samples(self, since: datetime) -> tuple[Sample, ...]:
        """From then on, by when they were taken; of processes that ended, too."""

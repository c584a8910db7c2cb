"""How others are told what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .event_log import EventBatch


class EventPublisher(Protocol):
    """A place where anybody may listen for events. Thread-safe."""

    def publish(self, batches: Sequence[EventBatch]) -> int:
        """Publish the events in their order, and say how many of the first batches are confirmed.

        At least one is: else BrokerUnavailable is raised. The others may have been published too,
        in part; publishing them again repeats their events, each with the same id as before.
        Nobody has to listen.
        """

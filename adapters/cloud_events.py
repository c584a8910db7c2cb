"""Events as CloudEvents (cloudevents.io, version 1.0, JSON format)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..domain.events import Event
from ..domain.ports.event_log import EventBatch
from ..domain.values import timestamp_text

SOURCE = "/order-aggregator"
# What fits into 64 bits.
MAX_DIGITS = 18
CONTENT_TYPE = "application/cloudevents+json"


def cloud_event(event: Event, place: str) -> dict[str, Any]:
    """An event as it is told, by whatever way: the same id, and the same `source`, each time.

    `place` is where it stands among all events, see `place_of`.
    """
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": place if event.sequence is None else f"{event.subject}.{event.sequence}",
        "source": SOURCE,
        "type": event.type,
        "subject": event.subject,
        "time": timestamp_text(event.at),
        "datacontenttype": "application/json",
        "data": event.data,
    }
    if event.sequence is not None:
        # By the extension "sequence", which is text.
        document["sequence"] = str(event.sequence)
    return document


def cloud_events(batches: Iterable[EventBatch]) -> Iterator[dict[str, Any]]:
    """The events of these batches, one after the other."""
    for batch in batches:
        for index, event in enumerate(batch.events):
            yield cloud_event(event, place_of(batch, index))


def place_of(batch: EventBatch, index: int) -> str:
    """Where an event of a batch stands among all: its position, and its place in the batch."""
    return f"{batch.position}-{index}"


def parse_place(text: str) -> tuple[int, int] | None:
    """The position and the place in the batch; None for what is no place."""
    position, dash, index = text.partition("-")
    parts = (position, index if dash else "0")
    if not all(part.isascii() and part.isdigit() and len(part) <= MAX_DIGITS for part in parts):
        return None
    return int(parts[0]), int(parts[1])

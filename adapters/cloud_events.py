"""Events as CloudEvents (cloudevents.io, version 1.0, JSON format)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..domain.events import Event
from ..domain.ports.event_log import EventBatch
from ..domain.values import timestamp_text

SOURCE = "/order-aggregator"
# Numbers that fit into 64 bits.
PLACE_PATTERN = "[0-9]{1,18}(-[0-9]{1,18})?"
_PLACE = re.compile(PLACE_PATTERN)
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
    if not _PLACE.fullmatch(text):
        return None
    position, _, index = text.partition("-")
    return int(position), int(index or 0)

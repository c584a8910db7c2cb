"""Events as they are stored: a line of JSON each."""

from __future__ import annotations

from datetime import datetime

import orjson

from ...domain.events import Event
from ...domain.values import timestamp_text


def encode_event(event: Event) -> str:
    """An event as a line."""
    document: dict[str, object] = {
        "type": event.type,
        "subject": event.subject,
        "time": timestamp_text(event.at),
        "data": event.data,
    }
    if event.sequence is not None:
        document["sequence"] = event.sequence
    return orjson.dumps(document).decode()


def decode_events(lines: str) -> tuple[Event, ...]:
    """Events from as many lines."""
    return tuple(map(_decode_event, lines.split("\n"))) if lines else ()


def _decode_event(line: str) -> Event:
    document = orjson.loads(line)
    return Event(
        type=document["type"],
        subject=document["subject"],
        at=datetime.fromisoformat(document["time"]),
        data=document["data"],
        sequence=document.get("sequence"),
    )

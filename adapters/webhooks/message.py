"""What is sent: CloudEvents in JSON."""

from __future__ import annotations

import json

from ...domain.ports.event_log import EventBatch
from ...domain.webhooks import Message
from ..cloud_events import cloud_event, place_of

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def message_of(batch: EventBatch, index: int) -> Message:
    """The EventEncoder of webhooks."""
    event = batch.events[index]
    document = cloud_event(event, place_of(batch, index))
    return Message(
        id=document["id"], type=event.type, subject=event.subject, body=_encode(document)
    )

"""Shows what happens, as it happens."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from threading import Event as Flag

import attrs

from ..adapters.cloud_events import cloud_event, parse_place, place_of
from ..domain.errors import InvalidValue
from ..domain.events import Event
from ..domain.ports.event_log import EventBatch, EventFeed
from ..domain.values import timestamp_text
from .runtime.retry import retry_until_available

# Seconds between looks at the feed, and batches that are read at once.
POLL = 0.2
BATCHES = 100


@attrs.frozen(kw_only=True)
class EventFilter:
    """Which events are wanted; what is empty or None excludes none."""

    # Such as "order.*".
    types: Collection[str] = ()
    product_id: str | None = None

    def wants(self, event: Event) -> bool:
        """Whether it is one of them."""
        if self.types and not any(fnmatchcase(event.type, pattern) for pattern in self.types):
            return False
        return self.product_id is None or self.product_id in _products(event)


def listening(wanted: EventFilter, after: str | None) -> str:
    """What a person reads until something happens."""
    types = ", ".join(wanted.types) or "all events"
    about = "" if wanted.product_id is None else f" about product {wanted.product_id}"
    since = "from now on" if after is None else f"after {after}"
    return f"Listening for {types}{about}, {since}; Ctrl-C ends it."


def _products(event: Event) -> set[str]:
    """The products that it is about."""
    parts = [event.data, *event.data.get("lines", ())]
    return {part["product_id"] for part in parts if "product_id" in part}


def tail(
    feed: EventFeed, after: str | None, wanted: EventFilter, stop: Flag
) -> Iterator[tuple[Event, str]]:
    """Events with their places, from now on or after a place, until `stop` is set.

    Raises InvalidValue for what is no place; waits for a storage that is away.
    """
    position, index = _start(feed, after, stop)
    # The batch of the place once more: there may be more in it.
    read = position - 1
    while not stop.is_set():
        batches = retry_until_available(_reading(feed, read), stop, "events.waiting")
        for batch in batches:
            read = batch.position
            for number, event in enumerate(batch.events):
                if (read, number) > (position, index) and wanted.wants(event):
                    yield event, place_of(batch, number)
        if not batches:
            stop.wait(POLL)


def _start(feed: EventFeed, after: str | None, stop: Flag) -> tuple[int, float]:
    if after is None:
        # All of the newest batch is before now.
        return retry_until_available(feed.end, stop, "events.waiting"), float("inf")
    place = parse_place(after)
    if place is None:
        raise InvalidValue("after", f"must be a place like 120-0, but is {after!r}")
    return place


def _reading(feed: EventFeed, after: int) -> Callable[[], list[EventBatch]]:
    return lambda: feed.read(after, BATCHES)


def as_json(event: Event, place: str) -> str:
    """An event as a CloudEvent, in a line."""
    return json.dumps(cloud_event(event, place), ensure_ascii=False)


def as_line(event: Event) -> str:
    """An event for people: when, what, to whom, and how that is now."""
    return f"{timestamp_text(event.at)} {event.type:<18} {event.subject} {_what(event)}".rstrip()


def _what(event: Event) -> str:
    if "available" in event.data:
        return f"{event.data['available']} available"
    units = [f"{line['product_id']}={line['quantity']}" for line in event.data.get("lines", ())]
    if failure := event.data.get("failure"):
        units.append(f"({failure})")
    if by := event.data.get("by"):
        units.append(f"by {by}")
    return " ".join(units)

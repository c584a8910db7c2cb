"""What happened, as a stream of server-sent events (HTML Living Standard, 9.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import attrs
from flask import Request, Response
from werkzeug.exceptions import Gone, NotFound

from ...adapters.cloud_events import PLACE_PATTERN, cloud_event, parse_place, place_of
from ...domain.access import EVENTS_READ, ORDERS_READ
from ...domain.events import Event
from ...domain.ports.event_log import EventBatch, EventFeed
from ...domain.ports.read_model import ReadModel
from ..events import EventFilter
from . import refusals
from .blueprint import ApiBlueprint
from .problems import InvalidRequest
from .routing import PREFIX
from .schemas import EventQuery
from .services import app_state, current_request

blueprint = ApiBlueprint("event", __name__, description="Events", url_prefix=PREFIX)

EVENT_STREAM = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"
# Where a server that can goes on with the stream: a Subscription.
ENVIRON_KEY = "order_aggregator.subscription"
# Batches that are read at once.
BATCHES = 100
# How soon a client comes back whose stream has ended, in milliseconds.
RETRY = 2000
_HEADERS = {"Content-Type": EVENT_STREAM, "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_RESUME = {
    "name": LAST_EVENT_ID,
    "in": "header",
    "description": "The `id` of the last event that was read: go on after that. Unless told, from "
    "now on; 0 for everything that is kept.",
    "required": False,
    "schema": {"type": "string", "pattern": f"^{PLACE_PATTERN}$"},
}
_STREAM = {
    200: {
        "description": "Each `data` is a CloudEvent. The stream goes on as long as both stay.",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    }
}

Place = tuple[int, int]


@attrs.frozen(kw_only=True)
class Feed:
    """A stream of all events that are wanted, which go by their places."""

    wanted: EventFilter
    # What was read last.
    after: Place

    def lines(self, batch: EventBatch) -> list[bytes]:
        """What of a batch has not been read yet."""
        return [
            as_message(event, place_of(batch, index), place_of(batch, index))
            for index, event in enumerate(batch.events)
            if (batch.position, index) > self.after and self.wanted.wants(event)
        ]


@attrs.frozen(kw_only=True)
class OrderFeed:
    """A stream of one order's events, which go by their sequence."""

    order_id: UUID
    # What was read last.
    after: int


@attrs.frozen
class Pulse:
    """A stream that says that something happened, once a second at most, and not what."""


Subscription = Feed | OrderFeed | Pulse


@blueprint.operation(
    "GET",
    "/events",
    scope=EVENTS_READ,
    response=(200, None),
    query=EventQuery,
    refusals=(
        refusals.EVENTS_FORGOTTEN,
        refusals.OVERLOADED,
        refusals.STORAGE_UNAVAILABLE,
    ),
    parameters=[_RESUME],
    responses=_STREAM,
)
def stream_events(query: dict[str, Any]) -> Response:
    """What happens, in one order, from now on or after an event that was read.

    Nothing is left out and nothing comes twice. Where the server cannot keep a stream open, it ends
    after what there is, and the client comes back for more.
    """
    request, feed = current_request(), app_state().services.event_feed
    types = [text for text in query.get("type", "").split(",") if text]
    wanted = EventFilter(types=types, product_id=query.get("product_id"))
    subscription = Feed(wanted=wanted, after=_place(request, feed))
    batches = feed.read(subscription.after[0] - 1, BATCHES)
    _require_kept(subscription.after, batches)
    body = b"".join(line for batch in batches for line in subscription.lines(batch))
    if batches:
        subscription = attrs.evolve(subscription, after=(batches[-1].position, 2**31))
    request.environ[ENVIRON_KEY] = subscription
    return begin_stream(body)


@blueprint.operation(
    "GET",
    "/order/<uuid:order_id>/events",
    scope=ORDERS_READ,
    response=(200, None),
    prebuilt=True,
    refusals=(
        refusals.UNKNOWN_ORDER,
        refusals.INVALID_QUERY,
        refusals.OVERLOADED,
        refusals.STORAGE_UNAVAILABLE,
    ),
    parameters=[_RESUME],
    responses=_STREAM,
)
def stream_order(order_id: UUID) -> Response:
    """What happens to an order, from now on or after an event that was read: its `sequence`."""
    request, read_model = current_request(), app_state().services.read_model
    events = read_model.order_events(order_id)
    if events is None:
        raise NotFound(f"no order {order_id}")
    last = max((event.sequence or 0 for event in events), default=0)
    after = _sequence(request, last)
    request.environ[ENVIRON_KEY] = OrderFeed(order_id=order_id, after=max(after, last))
    return begin_stream(b"".join(order_lines(events, after)))


def order_lines(events: Iterable[Event], after: int) -> Iterator[bytes]:
    """Those of an order's events that have not been read yet."""
    for event in events:
        if event.sequence is not None and event.sequence > after:
            yield as_message(event, str(event.sequence), "")


def as_message(event: Event, event_id: str, place: str) -> bytes:
    """An event as the stream has it."""
    data = json.dumps(cloud_event(event, place), ensure_ascii=False)
    return f"id: {event_id}\nevent: {event.type}\ndata: {data}\n\n".encode()


def missed(feed: EventFeed, subscription: Feed, until: int) -> Iterator[tuple[Feed, list[bytes]]]:
    """What has happened since, up to this position; each time with where it goes on."""
    while subscription.after[0] < until:
        batches = [x for x in feed.read(subscription.after[0], BATCHES) if x.position <= until]
        if not batches:
            return
        lines = [line for batch in batches for line in subscription.lines(batch)]
        subscription = attrs.evolve(subscription, after=(batches[-1].position, 2**31))
        yield subscription, lines


def missed_of_order(read_model: ReadModel, subscription: OrderFeed) -> list[bytes]:
    """What has happened to an order since."""
    return [*order_lines(read_model.order_events(subscription.order_id) or (), subscription.after)]


def begin_stream(body: bytes = b"") -> Response:
    """What a stream begins with, and then this."""
    return Response(f"retry: {RETRY}\n\n".encode() + body, headers=_HEADERS)


def _place(request: Request, feed: EventFeed) -> Place:
    given = request.headers.get(LAST_EVENT_ID)
    if given is None:
        return feed.end(), 2**31
    place = parse_place(given)
    if place is None:
        raise InvalidRequest({LAST_EVENT_ID: ["must be the id of an event, or 0"]})
    return place


def _sequence(request: Request, last: int) -> int:
    given = request.headers.get(LAST_EVENT_ID)
    if given is None:
        return last
    place = parse_place(given)
    if place is None:
        raise InvalidRequest({LAST_EVENT_ID: ["must be the sequence of an event, or 0"]})
    return place[0]


def _require_kept(after: Place, batches: list[EventBatch]) -> None:
    """Raise Gone where events after it are kept no longer: they would be missing."""
    position, _ = after
    if position and batches and batches[0].position > position + 1:
        raise Gone("events after this one are kept no longer: begin anew")

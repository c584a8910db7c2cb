"""What every publisher of events promises.

Fixtures: `publishing`: an `EventPublisherUnderTest` that has published nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs

from ..domain.events import Event
from ..domain.ports.event_log import EventBatch
from ..domain.ports.event_publisher import EventPublisher
from .shop_work import NOW


@attrs.frozen(kw_only=True)
class EventPublisherUnderTest:
    """A publisher, and what somebody heard who has been listening all the time."""

    publisher: EventPublisher
    # So many CloudEvents, which must be all there are.
    heard: Callable[[int], list[dict[str, Any]]]


def batch(position: int, *subjects: str, type_: str = "order.tested") -> EventBatch:
    """What happened to these, in one transaction."""
    data = {"text": 'é "quoted" \\ \n', "number": position}
    events = (Event(type=type_, subject=key, at=NOW, data=data) for key in subjects)
    return EventBatch(position=position, events=tuple(events))


def test_events_are_heard_in_their_order(publishing: EventPublisherUnderTest) -> None:
    batches = [batch(1, "a", "b"), batch(2), batch(5, "c")]
    assert publishing.publisher.publish(batches) == 3
    assert publishing.publisher.publish([batch(6, "d")]) == 1
    heard = publishing.heard(4)
    assert [document["subject"] for document in heard] == ["a", "b", "c", "d"]


def test_an_event_is_heard_as_a_cloud_event(publishing: EventPublisherUnderTest) -> None:
    publishing.publisher.publish([batch(7, "a", type_="stock.low")])
    assert publishing.heard(1) == [
        {
            "specversion": "1.0",
            "id": "7-0",
            "source": "/order-aggregator",
            "type": "stock.low",
            "subject": "a",
            "time": "2026-01-01T12:30:15.123456+00:00",
            "datacontenttype": "application/json",
            "data": {"text": 'é "quoted" \\ \n', "number": 7},
        }
    ]


def test_an_event_of_an_order_has_its_sequence(publishing: EventPublisherUnderTest) -> None:
    event = Event(type="order.tested", subject="x", at=NOW, data={}, sequence=3)
    publishing.publisher.publish([EventBatch(position=7, events=(event,))])
    [document] = publishing.heard(1)
    assert (document["id"], document["sequence"]) == ("x.3", "3")


def test_what_is_published_again_has_the_same_ids(publishing: EventPublisherUnderTest) -> None:
    for _ in range(2):
        assert publishing.publisher.publish([batch(1, "a", "b"), batch(2, "c")]) == 2
    heard = publishing.heard(6)
    assert heard[:3] == heard[3:]
    assert len({document["id"] for document in heard}) == 3


def test_publishing_nothing_is_no_error(publishing: EventPublisherUnderTest) -> None:
    assert publishing.publisher.publish([]) == 0
    assert publishing.heard(0) == []


def test_many_events_at_once(publishing: EventPublisherUnderTest) -> None:
    batches = [batch(position, *"abcdefghij") for position in range(1, 201)]
    assert publishing.publisher.publish(batches) == 200
    heard = publishing.heard(2000)
    assert [document["data"]["number"] for document in heard[::10]] == list(range(1, 201))


def test_several_threads_publish_at_once(publishing: EventPublisherUnderTest) -> None:
    def publish(number: int) -> int:
        return publishing.publisher.publish([batch(number, "a", "b")])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(publish, range(40))) == [1] * 40
    ids = [document["id"] for document in publishing.heard(80)]
    assert sorted(ids) == sorted(f"{number}-{index}" for number in range(40) for index in range(2))

"""Streams of events, as far as they go without a server that keeps them open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api_under_test import ApiUnderTest


def _read(api: ApiUnderTest, path: str, last: str = "0") -> list[tuple[str, dict[str, Any]]]:
    """The messages that are there: their ids and events."""
    answer = api.client.get(f"/v1/api{path}", headers={"Last-Event-ID": last})
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    messages = []
    for text in answer.get_data(as_text=True).split("\n\n"):
        fields = dict(line.split(": ", 1) for line in text.splitlines())
        if "data" in fields:
            messages.append((fields["id"], json.loads(fields["data"])))
    return messages


def test_a_stream_goes_on_after_what_was_read(api: ApiUnderTest) -> None:
    api.order({"product_id": "BOLT", "quantity": 1})
    everything = _read(api, "/events")
    assert [event["type"] for _, event in everything][-1] == "order.reserved"
    for number, (last, _) in enumerate(everything):
        assert _read(api, "/events", last) == everything[number + 1 :]


def test_a_stream_without_a_beginning_begins_now(api: ApiUnderTest) -> None:
    answer = api.client.get("/v1/api/events")
    assert answer.get_data() == b"retry: 2000\n\n"


def test_events_are_chosen_by_type_and_product(api: ApiUnderTest) -> None:
    bolt = api.order({"product_id": "BOLT", "quantity": 1}).get_json()
    api.order({"product_id": "NUT", "quantity": 4})
    assert [event["subject"] for _, event in _read(api, "/events?product_id=BOLT")] == [
        "BOLT",
        bolt["id"],
    ]
    types = [event["type"] for _, event in _read(api, "/events?type=stock.*,order.none")]
    assert set(types) == {"stock.back", "stock.out"}
    nut = _read(api, "/events?type=stock.out&product_id=NUT")
    assert [event["data"] for _, event in nut] == [{"product_id": "NUT", "available": 0}]


def test_the_stream_of_an_order_goes_by_its_steps(api: ApiUnderTest) -> None:
    order = api.order({"product_id": "BOLT", "quantity": 1}).get_json()
    api.client.post(f"/v1/api/order/{order['id']}/cancel")
    path = f"/order/{order['id']}/events"
    assert [(number, event["type"]) for number, event in _read(api, path)] == [
        ("1", "order.reserved"),
        ("2", "order.cancelled"),
    ]
    assert [number for number, _ in _read(api, path, "1")] == ["2"]
    assert _read(api, path, "2") == []


def test_who_comes_too_late_is_told(api: ApiUnderTest) -> None:
    first, *_ = _read(api, "/events")
    with api.shop.storage.unit_of_work() as uow:
        api.shop.pass_time(minutes=1)
        uow.events.forget(api.shop.clock.now(), 100)
        uow.commit()
    api.order({"product_id": "BOLT", "quantity": 1})
    api.order({"product_id": "BOLT", "quantity": 1})
    answer = api.client.get("/v1/api/events", headers={"Last-Event-ID": first[0]})
    assert answer.status_code == 410
    assert len(_read(api, "/events")) == 2


@pytest.mark.parametrize(
    ("path", "last", "status"),
    [
        ("/events?type=ORDER", "0", 422),
        ("/events?types=order", "0", 422),
        ("/events", "x", 422),
        ("/events", "-1", 422),
        ("/order/01890a5d-ac96-774b-bcce-b302099a8057/events", "0", 404),
    ],
)
def test_what_cannot_be_listened_to_is_refused(
    api: ApiUnderTest, path: str, last: str, status: int
) -> None:
    answer = api.client.get(f"/v1/api{path}", headers={"Last-Event-ID": last})
    assert answer.status_code == status

"""Messages that were given up, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from flask.testing import FlaskClient

from api_under_test import PREFIX, ApiUnderTest
from order_aggregator.adapters.rabbitmq import RabbitMessageBus
from order_aggregator.adapters.wire import encode
from order_aggregator.domain.use_cases.dead_letter_actions import DeadLetterActions
from order_aggregator.entrypoints.api.app import close, create_app
from order_aggregator.testing.shop import next_order_id

FIRST, SECOND = next_order_id(), next_order_id()


@pytest.fixture
def parked(api: ApiUnderTest) -> Any:
    """Three messages: of two orders, of none, of one; as the listing has them."""
    bus = api.shop.bus
    bus.publish([encode([FIRST, SECOND]), b"no\xffsense", encode([SECOND])])
    with bus.consume() as consumer:
        consumer.park([(each, "ValueError: a bug") for each in consumer.receive(3, 1)])
    return api.get("/dead-letter").get_json()


def test_a_dead_letter_is_listed_with_its_orders_where_it_can_be_read(parked: Any) -> None:
    assert [letter["order_ids"] for letter in parked] == [
        [str(FIRST), str(SECOND)],
        [],
        [str(SECOND)],
    ]
    assert parked[1]["body"] == "no\\xffsense"
    assert {(each["reason"], each["attempts"], each["parked_at"]) for each in parked} == {
        ("ValueError: a bug", 1, None)
    }


def test_the_listing_is_had_in_parts(api: ApiUnderTest, parked: Any) -> None:
    assert api.get("/dead-letter", limit=2).get_json() == parked[:2]
    assert api.get("/dead-letter", limit=2, after=parked[1]["id"]).get_json() == parked[2:]
    assert api.get("/dead-letter", limit=0).status_code == 422
    assert api.get("/dead-letter", limit=101).status_code == 422


def test_a_dead_letter_is_looked_at_by_its_id(api: ApiUnderTest, parked: Any) -> None:
    assert api.get(f"/dead-letter/{parked[1]['id']}").get_json() == parked[1]


def test_a_replayed_dead_letter_is_answered_and_is_in_the_queue(
    api: ApiUnderTest, parked: Any
) -> None:
    path = f"{PREFIX}/dead-letter/{parked[0]['id']}"
    answer = api.client.post(f"{path}/replay")
    assert (answer.status_code, answer.get_json()) == (200, parked[0])
    assert api.client.post(f"{path}/replay").status_code == 404
    assert api.get("/dead-letter").get_json() == parked[1:]
    with api.shop.bus.consume() as consumer:
        assert [each.body for each in consumer.receive(9, 0)] == [encode([FIRST, SECOND])]


def test_a_discarded_dead_letter_is_gone(api: ApiUnderTest, parked: Any) -> None:
    path = f"{PREFIX}/dead-letter/{parked[0]['id']}"
    answer = api.client.delete(path)
    assert (answer.status_code, answer.data) == (204, b"")
    assert api.client.delete(path).status_code == 404
    assert api.get("/dead-letter").get_json() == parked[1:]
    with api.shop.bus.consume() as consumer:
        assert consumer.receive(9, 0) == []


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_an_unknown_dead_letter_is_not_found(api: ApiUnderTest, parked: Any, method: str) -> None:
    path = f"{PREFIX}/dead-letter/nonsense" + ("/replay" if method == "POST" else "")
    answer = api.client.open(path, method=method)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert answer.get_json()["detail"] == "no dead letter nonsense"
    assert api.get("/dead-letter").get_json() == parked


@pytest.fixture
def broker_away(api: ApiUnderTest) -> Iterator[FlaskClient]:
    """The API with a broker that does not answer."""
    bus = RabbitMessageBus("amqp://127.0.0.1:1/")
    app = create_app(
        attrs.evolve(
            api.services,
            dead_letter_actions=DeadLetterActions(
                api.shop.storage.unit_of_work, api.shop.clock, bus
            ),
        )
    )
    yield app.test_client()
    close(app)
    bus.close()


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_while_the_broker_is_away_the_client_is_asked_to_come_back(
    broker_away: FlaskClient, method: str
) -> None:
    path = f"{PREFIX}/dead-letter/1" + ("/replay" if method == "POST" else "")
    answer = broker_away.open(path, method=method)
    assert answer.status_code == 503
    assert answer.get_json()["type"].endswith(":broker-unavailable")
    assert "Retry-After" in answer.headers

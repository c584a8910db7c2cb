"""A queue that is full refuses messages; once it has room, everything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from structlog.testing import capture_logs

from order_aggregator.adapters.rabbitmq import RabbitMessageBus
from servers import Broker
from service import Service, eventually

FULL: dict[str, object] = {"max-length": 3, "overflow": "reject-publish"}


@pytest.fixture
def url(broker: Broker) -> Iterator[str]:
    with broker.virtual_host() as url:
        yield url


def test_a_channel_that_was_refused_is_renewed(broker: Broker, url: str) -> None:
    with capture_logs() as lines:
        bus = RabbitMessageBus(url)
        bus.ping()
        with broker.policy(url, "order_queue", **FULL):
            eventually(lambda: not all(bus.publish([b"x"] * 10)), 30, "refused")
            assert not all(bus.publish([b"x"] * 10))
        eventually(lambda: all(bus.publish([b"x"] * 10)), 30, "accepted again")
        assert all(bus.publish([b"x"] * 10))
        bus.close()
    events = [line["event"] for line in lines]
    assert events == ["broker.connected", "broker.refuses", "broker.accepts"]


def test_orders_flow_again_when_a_full_queue_has_room(distributed: Service, broker: Broker) -> None:
    service = distributed
    service.environment["API_PROCESSES"] = "1"
    assert service.call("migrate").returncode == 0
    assert service.call("seed").returncode == 0
    service.start("api")
    service.wait_until_ready()
    assert service.order("sku-espresso-beans").status_code == HTTPStatus.ACCEPTED
    with broker.policy(service.environment["BROKER_URL"], "order_queue", **FULL):
        while "broker.refuses" not in service.said():
            assert service.order("sku-espresso-beans").status_code == HTTPStatus.ACCEPTED
    service.start("worker")
    service.wait_until_settled(30)
    service.wait_until_said("broker.accepts")
    said = service.said()
    assert (said.count("broker.refuses"), said.count("broker.accepts")) == (1, 1)
    service.verify()

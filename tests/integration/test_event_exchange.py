"""Events on PostgreSQL and RabbitMQ: whoever binds a queue hears everything, in order."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from threading import Event
from typing import Any

import pytest

from amqp import FaultyNetwork, depth
from event_listener import heard, listening, messages
from order_aggregator.adapters.rabbitmq import publisher as publisher_module
from order_aggregator.adapters.rabbitmq.event_publisher import RabbitEventPublisher
from order_aggregator.adapters.sql import SqlStorage, create_engine
from order_aggregator.domain.errors import BrokerUnavailable
from order_aggregator.domain.order import Order
from order_aggregator.domain.use_cases.publish_events import PublishEvents
from order_aggregator.entrypoints.event_relay import EventRelay
from order_aggregator.testing.shop import Shop
from servers import Broker
from service import Service, eventually

EXCHANGE = "shop.events"
# Seconds after which a broker has written down for good that a queue was declared.
SETTLED = 6.0
RECOVERY = 60.0


@pytest.fixture
def shop(fresh_database_url: str) -> Iterator[Shop]:
    engine = create_engine(fresh_database_url)
    shop = Shop(SqlStorage(engine))
    shop.storage.migrate()
    shop.sync("acme", {"apple": 100_000, "pear": 100_000})
    yield shop
    engine.dispose()


def publishing(shop: Shop, publisher: RabbitEventPublisher) -> PublishEvents:
    storage = shop.storage
    return PublishEvents(storage.unit_of_work, storage.event_feed, publisher, shop.shared_clock)


@contextmanager
def relayed(shop: Shop, url: str, relays: int = 1) -> Iterator[None]:
    """So many relays publish what happens from now on."""
    stop = Event()
    with ExitStack() as stack:
        for _ in range(relays):
            publisher = stack.enter_context(closing(RabbitEventPublisher(url, EXCHANGE)))
            publish = publishing(shop, publisher)
            publish()
            stack.enter_context(EventRelay(publish, stop).running())
        stack.callback(stop.set)
        yield


def place_and_fulfil(
    shop: Shop, rounds: int, threads: int = 4, between: Callable[[], object] = int
) -> list[Order]:
    """Place orders by several threads and fulfil them; `between` the rounds, do something."""

    def trade(number: int) -> list[Order]:
        orders = []
        for count in range(rounds):
            orders += [shop.accepted(apple=1, pear=number + 1) for _ in range(2)]
            shop.fulfil(*orders[-2:])
            if number == 0 and count % 10 == 5:
                between()
        return orders

    with ThreadPoolExecutor(threads) as pool:
        return [order for orders in pool.map(trade, range(threads)) for order in orders]


def assert_complete(documents: Sequence[dict[str, Any]], orders: Sequence[Order]) -> None:
    """Each order's events are there, and without those that came again they are in sequence."""
    first = {document["id"]: document for document in documents}
    by_order: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for document in first.values():
        by_order[document["subject"]].append((document["sequence"], document["type"]))
    expected = [("1", "order.reserved"), ("2", "order.fulfilled")]
    assert by_order == {str(order.id): expected for order in orders}


def everything(url: str, count: int) -> list[dict[str, Any]]:
    """At least so many events, all that come within a moment."""
    eventually(lambda: depth(url, "listener") >= count, RECOVERY, f"{count} events")
    time.sleep(0.5)
    return heard(url, count)


def test_each_orders_events_are_heard_once_and_in_sequence(
    shop: Shop, fresh_broker_url: str
) -> None:
    with (
        listening(fresh_broker_url, EXCHANGE, "order.#"),
        relayed(shop, fresh_broker_url, relays=2),
    ):
        orders = place_and_fulfil(shop, rounds=25)
        documents = everything(fresh_broker_url, 2 * len(orders))
    assert len(documents) == 2 * len(orders)
    assert_complete(documents, orders)


def test_what_happened_before_anybody_published_is_not_heard(
    shop: Shop, fresh_broker_url: str
) -> None:
    before = shop.accepted(apple=1)
    with listening(fresh_broker_url, EXCHANGE), relayed(shop, fresh_broker_url):
        after = shop.accepted(apple=1)
        [document] = everything(fresh_broker_url, 1)
    assert document["subject"] == str(after.id) != str(before.id)


def test_a_queue_hears_only_what_it_was_bound_for(shop: Shop, fresh_broker_url: str) -> None:
    with (
        listening(fresh_broker_url, EXCHANGE, "stock.*"),
        relayed(shop, fresh_broker_url),
    ):
        order = shop.accepted(apple=100_000)
        shop.fulfil(order)
        [(key, properties, _body)] = _soon(fresh_broker_url, 1)
    assert key == "stock.out"
    assert properties.content_type == "application/cloudevents+json"
    assert properties.delivery_mode == 2
    assert properties.message_id


def _soon(url: str, count: int) -> list[Any]:
    eventually(lambda: depth(url, "listener") >= count)
    return messages(url)


def test_connections_that_break_lose_no_event(
    shop: Shop, fresh_broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "CONFIRM_TIMEOUT", 1.0)
    with (
        FaultyNetwork(fresh_broker_url) as network,
        listening(fresh_broker_url, EXCHANGE, "order.#"),
        relayed(shop, network.url),
    ):
        cuts = []

        def cut() -> None:
            network.cut()
            cuts.append(1)

        orders = place_and_fulfil(shop, rounds=30, between=cut)
        assert len(cuts) == 3
        last = place_and_fulfil(shop, rounds=1)
        eventually(lambda: _is_told(shop), RECOVERY)
        assert_complete(everything(fresh_broker_url, 2 * len(orders + last)), orders + last)


def _is_told(shop: Shop) -> bool:
    """Whether the cursor is at the end of the feed."""
    with shop.storage.unit_of_work() as uow:
        now = shop.shared_clock.now()
        return uow.events.claim("exchange", now, now) == shop.storage.event_feed.end()


def test_a_broker_that_restarts_loses_no_event(shop: Shop, broker: Broker) -> None:
    with (
        broker.virtual_host() as url,
        listening(url, EXCHANGE, "order.#"),
        relayed(shop, url),
    ):
        time.sleep(SETTLED)
        orders = place_and_fulfil(shop, rounds=5)
        broker.kill()
        # Meanwhile orders are taken as ever.
        orders += place_and_fulfil(shop, rounds=5)
        broker.start()
        orders += place_and_fulfil(shop, rounds=1)
        eventually(lambda: _is_told(shop), RECOVERY)
        assert_complete(everything(url, 2 * len(orders)), orders)


def test_an_exchange_that_was_deleted_comes_back(shop: Shop, fresh_broker_url: str) -> None:
    with closing(RabbitEventPublisher(fresh_broker_url, EXCHANGE)) as publisher:
        publish = publishing(shop, publisher)
        publish()
        with listening(fresh_broker_url, EXCHANGE):
            shop.accepted(apple=1)
            assert publish() == 1
            assert len(heard(fresh_broker_url, 1)) == 1
        # Gone with the listener.
        shop.accepted(apple=1)
        eventually(lambda: _published(publish) == 1)


def _published(publish: PublishEvents) -> int:
    try:
        return publish()
    except BrokerUnavailable:
        return 0


def test_the_commands_publish_what_happens(distributed: Service) -> None:
    url = distributed.environment["BROKER_URL"]
    distributed.environment["EVENTS_EXCHANGE"] = EXCHANGE
    with listening(url, EXCHANGE, "order.#"):
        assert distributed.call("migrate").returncode == 0
        for command in ("api", "relay", "worker"):
            distributed.start(command)
        distributed.wait_until_ready()
        distributed.wait_until_said("relay.started")
        time.sleep(1)
        assert distributed.call("seed").returncode == 0
        order_ids = {distributed.order("sku-espresso-beans").json()["id"] for _ in range(5)}
        documents = everything(url, 10)
    told = {(document["subject"], document["type"]) for document in documents}
    types = ("order.reserved", "order.fulfilled")
    assert told == {(order_id, type_) for order_id in order_ids for type_ in types}
    assert len(documents) == 10


def test_an_exchange_without_a_broker_is_one_clear_line(embedded: Service) -> None:
    embedded.environment["EVENTS_EXCHANGE"] = EXCHANGE
    for command in ("run", "api"):
        failed = embedded.call(command, timeout=20)
        assert failed.returncode != 0
        assert failed.stderr.startswith("Error: EVENTS_EXCHANGE: needs a BROKER_URL")

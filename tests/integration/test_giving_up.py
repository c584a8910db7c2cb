"""Orders that cannot be fulfilled, and messages that make no sense: on a real queue and worker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from uuid import UUID, uuid4

import pytest

from amqp import channel_to, depth
from order_aggregator.adapters.sql import SqlMessageBus, create_engine
from order_aggregator.adapters.system.clock import SystemClock
from order_aggregator.adapters.wire import encode
from service import Service, eventually

SHORT = 3_000


class Queue:
    """The service's queue, seen from the side."""

    def __init__(self, service: Service) -> None:
        self._broker_url = service.environment["BROKER_URL"]
        self._database_url = f"sqlite:///{service.folder}/data/order_aggregator.db"

    def put(self, body: bytes) -> None:
        """Add a message."""
        if self._broker_url:
            with channel_to(self._broker_url) as channel:
                channel.basic_publish("", "order_queue", body)
        else:
            with self._table() as table:
                table.publish([body])

    def parked(self) -> int:
        """How many messages were put aside."""
        if self._broker_url:
            return depth(self._broker_url, "order_queue.dead")
        with self._table() as table:
            return len(table.parked)

    @contextmanager
    def _table(self) -> Iterator[SqlMessageBus]:
        engine = create_engine(self._database_url)
        yield SqlMessageBus(engine, SystemClock())
        engine.dispose()


@pytest.fixture(params=["embedded", "distributed"])
def service(request: pytest.FixtureRequest) -> Service:
    """An API, and a vendor whose stock the test writes to a file; no worker yet."""
    service: Service = request.getfixturevalue(request.param)
    service.environment |= {"VENDORS_FILE": "vendors.json", "MAX_ATTEMPTS": "3"}
    vendor = {"id": "acme", "name": "Acme", "type": "file", "format": "json", "path": "acme.json"}
    # What it reports is believed, however little.
    vendor["max_cut"] = "none"
    (service.folder / "vendors.json").write_text(json.dumps([vendor]))
    assert service.call("migrate").returncode == 0
    report(service, tea=10, cup=5)
    service.start("api")
    service.wait_until_ready()
    return service


def report(service: Service, **stock: int) -> None:
    """Sync what the vendor has now."""
    products = [
        {"product_id": product_id, "name": product_id, "quantity": quantity}
        for product_id, quantity in stock.items()
    ]
    (service.folder / "acme.json").write_text(json.dumps(products))
    synced = service.call("sync")
    assert synced.returncode == 0, synced.stderr


def test_an_order_that_the_vendor_cannot_cover_any_more_fails_and_harms_no_neighbour(
    service: Service,
) -> None:
    short = service.order("cup", 4).json()["id"]
    neighbours = [service.order("tea").json()["id"] for _ in range(5)]
    report(service, tea=10, cup=3)
    service.start("worker")
    eventually(lambda: service.get(f"/order/{short}")["status"] == "failed")
    assert "cup: 4 requested, 3 available" in service.get(f"/order/{short}")["failure"]
    for order_id in neighbours:
        assert service.get(f"/order/{order_id}")["status"] == "fulfilled"
    assert service.said().count("order.returned") == 2
    assert service.stock("cup")["available"] == 3
    eventually(lambda: Queue(service).parked() == 1, what="the message is parked")
    service.verify()


def wait_of_a_good_order(service: Service) -> float:
    """Seconds from its acceptance to its fulfilment."""
    order_id = service.order("tea").json()["id"]
    accepted_at = time.monotonic()
    eventually(lambda: service.get(f"/order/{order_id}")["status"] == "fulfilled")
    return time.monotonic() - accepted_at


def test_good_orders_do_not_wait_for_all_that_are_short(service: Service) -> None:
    service.environment |= {"MAX_ATTEMPTS": "4", "RETRY_DELAY": "0.2"}
    report(service, tea=1_000, cup=SHORT)
    placed = service.order_at_once("cup", SHORT)
    assert {answer.status_code for answer in placed} == {HTTPStatus.ACCEPTED}
    report(service, tea=1_000, cup=0)
    service.start("worker")
    service.wait_until_said("orders.separated")
    waits: list[float] = []
    while service.get("/order", status="reserved", product_id="cup", page_size="1"):
        waits.append(wait_of_a_good_order(service))
    # With transactions for each short order, they would wait for ten seconds.
    assert max(waits) < 4
    assert service.said().count("order.returned") == 3 * SHORT
    assert service.said().count("order.failed") == SHORT
    assert "orders.resent" not in service.said()
    service.verify()


def test_a_later_report_saves_an_order_that_is_being_retried(service: Service) -> None:
    service.environment |= {"MAX_ATTEMPTS": "8", "RETRY_DELAY": "0.5"}
    order_id = service.order("cup", 4).json()["id"]
    report(service, tea=10, cup=3)
    service.start("worker")
    service.wait_until_said("order.returned")
    report(service, tea=10, cup=6)
    eventually(lambda: service.get(f"/order/{order_id}")["status"] == "fulfilled")
    assert service.stock("cup")["available"] == 2
    service.verify()


@pytest.mark.parametrize(
    "body",
    [
        b"hello",
        encode((uuid4(),)),
        b'{"version": 3, "order_ids": ["%s"]}' % str(uuid4()).encode(),
    ],
    ids=["not JSON", "unknown order", "unknown version"],
)
def test_a_poison_message_is_parked_at_once(service: Service, body: bytes) -> None:
    service.start("worker")
    # Through the worker first, so that the queue is there.
    assert service.order("tea").status_code == HTTPStatus.ACCEPTED
    service.wait_until_settled()
    Queue(service).put(body)
    eventually(lambda: Queue(service).parked() == 1)
    assert "order.returned" not in service.said()
    assert service.order("tea").status_code == HTTPStatus.ACCEPTED
    service.wait_until_settled()


def test_an_unknown_order_is_announced_alone_and_then_parked(service: Service) -> None:
    service.start("worker")
    order_id = UUID(service.order("tea").json()["id"])
    service.wait_until_settled()
    unknown = uuid4()
    Queue(service).put(encode((order_id, unknown)))
    eventually(lambda: Queue(service).parked() == 1)
    eventually(lambda: {"orders.separated", "order.parked"} <= set(service.events_of(str(unknown))))
    assert "orders.separated" not in service.events_of(str(order_id))
    service.verify()


def test_a_vendor_that_is_no_longer_configured_is_taken_off_sale_by_retiring_it(
    service: Service,
) -> None:
    assert service.call("seed", "--yes").returncode == 0
    assert service.stock("sku-gooseneck-kettle")["available"] == 50
    for vendor_id in ("hilltop", "harbour", "northside"):
        assert service.call("sync", "--retire", vendor_id, "--yes").returncode == 0
    assert service.stock("sku-gooseneck-kettle")["available"] == 0
    assert service.stock("tea")["available"] == 10
    assert "unknown vendor: nobody" in service.call("sync", "--retire", "nobody", "--yes").stderr
    assert "still in the vendors file" in service.call("sync", "--retire", "acme", "--yes").stderr
    service.verify()


def test_an_order_id_leads_through_the_logs(service: Service) -> None:
    service.start("worker")
    order_id = service.order("tea").json()["id"]
    service.wait_until_settled()
    steps = {"orders.accepted", "orders.fulfilled"}
    if service.environment["BROKER_URL"]:
        steps.add("orders.sent")
    eventually(lambda: set(service.events_of(order_id)) == steps, what="every step")


def test_verify_names_what_was_tampered_with(embedded: Service) -> None:
    assert embedded.call("migrate").returncode == 0
    assert embedded.call("seed").returncode == 0
    embedded.verify()
    engine = create_engine(f"sqlite:///{embedded.folder}/data/order_aggregator.db")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE central_stock SET on_hand = on_hand + 1"
            " WHERE product_id = 'sku-gooseneck-kettle'"
        )
    engine.dispose()
    verified = embedded.call("verify")
    assert verified.returncode == 1
    assert verified.stdout.splitlines() == [
        "on_hand of sku-gooseneck-kettle: expected 50, found 51",
        "1 discrepancy",
    ]

"""The mock vendors: real servers, and what a sync against them comes to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from order_aggregator.adapters.memory import ManualClock, MemoryStorage
from order_aggregator.adapters.vendors.http import HttpVendorGateway
from order_aggregator.domain.allocation import highest_then_even
from order_aggregator.domain.errors import (
    InvalidValue,
    OrderAggregatorError,
    UnknownVendor,
    VendorUnavailable,
)
from order_aggregator.domain.order import Order, OrderLine
from order_aggregator.domain.use_cases.fulfil_orders import FulfilOrders
from order_aggregator.domain.use_cases.place_orders import PlaceOrder, PlaceOrders
from order_aggregator.domain.use_cases.sync_vendor import SyncVendor
from order_aggregator.domain.vendor_sync import Snapshot
from order_aggregator.entrypoints.demo.faults import Faults
from order_aggregator.entrypoints.demo.gateways import mock_vendor_gateway, mock_vendor_gateways
from order_aggregator.entrypoints.demo.mock_vendors import CannotListen, MockVendors
from order_aggregator.entrypoints.demo.seed import seed_snapshots
from order_aggregator.testing.shop import whole
from ports import free_ports

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SEEDS = {snapshot.vendor.id: snapshot for snapshot in seed_snapshots()}
VENDOR_IDS = list(SEEDS)
KETTLE = "sku-gooseneck-kettle"


@pytest.fixture
def vendors() -> Iterator[MockVendors]:
    with MockVendors(first_port=0) as vendors:
        yield vendors


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def _told(snapshot: Snapshot) -> tuple[object, ...]:
    """What a vendor says; one of them has its date in a header."""
    return snapshot.vendor, snapshot.as_of, snapshot.reports


def _gateways(vendors: MockVendors) -> list[HttpVendorGateway]:
    return [mock_vendor_gateway(key, url) for key, url in vendors.urls.items()]


def test_each_serves_its_seed_data_to_many(vendors: MockVendors) -> None:
    for gateway in _gateways(vendors):
        with ThreadPoolExecutor(20) as threads:
            snapshots = list(threads.map(lambda _, g=gateway: whole(g.fetch()), range(20)))
        assert [*map(_told, snapshots)] == [_told(SEEDS[gateway.vendor.id])] * 20


def test_their_feeds_have_three_shapes(vendors: MockVendors) -> None:
    plain, csv, paged = (httpx.get(url) for url in vendors.urls.values())
    assert plain.json()["as_of"] == "2026-01-01T00:00:00.000000+00:00"
    assert plain.json()["products"][0].keys() == {"product_id", "name", "quantity"}
    assert csv.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert csv.headers["Last-Modified"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert csv.text.splitlines()[0] == "product_id,name,quantity,sequence"
    assert paged.json()["data"][0].keys() == {"sku", "title", "qty"}
    assert paged.json()["next"] == "/stock?page=2"


@pytest.mark.parametrize("vendor_id", VENDOR_IDS)
def test_stock_can_be_changed(vendors: MockVendors, vendor_id: str) -> None:
    as_of = NOW - timedelta(minutes=1)
    vendors.set_stock(vendor_id, KETTLE, 7, as_of)
    vendors.set_stock(vendor_id, "sku-new", 3, as_of)
    snapshot = whole(mock_vendor_gateway(vendor_id, vendors.urls[vendor_id]).fetch())
    quantities = {report.product_id: report.quantity for report in snapshot.reports}
    seed = {report.product_id: report.quantity for report in SEEDS[vendor_id].reports}
    assert quantities == seed | {KETTLE: 7, "sku-new": 3}
    assert snapshot.as_of == as_of


def test_stock_that_makes_no_sense_cannot_be_set(vendors: MockVendors) -> None:
    with pytest.raises(UnknownVendor):
        vendors.set_stock("nobody", KETTLE, 7, NOW)
    with pytest.raises(InvalidValue):
        vendors.set_stock("hilltop", KETTLE, -1, NOW)
    with pytest.raises(InvalidValue):
        vendors.set_stock("hilltop", KETTLE, 1, NOW.replace(tzinfo=None))


@pytest.mark.parametrize("vendor_id", VENDOR_IDS)
def test_what_they_answer_to_other_requests(vendors: MockVendors, vendor_id: str) -> None:
    url = vendors.urls[vendor_id]
    head, get = httpx.head(url), httpx.get(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert httpx.get(url + "/x").status_code == 404
    assert httpx.head(url + "/x").status_code == 404
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = httpx.request(method, url)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("page", ["0", "3", "x", "-1", "01", "%C3%BC"])
def test_pages_that_there_are_not(vendors: MockVendors, page: str) -> None:
    assert httpx.get(f"{vendors.urls['northside']}?page={page}").status_code == 404


def test_a_port_in_use_is_named_and_nothing_is_left_running() -> None:
    first = free_ports()
    with socket.create_server(("127.0.0.1", first + 1)):
        with pytest.raises(
            CannotListen, match=f"port {first + 1}: Address already in use"
        ) as caught:
            MockVendors(first_port=first).start()
        assert isinstance(caught.value, OrderAggregatorError)
        assert caught.value.port == first + 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", first), timeout=1)


def test_ports_that_do_not_exist() -> None:
    with pytest.raises(CannotListen, match="port 65536"):
        MockVendors(first_port=65535).start()


def test_stopped_they_are_unavailable_and_can_be_started_again() -> None:
    vendors = MockVendors(first_port=0)
    vendors.start()
    gateways = _gateways(vendors)
    vendors.stop()
    vendors.stop()
    for gateway in gateways:
        with pytest.raises(VendorUnavailable):
            whole(gateway.fetch())
    vendors.start()
    assert [_told(whole(gateway.fetch())) for gateway in _gateways(vendors)] == [
        *map(_told, SEEDS.values())
    ]
    vendors.stop()


def test_ports_in_a_row_are_where_the_gateways_look() -> None:
    first = free_ports()
    with MockVendors(first_port=first):
        found = [_told(whole(g.fetch())) for g in mock_vendor_gateways("127.0.0.1", first)]
    assert found == [*map(_told, SEEDS.values())]


def test_syncing_again_never_brings_back_what_was_sold(
    vendors: MockVendors, clock: ManualClock
) -> None:
    storage = MemoryStorage()
    sync = SyncVendor(storage.unit_of_work, clock)

    def available() -> int:
        for gateway in _gateways(vendors):
            sync(gateway)
        with storage.unit_of_work() as uow:
            return uow.stock.lock([KETTLE])[KETTLE].available

    assert available() == 50
    lines = (OrderLine(product_id=KETTLE, quantity=50),)
    place = PlaceOrders(storage.unit_of_work, clock)
    [order] = place([PlaceOrder(order_id=UUID(int=1), lines=lines)])
    assert isinstance(order, Order)
    assert available() == 0
    FulfilOrders(storage.unit_of_work, clock, highest_then_even)([order.id])
    assert available() == 0
    # Until a vendor says that it has counted our orders, and has more.
    clock.advance(timedelta(minutes=1))
    vendors.set_stock("harbour", KETTLE, 4, clock.now())
    assert available() == 4


def _faults(vendors: MockVendors, vendor_id: str, document: object) -> httpx.Response:
    return httpx.put(httpx.URL(vendors.urls[vendor_id]).join("/faults"), json=document)


def test_faults_are_switched_on_and_off_over_http(vendors: MockVendors) -> None:
    url = httpx.URL(vendors.urls["hilltop"])
    answer = _faults(vendors, "hilltop", {"errors": 1})
    assert (answer.status_code, answer.json()["errors"]) == (200, 1)
    assert httpx.get(url).status_code == 503
    assert httpx.get(url.join("/faults")).json() == answer.json()
    assert httpx.get(vendors.urls["harbour"]).status_code == 200
    assert _faults(vendors, "hilltop", {}).status_code == 200
    assert httpx.get(url).status_code == 200


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"errors": 2}, "errors: must be a share, from 0 to 1"),
        ({"errors": True}, "errors: must be a share, from 0 to 1"),
        ({"delay": -1}, "delay: must be from 0 to 86400 seconds"),
        ({"delay": "1"}, "delay: must be a number of seconds"),
        ({"fire": 1}, "fire: is no fault; there are delay, errors, "),
        ([], "body: must be an object"),
    ],
)
def test_a_fault_that_makes_no_sense_changes_nothing(
    vendors: MockVendors, document: object, problem: str
) -> None:
    answer = _faults(vendors, "hilltop", document)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(problem)
    assert vendors.shelf("hilltop").faults == Faults()


@pytest.mark.parametrize("vendor_id", VENDOR_IDS)
def test_each_fault_is_one_that_a_reader_has_to_bear(vendors: MockVendors, vendor_id: str) -> None:
    gateway = mock_vendor_gateway(vendor_id, vendors.urls[vendor_id])
    seed = {report.product_id: report.quantity for report in SEEDS[vendor_id].reports}

    def read(**faults: float) -> Snapshot:
        assert _faults(vendors, vendor_id, faults).status_code == 200
        return whole(gateway.fetch())

    def stock(snapshot: Snapshot) -> dict[str, int]:
        return {report.product_id: report.quantity for report in snapshot.reports}

    # A report in pages cannot be read while its rows move from page to page.
    moving = {} if vendor_id == "northside" else {"shuffled": 1, "duplicates": 1}
    assert stock(read(delay=0.01, **moving)) == seed
    # Of pages, each is wrong in another row, and that may be on another page.
    readings = (read(wrong_types=1) for _ in range(50))
    wrong = next(reading for reading in readings if reading.rejections)
    assert stock(wrong).items() < seed.items()
    off = read(clock=60).as_of
    assert off is not None
    assert abs(off - datetime(2026, 1, 1, tzinfo=UTC)) <= timedelta(seconds=61)
    with pytest.raises(OrderAggregatorError):
        read(half_bodies=1)


def test_a_shelf_learns_of_each_allocation_once_and_in_order(vendors: MockVendors) -> None:
    shelf = vendors.shelf("hilltop")
    units, learnt = shelf.truth()[KETTLE]
    assert learnt == 0
    shelf.begin_learning()
    assert not shelf.learn(KETTLE, 5, 2)
    assert shelf.learn(KETTLE, 3, 3)
    assert shelf.learn(KETTLE, 5, 2)
    assert shelf.learn(KETTLE, 3, 3)
    assert shelf.truth()[KETTLE] == (units - 5, 5)
    answer = httpx.get(httpx.URL(vendors.urls["hilltop"]).join("/shelf")).json()
    assert answer[KETTLE] == {"units": units - 5, "learnt": 5}
    snapshot = whole(mock_vendor_gateway("hilltop", vendors.urls["hilltop"]).fetch())
    [kettle] = [report for report in snapshot.reports if report.product_id == KETTLE]
    assert (kettle.quantity, kettle.acked_through) == (units - 5, 5)

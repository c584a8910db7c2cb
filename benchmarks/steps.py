"""Holds, cancellations, orders that wait, and those who are told: how many a second.

Steps of orders are use cases in one thread, in batches as a service makes them; `step-place` and
`step-fulfil` are the measure beside them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import UUID

import attrs
import httpx
from sqlalchemy import text
from uuid_utils.compat import uuid7

from market import Bench, Figures
from order_aggregator.adapters.rabbitmq.event_publisher import RabbitEventPublisher
from order_aggregator.adapters.system.settings import Settings
from order_aggregator.bootstrap import Container, bootstrap
from order_aggregator.domain.batches import batches_of
from order_aggregator.domain.order import OnShortage, Order, OrderLine
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.use_cases.cancel_orders import CancelOrder
from order_aggregator.domain.use_cases.order_holds import OrderHold
from order_aggregator.domain.use_cases.place_orders import PlaceOrder
from order_aggregator.domain.vendor_sync import Snapshot, StockReport, VendorTerms
from service import COMMAND, Service, eventually

PRODUCTS = [f"SKU-{number:04}" for number in range(1000)]
LISTENERS = 5000
# Each is told to all listeners.
TOLD = 20
HOUR = timedelta(hours=1)


@attrs.frozen
class _Feed:
    vendor: Vendor
    snapshot: Snapshot
    terms: VendorTerms

    def fetch(self) -> Snapshot:
        return self.snapshot


@attrs.frozen
class _Shop:
    """The use cases on a database of their own."""

    container: Container
    # Of each step.
    orders: int

    def stock(self, units: int) -> None:
        vendor = Vendor(id="acme", name="Acme")
        reports = tuple(StockReport(product_id=key, quantity=units) for key in PRODUCTS)
        snapshot = Snapshot(vendor=vendor, as_of=None, reports=reports)
        self.container.sync_vendor()(_Feed(vendor, snapshot, VendorTerms(max_cut=None)))

    def place(self, **more: object) -> list[UUID]:
        placed = [
            order
            for batch in batches_of(self._wishes(**more), 100)
            for order in self.container.place_orders()(batch)
        ]
        assert all(isinstance(order, Order) for order in placed), placed[:3]
        return [order.id for order in placed if isinstance(order, Order)]

    def _wishes(self, **more: object) -> Iterator[PlaceOrder]:
        for number in range(self.orders):
            line = OrderLine(product_id=PRODUCTS[number % len(PRODUCTS)], quantity=1)
            yield PlaceOrder(order_id=uuid7(), lines=(line,), **more)  # type: ignore[arg-type]

    def fulfil(self, ids: Sequence[UUID]) -> None:
        for batch in batches_of(ids, 200):
            self.container.fulfil_orders()(batch)

    def cancel(self, ids: Sequence[UUID]) -> None:
        for batch in batches_of(ids, 100):
            self.container.order_actions().cancel([CancelOrder(order_id=key) for key in batch])

    def order_holds(self, ids: Sequence[UUID]) -> None:
        for batch in batches_of(ids, 100):
            self.container.order_actions().order_holds([OrderHold(order_id=key) for key in batch])


Prepared = Callable[[], object]


def _placing(shop: _Shop) -> Prepared:
    return shop.place


def _fulfilling(shop: _Shop) -> Prepared:
    return partial(shop.fulfil, shop.place())


def _cancelling(shop: _Shop) -> Prepared:
    return partial(shop.cancel, shop.place())


def _holding(shop: _Shop) -> Prepared:
    return lambda: shop.order_holds(shop.place(hold_for=HOUR))


def _filling(shop: _Shop) -> Prepared:
    shop.stock(0)
    shop.place(on_shortage=OnShortage.BACKORDER)
    shop.stock(shop.orders)
    return shop.container.fill_backorders()


def _publishing(shop: _Shop) -> Prepared:
    publish = shop.container.publish_events()
    assert publish is not None
    # From here on.
    publish()
    shop.place()

    def publish_all() -> None:
        while publish():
            pass

    return publish_all


# What is done to orders: each prepares, and gives what is to be timed.
STEPS: dict[str, Callable[[_Shop], Prepared]] = {
    "step-place": _placing,
    "step-fulfil": _fulfilling,
    "step-cancel": _cancelling,
    "step-hold-and-order": _holding,
    "step-fill-backorder": _filling,
    "events-published": _publishing,
}


def step(bench: Bench, prepare: Callable[[_Shop], Prepared]) -> Figures:
    """Orders that take this step, or events, a second."""
    with _shop(bench) as shop:
        timed = prepare(shop)
        bench.stage.settle_disks()
        began = time.perf_counter()
        timed()
        rate = shop.orders / (time.perf_counter() - began)
        assert list(shop.container.ledger().discrepancies()) == []
    return {"orders_per_second": rate}


def webhooks(bench: Bench) -> Figures:
    """Deliveries a second to one fast listener, by the thread that a relay has for them."""
    with _shop(bench) as shop, _listener() as (url, told):
        shop.container.webhook_actions().add(url)
        shop.place()
        dispatcher = shop.container.webhook_dispatcher()
        began = time.perf_counter()
        with dispatcher.running():
            eventually(lambda: len(told) >= shop.orders, 300)
            rate = shop.orders / (time.perf_counter() - began)
    return {"orders_per_second": rate}


def listeners(bench: Bench) -> Figures:
    """Events a second that listeners of one API process hear, all of them every event."""
    with _shop(bench) as shop:
        settings = bench.stage.settings(shop.container.engine().url.database or "")
        with Service(bench.stage.folder, {**settings, "API_PROCESSES": "1"}) as service:
            service.start_program(*COMMAND, "api")
            service.wait_until_ready()
            port = int(service.environment["PORT"])
            rate = asyncio.run(_listen(port))
    return {"orders_per_second": rate}


@contextmanager
def _shop(bench: Bench) -> Iterator[_Shop]:
    with bench.stage.database() as database, bench.stage.broker.virtual_host() as broker_url:
        url = bench.stage.url(database)
        settings = Settings(
            database_url=url,
            broker_url=broker_url,
            events_exchange="bench",
            webhooks_private=True,
        )
        container = bootstrap(settings)
        container.migrate()
        try:
            shop = _Shop(container, bench.plan.drained_orders)
            shop.stock(shop.orders)
            with container.engine().connect() as connection:
                # As autovacuum does where it is on.
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
            yield shop
        finally:
            publisher = container.event_publisher()
            assert isinstance(publisher, RabbitEventPublisher)
            publisher.close()
            container.engine().dispose()


@contextmanager
def _listener() -> Iterator[tuple[str, list[None]]]:
    """A server that answers 204 at once, and what it was told."""
    told: list[None] = []

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response_only(204)
            self.end_headers()
            told.append(None)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def _listen(port: int) -> float:
    all_connected, heard = asyncio.Event(), asyncio.Event()
    # Who comes when 500 requests are in hand is asked to come back.
    coming = asyncio.Semaphore(100)
    connected, waiting = set[int](), set(range(LISTENERS))

    async def listen(number: int) -> None:
        async with coming:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"GET /v1/api/events?type=order.reserved HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
            await reader.readuntil(b"retry: 2000")
        connected.add(number)
        if len(connected) == LISTENERS:
            all_connected.set()
        for _ in range(TOLD):
            await reader.readuntil(b"event: order.reserved")
        waiting.discard(number)
        if not waiting:
            heard.set()
        writer.close()

    async with asyncio.TaskGroup() as group:
        for number in range(LISTENERS):
            group.create_task(listen(number))
        await all_connected.wait()
        async with httpx.AsyncClient(timeout=60) as client:
            began = time.perf_counter()
            for number in range(TOLD):
                body = {"product_id": PRODUCTS[number], "quantity": 1}
                answer = await client.post(f"http://127.0.0.1:{port}/v1/api/order", json=body)
                answer.raise_for_status()
        await heard.wait()
        return LISTENERS * TOLD / (time.perf_counter() - began)

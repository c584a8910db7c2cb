"""Holds, cancellations, orders that wait, and listeners: how many a second.

    .venv/bin/python benchmarks/steps.py postgresql://user@host/empty_database

Each rate but that of the listeners is of use cases in one thread, in batches as a service makes
them; an order that is placed and fulfilled is the measure beside them. The listeners are connected
to one process of the API, and all of them hear of every order.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import attrs
import click
import httpx
from sqlalchemy import text
from uuid_utils.compat import uuid7

from order_aggregator.adapters.system.settings import Settings
from order_aggregator.bootstrap import Container, bootstrap
from order_aggregator.domain.batches import batches_of
from order_aggregator.domain.order import OnShortage, Order, OrderLine
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.use_cases.cancel_orders import CancelOrder
from order_aggregator.domain.use_cases.place_orders import PlaceOrder
from order_aggregator.domain.vendor_sync import Snapshot, StockReport, VendorTerms

PRODUCTS = [f"SKU-{number:04}" for number in range(1000)]
PORT = 3999
READY_WITHIN = 30.0


@attrs.frozen
class _Feed:
    vendor: Vendor
    snapshot: Snapshot
    terms: VendorTerms

    def fetch(self) -> Snapshot:
        return self.snapshot


def _stock(container: Container, units: int) -> None:
    vendor = Vendor(id="acme", name="Acme")
    reports = tuple(StockReport(product_id=key, quantity=units) for key in PRODUCTS)
    snapshot = Snapshot(vendor=vendor, as_of=None, reports=reports)
    container.sync_vendor()(_Feed(vendor, snapshot, VendorTerms(max_cut=None)))


def _commands(count: int, **more: object) -> Iterator[list[PlaceOrder]]:
    wanted = (
        PlaceOrder(
            order_id=uuid7(),
            lines=(OrderLine(product_id=PRODUCTS[number % len(PRODUCTS)], quantity=1),),
            **more,  # type: ignore[arg-type]
        )
        for number in range(count)
    )
    return batches_of(wanted, 100)


def _place(container: Container, count: int, **more: object) -> list[UUID]:
    place = container.place_orders()
    placed = [order for batch in _commands(count, **more) for order in place(batch)]
    assert all(isinstance(order, Order) for order in placed), placed[:3]
    return [order.id for order in placed if isinstance(order, Order)]


def _rate(what: str, count: int, step: Callable[[], object]) -> None:
    began = time.perf_counter()
    step()
    click.echo(f"{what}: {count / (time.perf_counter() - began):,.0f}/s")


def _fulfil(container: Container, ids: Sequence[UUID]) -> None:
    for batch in batches_of(ids, 200):
        container.fulfil_orders()(batch)


def _cancel(container: Container, ids: Sequence[UUID]) -> None:
    for batch in batches_of(ids, 100):
        container.order_actions().cancel([CancelOrder(order_id=key) for key in batch])


def _order_holds(container: Container, ids: Sequence[UUID]) -> None:
    for batch in batches_of(ids, 100):
        container.order_actions().order_holds(batch)


def _steps(container: Container, count: int) -> None:
    _stock(container, count)
    ids: list[UUID] = []
    _rate("placed", count, lambda: ids.extend(_place(container, count)))
    _rate("fulfilled", count, lambda: _fulfil(container, ids))
    ids.clear()
    ids += _place(container, count)
    _rate("cancelled", count, lambda: _cancel(container, ids))
    held = _place(container, count, hold_for=timedelta(hours=1))
    _rate("holds ordered", count, lambda: _order_holds(container, held))
    _stock(container, 0)
    _place(container, count, on_shortage=OnShortage.BACKORDER)
    _stock(container, count)
    _rate("orders that waited, filled", count, container.fill_backorders())


@contextmanager
def _api(url: str) -> Iterator[str]:
    settings = {
        "DATABASE_URL": url,
        "API_PROCESSES": "1",
        "PORT": str(PORT),
        "LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "order_aggregator.entrypoints.cli", "api"]
    process = subprocess.Popen(command, env={**os.environ, **settings})
    address = f"http://127.0.0.1:{PORT}"
    end = time.monotonic() + READY_WITHIN
    try:
        while True:
            try:
                httpx.get(f"{address}/readyz")
                break
            except httpx.TransportError:
                assert time.monotonic() < end, "the API does not start"
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


async def _listen(listeners: int, orders: int) -> None:
    all_connected, heard = asyncio.Event(), asyncio.Event()
    # Who comes when 500 requests are in hand is asked to come back.
    coming = asyncio.Semaphore(100)
    connected, waiting = set[int](), set(range(listeners))

    async def listen(number: int) -> None:
        async with coming:
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
            writer.write(b"GET /v1/api/events?type=order.reserved HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"retry: 2000")
        connected.add(number)
        if len(connected) == listeners:
            all_connected.set()
        for _ in range(orders):
            await reader.readuntil(b"event: order.reserved")
        waiting.discard(number)
        if not waiting:
            heard.set()
        writer.close()

    async with asyncio.TaskGroup() as group:
        for number in range(listeners):
            group.create_task(listen(number))
        await all_connected.wait()
        async with httpx.AsyncClient(timeout=60) as client:
            began = time.perf_counter()
            for number in range(orders):
                body = {"product_id": PRODUCTS[number], "quantity": 1}
                answer = await client.post(f"http://127.0.0.1:{PORT}/v1/api/order", json=body)
                answer.raise_for_status()
        await heard.wait()
        seconds = time.perf_counter() - began
    click.echo(f"{listeners:,} listeners hear {listeners * orders / seconds:,.0f} events/s")


@click.command()
@click.argument("url")
@click.option("--orders", default=20_000)
@click.option("--listeners", default=5000)
def main(url: str, orders: int, listeners: int) -> None:
    """Measure on an empty database."""
    container = bootstrap(Settings(database_url=url))
    container.migrate()
    _stock(container, 1)
    with container.engine().connect() as connection:
        # As autovacuum does where it is on.
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    _steps(container, orders)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, listeners + 100), most))
    with _api(url):
        asyncio.run(_listen(listeners, 20))


if __name__ == "__main__":
    main()

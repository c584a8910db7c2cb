"""A feed of many rows: how fast it is read and compared, in how much memory, and who waits for it.

    .venv/bin/python benchmarks/feeds.py postgresql://user@host/empty_database --rows 1000000

Orders are placed meanwhile by a process of its own, one after the other, on products of the feed.
"""

from __future__ import annotations

import json
import random
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import click
from sqlalchemy import text
from uuid_utils.compat import uuid7

from order_aggregator.adapters.system.settings import Settings
from order_aggregator.adapters.vendors.feed import FeedFormat
from order_aggregator.adapters.vendors.file import FileVendorGateway
from order_aggregator.bootstrap import Container, bootstrap
from order_aggregator.domain.order import Order, OrderLine
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.use_cases.place_orders import PlaceOrder
from order_aggregator.domain.use_cases.report_intake import SyncResult
from order_aggregator.domain.vendor_sync import VendorTerms

UNTIL_QUIET = 10.0
PAUSE = 0.005


def _product(number: int) -> str:
    return f"SKU-{number:07}"


def _write(path: Path, rows: int, more: int) -> None:
    with path.open("w") as file:
        file.write("product_id,name,quantity\n")
        file.writelines(f"{_product(n)},Product {n},{1000 + n % 50 + more}\n" for n in range(rows))


def _sync(container: Container, path: Path) -> tuple[SyncResult, float]:
    gateway = FileVendorGateway(
        vendor=Vendor(id="big", name="Big"),
        path=path,
        feed_format=FeedFormat(kind="csv"),
        terms=VendorTerms(max_cut=None),
    )
    began = time.perf_counter()
    result = container.sync_vendor()(gateway)
    return result, time.perf_counter() - began


@contextmanager
def _orders(url: str, rows: int) -> Iterator[list[float]]:
    """Seconds that each order took that was placed while the block ran."""
    seconds: list[float] = []
    process = subprocess.Popen(
        [sys.executable, __file__, url, "--rows", str(rows), "--place"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    yield seconds
    told, _ = process.communicate(b"\n")
    seconds += json.loads(told)


def _place(container: Container, rows: int) -> list[float]:
    """Orders until the parent says that it is enough."""
    place, chance, seconds = container.place_orders(), random.Random(1), []
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        line = OrderLine(product_id=_product(chance.randrange(rows)), quantity=1)
        began = time.perf_counter()
        [order] = place([PlaceOrder(order_id=uuid7(), lines=(line,))])
        seconds.append(time.perf_counter() - began)
        assert isinstance(order, Order), order
    return seconds


def _say(what: str, seconds: list[float]) -> None:
    cuts = quantiles(seconds, n=1000)
    p50, p99, p999 = (1000 * cuts[place] for place in (499, 989, 998))
    longest = 1000 * max(seconds)
    click.echo(
        f"{what}: {len(seconds)} orders, p50 {p50:.1f}, p99 {p99:.1f}, p99.9 {p999:.1f},"
        f" longest {longest:.1f} ms"
    )


@click.command()
@click.argument("url")
@click.option("--rows", default=1_000_000)
@click.option("--place", is_flag=True, hidden=True)
def main(url: str, rows: int, *, place: bool) -> None:
    """Measure on an empty database."""
    container = bootstrap(Settings(database_url=url))
    if place:
        click.echo(json.dumps(_place(container, rows)))
        return
    container.migrate()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "feed.csv"
        _write(path, rows, 0)
        _, took = _sync(container, path)
        click.echo(f"all new: {rows / took:,.0f} rows/s")
        _analyze(container)
        _, took = _sync(container, path)
        click.echo(f"nothing new, read and compared: {rows / took:,.0f} rows/s")
        with _orders(url, rows) as quiet:
            time.sleep(UNTIL_QUIET)
        _say("without a feed", quiet)
        with _orders(url, rows) as beside:
            _sync(container, path)
        _say("beside a feed in which nothing is new", beside)
        _write(path, rows // 5, 1)
        with _orders(url, rows // 5) as beside:
            result, took = _sync(container, path)
        _say(f"beside one in which {result.changed:,} products change", beside)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(f"memory at its highest: {peak:.0f} MB")


def _analyze(container: Container) -> None:
    """As autovacuum does where it is on."""
    with container.engine().connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


if __name__ == "__main__":
    main()

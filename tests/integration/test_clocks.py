"""Clocks that are wrong, and workers that pause: no unit is sold twice for it."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from buyers import Buyers
from feed_server import Answer, Exchange, FeedServer
from server_processes import Server
from servers import Broker, postgres, rabbitmq
from service import Service, eventually

SKEWED = Path(__file__).parents[1] / "skewed.py"
PRODUCT = "sku-espresso-beans"
SHELF = 300
HOUR = 3600.0


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Broker]]:
    with postgres() as database, rabbitmq() as broker:
        yield database, broker


class Vendor:
    """A vendor's server that has counted every order by the time at which it writes a report."""

    def __init__(self, url: str, *, dated: bool) -> None:
        self._url = url
        self._dated = dated
        self.sold = 0

    def report(self, exchange: Exchange) -> None:
        as_of = datetime.now(UTC)
        with psycopg.connect(self._url) as connection:
            [(sold, sequence)] = connection.execute(
                "SELECT coalesce(sum(quantity), 0), coalesce(max(sequence), 0) FROM allocations"
            ).fetchall()
        self.sold = int(sold)
        row = {"product_id": PRODUCT, "quantity": max(0, SHELF - self.sold)}
        said = {"as_of": as_of.isoformat()} if self._dated else {"acked_through": sequence}
        # It is under way for a while.
        time.sleep(random.uniform(0, 0.1))
        Answer(json.dumps([row | said]).encode())(exchange)


@contextmanager
def _deployment(
    folder: Path, servers: tuple[Server, Broker], *, dated: bool
) -> Iterator[tuple[Service, Vendor]]:
    """A database of its own, and one vendor whose reports say what they have counted."""
    database, broker = servers
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    url = urlunsplit(urlsplit(database.url)._replace(path=f"/{name}"))
    vendor = Vendor(url.replace("+psycopg", ""), dated=dated)
    with broker.virtual_host() as broker_url, FeedServer() as server:
        server.serve("/stock", vendor.report)
        entry = {
            "id": "acme",
            "name": "Acme",
            "type": "http",
            "format": "json",
            "url": server.url(),
            "max_cut": None,
            "clock_tolerance": "1s",
            "fields": {"as_of": "as_of"} if dated else {"acked_through": "acked_through"},
        }
        (folder / "vendors.json").write_text(json.dumps([entry]))
        settings = {
            "DATABASE_URL": url,
            "BROKER_URL": broker_url,
            "VENDORS_FILE": str(folder / "vendors.json"),
        }
        with Service(folder, settings) as service:
            assert service.call("migrate").returncode == 0
            assert service.call("sync").returncode == 0
            service.start("api")
            service.wait_until_ready()
            yield service, vendor


@contextmanager
def _pausing(pids: list[int]) -> Iterator[None]:
    """Stop one of these processes for a while, wherever it is, again and again."""
    over = Event()

    def pause() -> None:
        while not over.wait(0.05):
            pid = random.choice(pids)
            os.kill(pid, signal.SIGSTOP)
            over.wait(random.uniform(0.05, 1.5))
            os.kill(pid, signal.SIGCONT)

    thread = Thread(target=pause)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("dated", [True, False], ids=["by_as_of", "by_sequence"])
def test_no_unit_is_sold_twice_whatever_the_clocks_say(
    tmp_path: Path, servers: tuple[Server, Broker], *, dated: bool
) -> None:
    with _deployment(tmp_path, servers, dated=dated) as (service, vendor):
        workers = [
            service.start_program(sys.executable, str(SKEWED), "worker", str(off)).pid
            for off in (0.0, 1.0, -1.0, HOUR, -HOUR)
        ]
        for off in (2.0, -HOUR, HOUR):
            service.start_program(sys.executable, str(SKEWED), "sync", str(off))
        with Buyers(service) as buyers:
            with _pausing(workers):
                eventually(lambda: len(buyers.accepted) > SHELF // 2, 60, "half of it is sold")
            # Now nothing is in the way: all of it is sold, and not a unit more.
            eventually(lambda: len(buyers.accepted) >= SHELF, 60, "all of it is sold")
            time.sleep(3)
        service.wait_until_settled(60)
        assert len(buyers.accepted) == SHELF
        eventually(lambda: vendor.sold == SHELF, 10, "the vendor has learnt of it")
        service.verify()
        [level] = service.get("/vendor-stock")
        assert level["available"] == 0

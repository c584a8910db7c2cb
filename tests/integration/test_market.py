"""The whole system for minutes, against vendors at which everything goes wrong that can."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from order_aggregator.entrypoints.demo.feeds import MOCK_FEEDS
from order_aggregator.entrypoints.demo.learning import Learning
from order_aggregator.entrypoints.demo.mock_vendors import MockVendors
from order_aggregator.entrypoints.demo.trade import Trade
from service import Service, eventually

SECONDS = 45
BUYERS = 4
# What others buy between two reports, we may have sold: so they buy only where there is more than
# we can sell until the next report, however many attempts at it fail. Else a shelf below 0 would
# not show that a unit was sold twice by us.
PLENTY = 200
FAULTS = {
    "delay": 0.2,
    "errors": 0.1,
    "half_bodies": 0.1,
    "stale": 0.1,
    "shuffled": 0.3,
    "duplicates": 0.2,
    "wrong_types": 0.2,
    "clock": 5,
    "learns_after": 3,
}


@pytest.fixture
def market(distributed: Service) -> Iterator[tuple[Service, MockVendors]]:
    """Three vendors that learn of our orders, and sell to others too."""
    first = int(distributed.environment["MOCK_VENDORS_PORT"])
    with MockVendors(first_port=first) as vendors:
        assert distributed.call("migrate").returncode == 0
        for command in ("api", "relay", "worker", "worker"):
            distributed.start(command)
        distributed.start("sync", "--every", "0.5")
        distributed.wait_until_ready()
        learning = Learning(vendors, distributed.api)
        trade = Trade(vendors, every=1, plenty=PLENTY)
        learning.start()
        trade.start()
        yield distributed, vendors
        trade.stop()
        learning.stop()


def _set_faults(vendors: MockVendors, **faults: float) -> None:
    for url in vendors.urls.values():
        answer = httpx.put(httpx.URL(url).join("/faults"), json=faults, timeout=10)
        assert answer.status_code == HTTPStatus.OK, answer.text


def _buy(service: Service, product_ids: list[str], until: float, seed: int) -> Counter[int]:
    """Orders of some units, one after the other."""
    chance = random.Random(seed)
    answers: Counter[int] = Counter()
    while time.monotonic() < until:
        answer = service.order(chance.choice(product_ids), chance.randint(1, 2))
        answers[answer.status_code] += 1
        time.sleep(chance.uniform(0.05, 0.25))
    return answers


@contextmanager
def _workers_that_pause(service: Service) -> Iterator[None]:
    """Now and then one is stopped in the midst of what it does."""
    stopping = ThreadPoolExecutor(1)
    workers = service.running()[2:4]
    end = time.monotonic() + SECONDS

    def pause() -> None:
        while time.monotonic() < end - 5:
            time.sleep(4)
            worker = random.choice(workers)
            worker.send_signal(signal.SIGSTOP)
            time.sleep(2)
            worker.send_signal(signal.SIGCONT)

    pausing = stopping.submit(pause)
    yield
    pausing.result()
    stopping.shutdown()


def _vendor_stock(service: Service) -> dict[tuple[str, str], dict[str, Any]]:
    levels = service.get("/vendor-stock", page_size="100")
    return {(level["vendor_id"], level["product_id"]): level for level in levels}


def _truth(vendors: MockVendors) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (vendor_id, product_id): figures
        for vendor_id in vendors.urls
        for product_id, figures in vendors.shelf(vendor_id).truth().items()
    }


def _allocated(service: Service) -> Counter[tuple[str, str]]:
    """By vendor and product, from the orders themselves."""
    allocated: Counter[tuple[str, str]] = Counter()
    page = 1
    while orders := service.get("/order", page=str(page), page_size="100"):
        for order in orders:
            for line in order["lines"]:
                for part in line["allocations"]:
                    allocated[part["vendor_id"], line["product_id"]] += part["quantity"]
        page += 1
    return allocated


@pytest.mark.timeout(300)
def test_everything_agrees_in_the_end_unit_by_unit(market: tuple[Service, MockVendors]) -> None:
    service, vendors = market
    eventually(lambda: len({key for key, _ in _vendor_stock(service)}) == len(MOCK_FEEDS))
    product_ids = sorted({product_id for _, product_id in _vendor_stock(service)})
    _set_faults(vendors, **FAULTS)
    until = time.monotonic() + SECONDS
    with _workers_that_pause(service), ThreadPoolExecutor(BUYERS) as buyers:
        bought = [buyers.submit(_buy, service, product_ids, until, seed) for seed in range(BUYERS)]
        answers = sum((each.result() for each in bought), Counter())
    assert set(answers) <= {HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT}, answers
    # Enough of them, and enough that found a product sold out.
    assert answers[HTTPStatus.ACCEPTED] > SECONDS, answers
    assert answers[HTTPStatus.CONFLICT] > BUYERS, answers
    _set_faults(vendors)
    service.wait_until_settled(60)

    def learnt() -> dict[tuple[str, str], int]:
        return {key: told for key, (_, told) in _truth(vendors).items() if told}

    eventually(lambda: learnt() == _allocated(service), 60, "the vendors know of every order")

    def agrees() -> bool:
        truth = {key: max(0, units) for key, (units, _) in _truth(vendors).items()}
        stock = _vendor_stock(service)
        return (
            truth
            == {key: level["reported"] for key, level in stock.items()}
            == {key: level["available"] for key, level in stock.items()}
        )

    eventually(agrees, 60, "every shelf is what is reported and available")
    _assert_central_stock_agrees(service)
    # Others bought only where there was plenty: below 0, we would have sold what was not there.
    assert min(units for units, _ in _truth(vendors).values()) >= 0
    status = {vendor["vendor_id"]: vendor for vendor in service.get("/vendor")}
    assert all(vendor["problem"] is None for vendor in status.values())
    service.verify()


def _assert_central_stock_agrees(service: Service) -> None:
    units: Counter[str] = Counter()
    for (_, product_id), level in _vendor_stock(service).items():
        units[product_id] += level["available"]
    for level in service.get("/stock", page_size="100"):
        figures = (level["on_hand"], level["reserved"], level["stale"], level["available"])
        on_hand = units[level["product_id"]]
        assert figures == (on_hand, 0, 0, on_hand), level

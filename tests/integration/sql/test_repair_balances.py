"""Figures that were changed behind the code's back are made right again."""

from __future__ import annotations

import random
from time import monotonic

import pytest
from sqlalchemy import Engine, text

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.domain.errors import VendorShortage
from order_aggregator.domain.order import Order
from order_aggregator.domain.ports.ledger import Discrepancy
from order_aggregator.domain.use_cases.repair_balances import Repair
from order_aggregator.testing.race import race
from order_aggregator.testing.shop import Shop, wish

BREAKAGES = {
    "vendor stock": "UPDATE vendor_stock SET available = available - 1 WHERE vendor_id = 'acme'",
    "stale vendor stock": "UPDATE vendor_stock SET stale = TRUE WHERE vendor_id = 'acme'",
    "allocated": "UPDATE vendor_stock SET allocated = allocated + 3, counted = allocated + 2",
    "not allocated": "UPDATE vendor_stock SET allocated = 0, counted = 0",
    "on hand": "UPDATE central_stock SET on_hand = on_hand + 3 WHERE product_id = 'pear'",
    "stale": "UPDATE central_stock SET stale = 1",
    "reserved": "UPDATE central_stock SET reserved = reserved + 2 WHERE product_id = 'apple'",
    "nothing reserved": "UPDATE central_stock SET reserved = 0",
    "nothing on hand": "UPDATE central_stock SET on_hand = 0",
    "status": "UPDATE orders SET status = 'cancelled' WHERE status = 'reserved'",
    "adjustment": "DELETE FROM stock_adjustments WHERE vendor_id = 'bolt'",
    "all of central stock": "UPDATE central_stock SET on_hand = 9, reserved = 0, stale = 9",
}
EVERYTHING = ("vendor_stock", "central_stock", "stock_adjustments", "allocation_marks", "orders")


@pytest.fixture
def shop(storage: SqlStorage) -> Shop:
    """Two vendors, an order that was fulfilled, and one that is reserved."""
    shop = Shop(storage)
    shop.sync("acme", {"apple": 10})
    shop.sync("bolt", {"apple": 5, "pear": 5})
    shop.fulfil(shop.accepted(apple=4))
    shop.accepted(apple=3, pear=1)
    return shop


def _everything(engine: Engine) -> dict[str, list[str]]:
    with engine.connect() as connection:
        return {
            table: sorted(map(str, connection.execute(text(f"SELECT * FROM {table}")).all()))
            for table in EVERYTHING
        }


def _execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def _discrepancies(shop: Shop, *, keep: bool) -> list[Discrepancy]:
    entries = shop.repair_balances(keep=keep)
    return [each.discrepancy if isinstance(each, Repair) else each for each in entries]


def _in_order(found: list[Discrepancy]) -> list[Discrepancy]:
    return sorted(found, key=lambda each: (each.figure, each.subject))


@pytest.mark.parametrize("statement", BREAKAGES.values(), ids=BREAKAGES.keys())
def test_it_repairs(engine: Engine, shop: Shop, statement: str) -> None:
    _execute(engine, statement)
    wrong, before = shop.discrepancies(), _everything(engine)
    assert wrong
    assert _in_order(_discrepancies(shop, keep=False)) == _in_order(wrong)
    assert _everything(engine) == before
    assert _in_order(_discrepancies(shop, keep=True)) == _in_order(wrong)
    assert shop.discrepancies() == []
    after = _everything(engine)
    entries = [each for each in after["stock_adjustments"] if "'repair'" in each]
    assert len(entries) == len([each for each in wrong if each.figure == "vendor_available"])
    assert after["orders"] == before["orders"]


def test_a_healthy_database_is_left_as_it_is(engine: Engine, shop: Shop) -> None:
    before = _everything(engine)
    assert list(shop.repair_balances()) == []
    assert _everything(engine) == before


def test_an_order_without_its_allocations_needs_a_person(engine: Engine, shop: Shop) -> None:
    _execute(engine, "DELETE FROM allocations")
    figures = {each.figure for each in _discrepancies(shop, keep=True)}
    assert figures == {"vendor_available", "vendor_allocated", "allocated"}
    assert [each.figure for each in shop.discrepancies()] == ["allocated"]


def test_nothing_is_broken_by_a_repair_beside_orders_and_reports(storage: SqlStorage) -> None:
    """Figures are broken again and again meanwhile, and each is right in the end."""
    shop = Shop(storage)
    products = [f"p{number}" for number in range(6)]
    for vendor_id in ("acme", "bolt"):
        shop.sync(vendor_id, dict.fromkeys(products, 10_000))
    # Nobody runs short by these; and each locks one row, so that nobody waits crosswise.
    harmless = {
        "vendor_stock SET available = available + 1 WHERE vendor_id = 'acme' AND": [
            "vendor_available",
            "on_hand",
        ],
        "central_stock SET on_hand = on_hand + 1 WHERE": ["on_hand"],
        "vendor_stock SET allocated = allocated + 1 WHERE vendor_id = 'acme' AND": [
            "vendor_allocated"
        ],
    }
    end = monotonic() + 3

    def buy(seed: int) -> int:
        chance, fulfilled = random.Random(seed), 0
        while monotonic() < end:
            baskets = [chance.sample(products, 2) for _ in range(5)]
            placed = shop.place(*(wish(None, **dict.fromkeys(each, 1)) for each in baskets))
            orders = [each for each in placed if isinstance(each, Order)]
            outcomes = shop.fulfil(*orders)
            assert all(isinstance(each, Order | VendorShortage) for each in outcomes), outcomes
            fulfilled += len(outcomes)
        return fulfilled

    def break_and_repair() -> int:
        chance, repaired = random.Random(7), 0
        while monotonic() < end:
            statement, wrong = chance.choice([*harmless.items()])
            _execute(storage.engine, f"UPDATE {statement} product_id = '{chance.choice(products)}'")
            # No more is wrong than was made so: the repairs before left nothing behind.
            assert [each.figure for each in _discrepancies(shop, keep=True)] == wrong
            repaired += len(wrong)
        return repaired

    fulfilled, also_fulfilled, repaired = race([lambda: buy(1), lambda: buy(2), break_and_repair])
    assert min(fulfilled, also_fulfilled, repaired) > 0
    assert list(shop.repair_balances()) == []
    assert shop.discrepancies() == []

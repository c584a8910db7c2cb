"""Figures that were changed behind the code's back are found."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.adapters.sql.transaction import Transaction
from order_aggregator.domain.ports.ledger import Discrepancy
from order_aggregator.testing.shop import Shop

CORRUPTIONS = {
    "vendor stock": (
        "UPDATE vendor_stock SET available = available - 1 WHERE vendor_id = 'acme'",
        {("vendor_available", "acme/apple", 6, 5), ("on_hand", "apple", 10, 11)},
    ),
    "central stock": (
        "UPDATE central_stock SET on_hand = on_hand + 3 WHERE product_id = 'pear'",
        {("on_hand", "pear", 5, 8)},
    ),
    "reservation": (
        "UPDATE central_stock SET reserved = reserved + 2 WHERE product_id = 'apple'",
        {("reserved", "apple", 3, 5)},
    ),
    "status": (
        "UPDATE orders SET status = 'fulfilled' WHERE status = 'reserved'",
        {
            ("reserved", "apple", 0, 3),
            ("reserved", "pear", 0, 1),
            ("allocated", "reserved order", 4, 0),
        },
    ),
    "lost status": (
        "UPDATE orders SET status = 'cancelled' WHERE status = 'reserved'",
        {("reserved", "apple", 0, 3), ("reserved", "pear", 0, 1)},
    ),
    "allocation": (
        "UPDATE allocations SET quantity = quantity + 1, sequence = sequence + 1",
        {
            ("vendor_available", "acme/apple", 5, 6),
            ("vendor_allocated", "acme/apple", 5, 4),
            ("allocated", "fulfilled order", 4, 5),
        },
    ),
    "no lines": (
        "DELETE FROM order_lines WHERE order_id NOT IN (SELECT order_id FROM allocations)",
        {
            ("reserved", "apple", 0, 3),
            ("reserved", "pear", 0, 1),
            ("has_lines", "reserved order", 1, 0),
        },
    ),
    "adjustment": (
        "DELETE FROM stock_adjustments WHERE vendor_id = 'bolt' AND product_id = 'pear'",
        {("vendor_available", "bolt/pear", 0, 5)},
    ),
}


@pytest.fixture
def shop(storage: SqlStorage) -> Shop:
    """Two vendors, an order that was fulfilled, and one that is reserved."""
    shop = Shop(storage)
    shop.sync("acme", {"apple": 10})
    shop.sync("bolt", {"apple": 5, "pear": 5})
    return shop


@pytest.mark.parametrize(("statement", "expected"), CORRUPTIONS.values(), ids=CORRUPTIONS.keys())
def test_it_finds(
    engine: Engine, shop: Shop, statement: str, expected: set[tuple[str, str, int, int]]
) -> None:
    fulfilled, reserved = shop.accepted(apple=4), shop.accepted(apple=3, pear=1)
    shop.fulfil(fulfilled)
    assert shop.discrepancies() == []
    with Transaction(engine) as transaction:
        transaction.enqueue(text(statement))
        transaction.commit()
    names = {str(fulfilled.id): "fulfilled order", str(reserved.id): "reserved order"}
    found = {
        (entry.figure, names.get(entry.subject, entry.subject), entry.expected, entry.found)
        for entry in shop.discrepancies()
    }
    assert found == expected


def test_it_is_one_moment_although_orders_go_on(engine: Engine, shop: Shop) -> None:
    """Between its first figure and its last, everything else changes."""
    with Transaction(engine) as transaction:
        transaction.enqueue(text("UPDATE vendor_stock SET available = available + 1"))
        transaction.enqueue(text("UPDATE central_stock SET on_hand = on_hand + 2"))
        transaction.commit()
    before = shop.discrepancies()
    running = iter(shop.storage.ledger.discrepancies())
    found = [next(running)]
    shop.fulfil(shop.accepted(apple=4, pear=2))
    shop.accepted(apple=4)
    assert found + list(running) == before


def test_it_can_be_left_in_the_middle(engine: Engine, shop: Shop) -> None:
    with Transaction(engine) as transaction:
        transaction.enqueue(text("UPDATE vendor_stock SET available = available + 1"))
        transaction.commit()
    running = shop.storage.ledger.discrepancies()
    assert isinstance(next(iter(running)), Discrepancy)
    del running
    assert "Current Checked out connections: 0" in engine.pool.status()

"""What the databases hold before an arm begins: made by SQL, and consistent with the ledger."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from generators import SCRIPTS

PRODUCTS = 1_000
VENDORS = 3
UNITS = 100_000_000
# One product more, of which nobody has any.
SOLD_OUT = PRODUCTS
# Where `n` numbers the orders: like a UUIDv7, the older an order, the lower its id.
ORDER_ID = "('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"


def stock(url: str, products: int, vendors: int) -> None:
    """Vendors and products: of each, every vendor has plenty."""
    _execute(url, "stock.sql", products=products, vendors=vendors, units=UNITS)


def reserved_orders(url: str, orders: int, products: int) -> None:
    """Orders of one unit each that were just accepted, with their messages in the outbox."""
    _execute(url, "reserved_orders.sql", orders=orders, products=products)


def fulfilled_orders(url: str, orders: int, products: int) -> None:
    """Orders of one unit each that were fulfilled long ago."""
    _execute(url, "fulfilled_orders.sql", orders=orders, products=products)


def pgbench_tables(url: str, orders: int) -> None:
    """What pgbench works on; so many orders wait to be fulfilled."""
    _execute(url, "pgbench_tables.sql", orders=orders)


def sqlite_stock(file: Path) -> None:
    """One product of three vendors, in a database without anything yet."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    vendors = [f"vendor-{number}" for number in range(1, VENDORS + 1)]
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO products (id, name) VALUES ('sku-0', 'Product 0')")
        connection.execute(
            "INSERT INTO central_stock (product_id, on_hand, reserved, updated_at)"
            " VALUES ('sku-0', ?, 0, ?)",
            (VENDORS * UNITS, now),
        )
        for vendor in vendors:
            connection.execute(
                "INSERT INTO vendors (id, name, as_of) VALUES (?, ?, ?)", (vendor, vendor, now)
            )
            connection.execute(
                "INSERT INTO vendor_stock"
                " (product_id, vendor_id, available, reported, allocated, counted)"
                " VALUES ('sku-0', ?, ?, ?, 0, 0)",
                (vendor, UNITS, UNITS),
            )
            connection.execute(
                "INSERT INTO stock_adjustments (vendor_id, product_id, delta, cause, at)"
                " VALUES (?, 'sku-0', ?, 'sync', ?)",
                (vendor, UNITS, now),
            )


def _execute(url: str, script: str, **values: int) -> None:
    """Run a script of this folder, with these numbers in place of their names in braces."""
    text = (SCRIPTS / script).read_text()
    numbers = {name: sql.Literal(value) for name, value in values.items()}
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in text.split(";\n"):
            if statement.strip():
                connection.execute(sql.SQL(statement).format(**numbers, order_id=sql.SQL(ORDER_ID)))

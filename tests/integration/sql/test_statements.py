"""How much a use case asks of the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from sqlalchemy import Dialect, Engine, event, text

from order_aggregator.adapters.sql import SqlStorage, connection
from order_aggregator.adapters.sql.connection import Step, compile_for_driver
from order_aggregator.domain.order import OnShortage, Order, OrderStatus
from order_aggregator.domain.stock import ProductLimits
from order_aggregator.domain.use_cases.order_limits import OrderLimits
from order_aggregator.domain.use_cases.place_orders import PlaceOrders
from order_aggregator.testing.shop import Shop, next_order_id, wish
from order_aggregator.testing.shop_work import NOW

TABLES = ("orders", "order_lines", "allocations", "outbox", "vendor_stock", "central_stock")
PRODUCTS = {f"p{number:03}": 100_000 for number in range(300)}


@contextmanager
def recorded(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are executed in this block, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def record_step(step: Step, dialect: Dialect) -> tuple[str, dict[str, object]]:
        sql, parameters = compile_for_driver(step, dialect)
        statements.append((sql, parameters))
        return sql, parameters

    def record(
        _connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        assert not many, sql
        if sql != "BEGIN IMMEDIATE":
            statements.append((sql, parameters))

    event.listen(engine, "before_cursor_execute", record)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "compile_for_driver", record_step)
            yield statements
    finally:
        event.remove(engine, "before_cursor_execute", record)


@pytest.fixture
def shop(storage: SqlStorage) -> Shop:
    """Three vendors that have enough of everything."""
    shop = Shop(storage)
    for vendor_id in ("acme", "bolt", "crate"):
        shop.sync(vendor_id, PRODUCTS)
    return shop


def placed(shop: Shop, orders: int) -> list[Order]:
    products = list(PRODUCTS)
    outcomes = shop.place(
        *(
            wish(f"{orders}-{n}", **{products[n % 300]: 2, products[(7 * n + 1) % 300]: 1})
            for n in range(orders)
        )
    )
    return [outcome for outcome in outcomes if isinstance(outcome, Order)]


@pytest.mark.parametrize("orders", [1, 500])
def test_a_batch_of_any_size_takes_as_few_statements(
    engine: Engine, shop: Shop, orders: int
) -> None:
    with recorded(engine) as placing:
        batch = placed(shop, orders)
    with recorded(engine) as fulfilling:
        outcomes = shop.fulfil(*batch)
    assert len(batch) == orders
    assert all(isinstance(outcome, Order) for outcome in outcomes)
    assert (len(placing), len(fulfilling)) == (7, 9)


def test_a_limit_of_open_orders_takes_one_question_for_a_batch(engine: Engine, shop: Shop) -> None:
    commands = [attrs.evolve(wish(p001=1), reference=f"buyer {n % 7}") for n in range(50)]
    limits = OrderLimits(max_open_per_reference=9, max_units=5)
    place = PlaceOrders(shop.storage.unit_of_work, shop.clock, shop.shared_clock, limits)
    with recorded(engine) as unlimited:
        shop.place(*commands[:25])
    with recorded(engine) as limited:
        place(commands[25:])
    # And PostgreSQL locks the references, in the same trip.
    expected = 1 if engine.dialect.name == "sqlite" else 2
    assert len(limited) - len(unlimited) == expected


def test_only_orders_that_wait_ask_when_more_is_expected(engine: Engine, shop: Shop) -> None:
    counts = []
    for units, status in ((1, OrderStatus.RESERVED), (10**6, OrderStatus.BACKORDERED)):
        shop.set_product("p001", None, ProductLimits(backorder_limit=10**9))
        command = attrs.evolve(wish(p001=units), on_shortage=OnShortage.BACKORDER)
        with recorded(engine) as statements:
            [order] = shop.place(command)
        assert isinstance(order, Order)
        assert order.status is status
        counts.append(sum("expected_at" in sql for sql, _ in statements))
    assert counts == [0, 1]


def test_a_report_of_any_size_takes_as_few_statements(engine: Engine, shop: Shop) -> None:
    counts = []
    for products in (1, 200):
        names = list(PRODUCTS)[:products]
        shop.pass_time(minutes=1)
        with recorded(engine) as statements:
            shop.sync("acme", PRODUCTS | dict.fromkeys(names, 50000 + products))
        counts.append(len(statements))
    assert counts[0] == counts[1]


def everyday(shop: Shop) -> None:
    """What happens all day, often enough for PostgreSQL to keep its plans."""
    for _ in range(12):
        orders = placed_again(shop)
        shop.place(wish("once", p000=1), recheck=True)
        shop.fulfil(*orders[1:])
        shop.record_failures({orders[0].id: 1})
        shop.find_suspects({orders[0].id: 3})
        shop.fail_orders({orders[0].id: "reason"})
        shop.relay_messages()
        shop.pass_time(hours=1)
        shop.sync("acme", PRODUCTS)
        shop.resend_orders()
        shop.storage.read_model.order(orders[0].id)
        waits = attrs.evolve(wish(p003=10**6), on_shortage=OnShortage.BACKORDER)
        shop.place(waits)
        shop.storage.read_model.order(waits.order_id)
        shop.cancel(waits.order_id)


def placed_again(shop: Shop) -> list[Order]:
    return [shop.accepted(p001=1, p002=1) for _ in range(3)]


def test_no_statement_reads_a_whole_table(postgresql: Engine) -> None:
    """Not even while tables are small: such a plan would be kept when they have grown.

    Except of the outbox, where few rows wait: the backlog is counted.
    """
    shop = Shop(SqlStorage(postgresql))
    for vendor_id in ("acme", "bolt"):
        shop.sync(vendor_id, PRODUCTS)
    scans = text(
        "SELECT relname, seq_scan FROM pg_stat_user_tables"
        " WHERE relname <> 'outbox' ORDER BY relname"
    )
    postgresql.dispose()  # The server counts what a connection did when that ends.
    with postgresql.connect() as connection:
        before = connection.execute(scans).all()
    everyday(shop)
    postgresql.dispose()
    with postgresql.connect() as connection:
        assert connection.execute(scans).all() == before


def test_no_statement_reads_a_whole_table_of_sqlite(sqlite: Engine) -> None:
    shop = Shop(SqlStorage(sqlite))
    with recorded(sqlite) as statements:
        for vendor_id in ("acme", "bolt"):
            shop.sync(vendor_id, PRODUCTS)
        everyday(shop)
    with sqlite.connect() as connection:
        for sql, parameters in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).all()
            steps = [row[3] for row in plan]
            assert not any(
                step.startswith(f"SCAN {table}") and "outbox" not in step
                for step in steps
                for table in TABLES
            ), (sql, steps)


def test_fulfilling_never_reads_all_that_is_not_fulfilled(postgresql: Engine) -> None:
    """Few are, when PostgreSQL looks; and millions, after an hour without a worker."""
    shop = Shop(SqlStorage(postgresql))
    shop.sync("acme", PRODUCTS)
    shop.fulfil(*placed(shop, 500))
    with postgresql.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    with recorded(postgresql) as statements:
        orders = [shop.accepted(p000=1) for _ in range(50)]
        shop.record_failures({order.id: 1 for order in orders})
        shop.fulfil(*orders)
    assert any("UPDATE orders" in sql for sql, _ in statements)
    with postgresql.connect() as connection:
        for sql, parameters in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN {sql}", parameters).scalars().all()
            assert not any("orders_not_fulfilled" in step for step in plan), plan


def test_a_claim_reads_no_more_than_it_takes(postgresql: Engine) -> None:
    """Not all that waits, to sort it: not even where PostgreSQL has not counted yet."""
    shop = Shop(SqlStorage(postgresql))
    for _ in range(12):
        with recorded(postgresql) as statements:
            shop.relay_messages()
        with postgresql.connect() as connection:
            for sql, parameters in statements:
                plan = connection.exec_driver_sql(f"EXPLAIN {sql}", parameters).scalars().all()
                assert not any("Sort" in step or "Bitmap" in step for step in plan), plan
        with shop.storage.unit_of_work() as uow:
            uow.outbox.announce_individually([next_order_id() for _ in range(100)], NOW)
            uow.commit()

"""Orders in a transaction of somebody's own, beside rows of his own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
from sqlalchemy import Connection, Engine

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.domain.errors import InsufficientStock
from order_aggregator.domain.order import Order
from order_aggregator.domain.use_cases.place_orders import PlaceOrders
from order_aggregator.testing.shop import Shop, wish


class Stop(Exception):
    """The caller changes his mind."""


@pytest.fixture
def shop(engine: Engine) -> Shop:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE carts (name TEXT PRIMARY KEY)")
    shop = Shop(SqlStorage(engine))
    shop.sync("acme", {"apple": 3})
    return shop


@contextmanager
def own_transaction(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql("INSERT INTO carts VALUES ('mine')")
        yield connection
        connection.commit()


def place(shop: Shop, connection: Connection, **quantities: int) -> object:
    storage = shop.storage
    assert isinstance(storage, SqlStorage)
    place_orders = PlaceOrders(partial(storage.unit_of_work, connection), shop.clock)
    [outcome] = place_orders([wish(None, **quantities)])
    return outcome


def carts(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.exec_driver_sql("SELECT name FROM carts").all())


def test_both_are_committed_together(engine: Engine, shop: Shop) -> None:
    with own_transaction(engine) as connection:
        outcome = place(shop, connection, apple=2)
        assert isinstance(outcome, Order)
    assert carts(engine) == 1
    assert shop.order(outcome.id) == outcome
    assert shop.central("apple").reserved == 2
    assert len(shop.relay_messages()) == 1
    shop.fulfil(outcome)
    assert shop.discrepancies() == []


def test_both_are_undone_together(engine: Engine, shop: Shop) -> None:
    with suppress(Stop), own_transaction(engine) as connection:
        assert isinstance(place(shop, connection, apple=2), Order)
        raise Stop
    assert carts(engine) == 0
    assert shop.central("apple").reserved == 0
    assert shop.storage.read_model.orders(0, 1).total == 0
    assert shop.relay_messages() == []


def test_a_refusal_leaves_what_is_the_callers(engine: Engine, shop: Shop) -> None:
    with own_transaction(engine) as connection:
        assert isinstance(place(shop, connection, apple=4), InsufficientStock)
        assert isinstance(place(shop, connection, apple=3), Order)
    assert carts(engine) == 1
    assert shop.central("apple").reserved == 3

"""What becomes of a storage whose server ends its connections: it is told, and then it goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pytest
from sqlalchemy import Engine, create_engine, text

from order_aggregator.adapters.sql import SqlMessageBus, SqlStorage
from order_aggregator.domain.errors import CommitOutcomeUnknown, StorageUnavailable, Unavailable
from order_aggregator.domain.ports.unit_of_work import UnitOfWork
from order_aggregator.domain.stock import StockDelta
from order_aggregator.testing.shop import Shop, reserved_order, wish
from order_aggregator.testing.shop_work import NOW, central, stock_up, work

T = TypeVar("T")
TERMINATE = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
RESERVE_ONE = [StockDelta(product_id="apple", reserved=1)]


@pytest.fixture
def storage(postgresql: Engine) -> SqlStorage:
    return SqlStorage(postgresql)


@pytest.fixture
def cut(postgresql: Engine) -> Callable[[], None]:
    """Ends every connection of the storage, and waits until they have ended."""

    def cut() -> None:
        other = create_engine(postgresql.url)
        with other.connect() as connection:
            assert connection.execute(text(TERMINATE)).all()
        other.dispose()

    return cut


def test_after_its_connections_were_lost_at_most_one_call_fails(
    shop: Shop, cut: Callable[[], None]
) -> None:
    shop.sync("acme", {"apple": 50})
    failures = 0
    for _ in range(3):
        cut()
        for _ in range(3):
            try:
                shop.place(wish(apple=1))
            except StorageUnavailable:
                failures += 1
    placed = shop.storage.read_model.orders(0, 99).total
    assert failures <= 3
    assert placed == 9 - failures
    assert shop.balance("apple") == (50, placed)
    assert shop.discrepancies() == []


def test_reading_heals_too(shop: Shop, cut: Callable[[], None]) -> None:
    shop.sync("acme", {"apple": 50})
    assert shop.balance("apple") == (50, 0)
    cut()
    failures = 0
    for _ in range(3):
        try:
            assert shop.balance("apple") == (50, 0)
        except StorageUnavailable:
            failures += 1
    assert failures <= 1


def test_what_was_not_committed_when_the_connection_was_lost_is_undone(
    storage: SqlStorage, cut: Callable[[], None]
) -> None:
    stock_up(storage, "acme", apple=5)

    def step(uow: UnitOfWork) -> None:
        uow.stock.change(RESERVE_ONE, NOW)
        cut()
        uow.orders.add([reserved_order(NOW, apple=1)])

    with pytest.raises(StorageUnavailable):
        work(storage, step)
    assert central(storage, "apple") == (5, 0)
    work(storage, lambda uow: uow.stock.change(RESERVE_ONE, NOW))
    assert central(storage, "apple") == (5, 1)


def test_a_connection_lost_just_before_the_commit_is_told(
    storage: SqlStorage, cut: Callable[[], None]
) -> None:
    stock_up(storage, "acme", apple=5)

    def step(uow: UnitOfWork) -> None:
        uow.stock.change(RESERVE_ONE, NOW)
        uow.stock.lock(["apple"])  # Any question is sent with what was changed before it.
        cut()

    with pytest.raises(CommitOutcomeUnknown):
        work(storage, step)
    assert central(storage, "apple") == (5, 0)


def test_a_unit_of_work_can_be_left_after_its_connection_was_lost(
    storage: SqlStorage, cut: Callable[[], None]
) -> None:
    stock_up(storage, "acme", apple=5)
    with suppress(StorageUnavailable), storage.unit_of_work() as uow:
        uow.stock.change(RESERVE_ONE, NOW)
        cut()
    assert central(storage, "apple") == (5, 0)


def test_the_table_backed_queue_heals_too(
    shop: Shop, postgresql: Engine, cut: Callable[[], None]
) -> None:
    bus = SqlMessageBus(postgresql, shop.clock)
    bus.publish([b"1"])
    cut()
    with bus.consume() as consumer:
        deliveries, failures = _patiently(lambda: consumer.receive(9, 0))
        assert failures <= 1
        cut()
        _, failures = _patiently(lambda: consumer.acknowledge(deliveries))
        assert failures <= 1
    with bus.consume() as consumer:
        assert consumer.receive(9, 0) == []


def _patiently(call: Callable[[], T]) -> tuple[T, int]:
    """Call until it does not fail; its answer, and how often it failed."""
    failures = 0
    while True:
        try:
            return call(), failures
        except Unavailable:
            failures += 1
            assert failures < 5

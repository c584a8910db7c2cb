"""What every storage promises about transactions: all or nothing, and one after the other.

Fixtures: `storage`: an empty storage.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from uuid import UUID

import pytest

from ..domain.errors import ConstraintViolated
from ..domain.ports.stock_repository import StockRepository
from ..domain.ports.storage import Storage
from ..domain.ports.unit_of_work import UnitOfWork
from ..domain.stock import (
    CentralStock,
    Product,
    StockDelta,
    Vendor,
    VendorStock,
    VendorStockChange,
)
from .shop import reserved_order
from .shop_work import NOW, central, claimed, level, numbers, stock_up, work

RESERVE_ONE = [StockDelta(product_id="apple", reserved=1)]


class _SomethingBroke(Exception):
    pass


def _change_everything(uow: UnitOfWork) -> None:
    uow.stock.accept_report(Vendor(id="bert", name="Bert"), NOW, NOW)
    uow.stock.add_products([Product(id="fig", name="Fig")], NOW)
    uow.stock.lock(["apple", "fig"])
    uow.stock.upsert_vendor_stock([level("bert", "fig", 3)])
    uow.stock.change(
        [
            StockDelta(product_id="apple", reserved=1),
            StockDelta(product_id="fig", on_hand=3),
        ],
        NOW,
    )
    uow.orders.add([reserved_order(NOW, apple=1)])
    uow.outbox.announce([UUID(int=7)], NOW)


def _counts(storage: Storage) -> tuple[int, int, int, tuple[int, int]]:
    read = storage.read_model
    totals = read.stock(0, 9).total, read.vendor_stock(0, 9).total, read.orders(0, 9).total
    return *totals, central(storage, "apple")


def test_a_commit_makes_everything_visible(storage: Storage) -> None:
    stock_up(storage, "acme", apple=5)
    work(storage, _change_everything)
    assert _counts(storage) == (2, 2, 1, (5, 1))
    assert numbers(claimed(storage, until=NOW)) == [7]


def test_leaving_without_a_commit_undoes_everything(storage: Storage) -> None:
    stock_up(storage, "acme", apple=5)
    with storage.unit_of_work() as uow:
        _change_everything(uow)
    assert _counts(storage) == (1, 1, 0, (5, 0))
    assert claimed(storage, until=NOW) == []


def _change_everything_and_break(uow: UnitOfWork) -> None:
    _change_everything(uow)
    raise _SomethingBroke


def _commit_and_break(uow: UnitOfWork) -> None:
    uow.stock.change(RESERVE_ONE, NOW)
    uow.commit()
    raise _SomethingBroke


def _change_everything_and_break_a_rule(uow: UnitOfWork) -> None:
    _change_everything(uow)
    uow.stock.change([StockDelta(product_id="apple", on_hand=-6)], NOW)


def test_leaving_by_an_exception_undoes_everything_and_passes_it_on(storage: Storage) -> None:
    stock_up(storage, "acme", apple=5)
    with pytest.raises(_SomethingBroke):
        work(storage, _change_everything_and_break)
    assert _counts(storage) == (1, 1, 0, (5, 0))
    assert claimed(storage, until=NOW) == []


def test_what_was_committed_stays_when_the_block_then_fails(storage: Storage) -> None:
    stock_up(storage, "acme", apple=5)
    with pytest.raises(_SomethingBroke):
        work(storage, _commit_and_break)
    assert central(storage, "apple") == (5, 1)


def test_a_refused_change_undoes_what_came_before_it(storage: Storage) -> None:
    stock_up(storage, "acme", apple=5)
    with pytest.raises(ConstraintViolated):
        work(storage, _change_everything_and_break_a_rule)
    assert _counts(storage) == (1, 1, 0, (5, 0))


def test_nobody_sees_changes_before_they_are_committed(storage: Storage) -> None:
    """And readers do not wait for them."""
    stock_up(storage, "acme", apple=5)
    with storage.unit_of_work() as uow:
        _change_everything(uow)
        assert _counts(storage) == (1, 1, 0, (5, 0))
        uow.commit()
    assert _counts(storage) == (2, 2, 1, (5, 1))


def test_a_unit_of_work_sees_its_own_changes(storage: Storage) -> None:
    stock_up(storage, "acme", apple=5)
    with storage.unit_of_work() as uow:
        uow.stock.lock(["apple"])
        uow.stock.change(RESERVE_ONE, NOW)
        assert uow.stock.lock(["apple"])["apple"].reserved == 1
        order = reserved_order(NOW, apple=1)
        uow.orders.add([order])
        assert uow.orders.lock([order.id]) == {order.id: order}
        uow.outbox.announce([UUID(int=7)], NOW)
        assert numbers(uow.outbox.claim(9, NOW, NOW)) == [7]


def test_an_empty_unit_of_work_may_be_committed_or_left(storage: Storage) -> None:
    work(storage, lambda _uow: None)
    with storage.unit_of_work():
        pass


def test_whoever_locks_a_product_second_waits_and_then_sees_what_the_first_committed(
    storage: Storage,
) -> None:
    stock_up(storage, "acme", apple=5)
    locking = Event()

    def second() -> CentralStock:
        with storage.unit_of_work() as uow:
            locking.set()
            return uow.stock.lock(["apple"])["apple"]

    with ThreadPoolExecutor(1) as pool:
        with storage.unit_of_work() as uow:
            uow.stock.lock(["apple"])
            answer = pool.submit(second)
            locking.wait(0.2)
            assert not wait([answer], 0.2).done
            uow.stock.change(RESERVE_ONE, NOW)
            uow.commit()
        assert answer.result(10) == CentralStock(product_id="apple", on_hand=5, reserved=1)


@pytest.mark.parametrize(
    "look",
    [
        lambda stock: stock.lock_vendor_stock(["apple"]),
        lambda stock: stock.lock_top_vendors({"apple": 1}),
    ],
    ids=["lock_vendor_stock", "lock_top_vendors"],
)
def test_whoever_looks_at_vendors_locks_their_products(
    storage: Storage, look: Callable[[StockRepository], list[VendorStock]]
) -> None:
    stock_up(storage, "acme", apple=5)
    with ThreadPoolExecutor(1) as pool:
        with storage.unit_of_work() as uow:
            look(uow.stock)
            reservation = pool.submit(work, storage, lambda uow: uow.stock.lock(["apple"]))
            assert not wait([reservation], 0.2).done
        assert reservation.result(10)
        with storage.unit_of_work() as uow:
            uow.stock.lock(["apple"])
            levels = pool.submit(work, storage, lambda uow: look(uow.stock))
            assert not wait([levels], 0.2).done
            uow.stock.change_vendors(
                [VendorStockChange(product_id="apple", vendor_id="acme", available=-2)]
            )
            uow.commit()
        assert [level.available for level in levels.result(10)] == [3]


def test_whoever_locks_an_order_second_waits_and_then_sees_what_the_first_committed(
    storage: Storage,
) -> None:
    stock_up(storage, "acme", apple=5)
    order = reserved_order(NOW, apple=1)
    work(storage, lambda uow: uow.orders.add([order]))
    failed = order.fail("given up", NOW)

    def second() -> object:
        with storage.unit_of_work() as uow:
            return uow.orders.lock([order.id])[order.id]

    with ThreadPoolExecutor(1) as pool:
        with storage.unit_of_work() as uow:
            uow.orders.lock([order.id])
            answer = pool.submit(second)
            assert not wait([answer], 0.2).done
            uow.orders.save([failed])
            uow.commit()
        assert answer.result(10) == failed


def test_a_lock_ends_with_its_unit_of_work_even_without_a_commit(storage: Storage) -> None:
    stock_up(storage, "acme", apple=5)
    with storage.unit_of_work() as uow:
        uow.stock.lock(["apple"])
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(work, storage, lambda uow: uow.stock.lock(["apple"]))
        assert answer.result(10)

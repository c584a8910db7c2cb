"""What every storage's ledger promises: silence when all is right, and a word on what is not.

Fixtures: `storage`: an empty storage. `shop`: `Shop(storage)`.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from ..domain.order import Allocation, Order, OrderStatus
from ..domain.ports.ledger import ARCHIVED, Discrepancy
from ..domain.ports.unit_of_work import UnitOfWork
from ..domain.stock import StockDelta, VendorStock, VendorStockChange
from ..domain.vendor_sync import StockAdjustment
from .shop import Shop, reserved_order, wish
from .shop_work import level, work


@pytest.fixture
def busy(shop: Shop) -> Shop:
    """A shop that has seen everything: reports, orders in every status, stock fallen short."""
    shop.sync("acme", {"apple": 10, "pear": 6})
    before = shop.clock.now()
    shop.sync("bert", {"apple": 5, "fig": 2})
    shop.pass_time(minutes=1)
    fulfilled, failed = shop.accepted(apple=12, pear=1), shop.accepted(pear=2)
    shop.accepted(apple=2, pear=3)
    shop.fulfil(fulfilled)
    shop.fail_orders({failed.id: "given up"})
    shop.place(wish(apple=99))
    shop.sync("acme", {"apple": 9}, before)
    shop.pass_time(minutes=1)
    shop.sync("bert", {"fig": 4})
    return shop


def _tamper(shop: Shop, step: Callable[[UnitOfWork], None]) -> set[tuple[str, str, int, int]]:
    """Change something past all use cases; what the ledger then says."""
    work(shop.storage, step)
    return {
        (found.figure, found.subject, found.expected, found.found) for found in shop.discrepancies()
    }


def test_an_empty_storage_has_no_discrepancy(shop: Shop) -> None:
    assert shop.discrepancies() == []


def test_there_is_none_whatever_the_shop_has_seen(busy: Shop) -> None:
    assert busy.discrepancies() == []


def test_vendor_stock_that_no_entry_explains_is_found(shop: Shop) -> None:
    shop.sync("acme", {"apple": 10})

    def step(uow: UnitOfWork) -> None:
        uow.stock.upsert_vendor_stock([level("acme", "apple", 7)])
        uow.stock.change([StockDelta(product_id="apple", on_hand=-3)], shop.clock.now())

    assert _tamper(shop, step) == {("vendor_available", "acme/apple", 10, 7)}


def test_an_entry_that_changed_no_stock_is_found(busy: Shop) -> None:
    entry = StockAdjustment(
        vendor_id="bert", product_id="fig", delta=-1, cause="theft", at=busy.clock.now()
    )
    assert _tamper(busy, lambda uow: uow.stock.record([entry])) == {
        ("vendor_available", "bert/fig", 3, 4)
    }


def test_vendor_stock_that_was_taken_without_an_order_is_found(busy: Shop) -> None:
    change = VendorStockChange(vendor_id="bert", product_id="fig", available=-4)
    assert _tamper(busy, lambda uow: uow.stock.change_vendors([change])) == {
        ("vendor_available", "bert/fig", 4, 0),
        ("on_hand", "fig", 0, 4),
    }


def test_stale_units_that_no_stale_vendor_has_are_found(shop: Shop) -> None:
    shop.sync("acme", {"fig": 5})
    change = StockDelta(product_id="fig", stale=2)
    assert _tamper(shop, lambda uow: uow.stock.change([change], shop.clock.now())) == {
        ("stale", "fig", 0, 2)
    }


def test_what_was_allocated_without_an_order_is_found(shop: Shop) -> None:
    shop.sync("acme", {"fig": 5})
    change = VendorStockChange(vendor_id="acme", product_id="fig", available=0, allocated=2)
    assert _tamper(shop, lambda uow: uow.stock.change_vendors([change])) == {
        ("vendor_allocated", "acme/fig", 0, 2)
    }


def test_what_was_archived_counts_as_allocated(shop: Shop) -> None:
    shop.sync("acme", {"fig": 5})
    entry = StockAdjustment(
        vendor_id="acme", product_id="fig", delta=-2, cause=ARCHIVED, at=shop.clock.now()
    )
    assert _tamper(shop, lambda uow: uow.stock.record([entry])) == {
        ("vendor_available", "acme/fig", 3, 5),
        ("vendor_allocated", "acme/fig", 2, 0),
    }
    change = VendorStockChange(vendor_id="acme", product_id="fig", available=-2, allocated=2)
    work(shop.storage, lambda uow: uow.stock.change_vendors([change]))
    on_hand = StockDelta(product_id="fig", on_hand=-2)
    assert _tamper(shop, lambda uow: uow.stock.change([on_hand], shop.clock.now())) == set()


def test_central_stock_that_no_vendor_has_is_found(busy: Shop) -> None:
    change = StockDelta(product_id="fig", on_hand=3)
    assert _tamper(busy, lambda uow: uow.stock.change([change], busy.clock.now())) == {
        ("on_hand", "fig", 4, 7)
    }


def test_vendor_stock_that_central_stock_lacks_is_found(busy: Shop) -> None:
    added = VendorStock(vendor_id="acme", product_id="fig", available=1, reported=1)
    assert _tamper(busy, lambda uow: uow.stock.upsert_vendor_stock([added])) == {
        ("vendor_available", "acme/fig", 0, 1),
        ("on_hand", "fig", 5, 4),
    }


def test_a_reservation_without_an_order_is_found(busy: Shop) -> None:
    change = StockDelta(product_id="fig", reserved=2)
    assert _tamper(busy, lambda uow: uow.stock.change([change], busy.clock.now())) == {
        ("reserved", "fig", 0, 2)
    }


def test_an_order_without_a_reservation_is_found(busy: Shop) -> None:
    order = reserved_order(busy.clock.now(), fig=2)
    assert _tamper(busy, lambda uow: uow.orders.add([order])) == {("reserved", "fig", 2, 0)}


def _placed(shop: Shop) -> Order:
    shop.sync("acme", {"apple": 10, "pear": 10})
    return shop.accepted(apple=2, pear=1)


def _part(product_id: str, quantity: int) -> Allocation:
    return Allocation(product_id=product_id, vendor_id="acme", quantity=quantity, sequence=quantity)


def _end(shop: Shop, end: Order) -> set[tuple[str, str]]:
    """Settle an order, and with it the stock as its lines and allocations would have it."""

    def step(uow: UnitOfWork) -> None:
        uow.orders.save([end])
        uow.stock.change_vendors(
            [
                VendorStockChange(
                    vendor_id=part.vendor_id,
                    product_id=part.product_id,
                    available=-part.quantity,
                    allocated=part.quantity,
                )
                for part in end.allocations
            ]
        )
        uow.stock.change(
            [
                StockDelta(
                    product_id=line.product_id,
                    reserved=-line.quantity,
                    on_hand=-sum(
                        part.quantity
                        for part in end.allocations
                        if part.product_id == line.product_id
                    ),
                )
                for line in end.lines
            ],
            shop.clock.now(),
        )

    work(shop.storage, step)
    return {(found.figure, found.subject) for found in shop.discrepancies()}


def test_a_fulfilled_order_whose_allocations_are_its_lines_is_right(shop: Shop) -> None:
    order = _placed(shop)
    end = order.fulfil([_part("apple", 2), _part("pear", 1)], shop.clock.now())
    assert _end(shop, end) == set()


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [("apple", 2)],
        [("apple", 1), ("pear", 1)],
        [("apple", 3), ("pear", 1)],
        # The sum is right, and yet each line is wrong.
        [("apple", 1), ("pear", 2)],
    ],
)
def test_a_fulfilled_order_whose_allocations_are_not_its_lines_is_found(
    shop: Shop, parts: list[tuple[str, int]]
) -> None:
    order = _placed(shop)
    end = order.fulfil([_part(*each) for each in parts], shop.clock.now())
    assert _end(shop, end) == {("allocated", str(order.id))}


def test_a_failed_order_that_has_allocations_is_found(shop: Shop) -> None:
    order = _placed(shop)
    failed = order.fail("given up", shop.clock.now())
    end = attrs.evolve(failed, allocations=(_part("apple", 2), _part("pear", 1)))
    assert _end(shop, end) == {("allocated", str(order.id))}


@pytest.mark.parametrize("status", OrderStatus)
def test_an_order_without_lines_is_found(shop: Shop, status: OrderStatus) -> None:
    """Nothing was allocated to it either, so that no other figure differs."""
    order = attrs.evolve(
        reserved_order(shop.clock.now()),
        status=status,
        failure="given up" if status is OrderStatus.FAILED else None,
        expires_at=shop.clock.now() if status is OrderStatus.HELD else None,
    )
    assert _tamper(shop, lambda uow: uow.orders.add([order])) == {
        ("has_lines", str(order.id), 1, 0)
    }


def test_the_figures_of_a_wrong_order_are_told(shop: Shop) -> None:
    order = _placed(shop)
    _end(shop, order.fulfil([_part("apple", 1)], shop.clock.now()))
    assert shop.discrepancies() == [
        Discrepancy(figure="allocated", subject=str(order.id), expected=3, found=1)
    ]


def test_a_wrong_figure_of_stock_says_of_which_vendor_and_product_it_is(shop: Shop) -> None:
    shop.sync("a/b", {"c/d": 5})
    wrong = VendorStockChange(vendor_id="a/b", product_id="c/d", available=-1)
    work(shop.storage, lambda uow: uow.stock.change_vendors([wrong]))
    assert {(x.figure, x.vendor_id, x.product_id) for x in shop.discrepancies()} == {
        ("vendor_available", "a/b", "c/d"),
        ("on_hand", None, "c/d"),
    }


def test_a_wrong_order_says_nothing_of_stock(shop: Shop) -> None:
    order = reserved_order(shop.clock.now())
    work(shop.storage, lambda uow: uow.orders.add([order]))
    assert [(x.vendor_id, x.product_id) for x in shop.discrepancies()] == [(None, None)]


def test_many_discrepancies_are_all_told(shop: Shop) -> None:
    products = [f"product {number}" for number in range(1_200)]
    shop.sync("acme", dict.fromkeys(products, 1))
    changes = [StockDelta(product_id=key, on_hand=1) for key in products]
    found = _tamper(shop, lambda uow: uow.stock.change(changes, shop.clock.now()))
    assert found == {("on_hand", key, 1, 2) for key in products}


def test_looking_at_only_the_first_discrepancy_leaves_nothing_open(busy: Shop) -> None:
    change = StockDelta(product_id="fig", on_hand=3)
    work(busy.storage, lambda uow: uow.stock.change([change], busy.clock.now()))
    discrepancies = busy.storage.ledger.discrepancies()
    assert next(discrepancies).figure == "on_hand"
    discrepancies.close()  # type: ignore[attr-defined]
    busy.accepted(fig=1)

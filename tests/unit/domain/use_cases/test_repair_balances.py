"""Balances that differ from the ledger are made right again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from order_aggregator.domain.ports.ledger import Discrepancy
from order_aggregator.domain.ports.unit_of_work import UnitOfWork
from order_aggregator.domain.stock import StockDelta, VendorStockChange
from order_aggregator.domain.use_cases.repair_balances import BITE, Repair
from order_aggregator.testing.shop import Shop, reserved_order
from order_aggregator.testing.shop_work import work


@pytest.fixture
def shop() -> Shop:
    """Ten apples of acme and two of bert; three apples were sold, and two are reserved."""
    shop = Shop()
    shop.sync("acme", {"apple": 10, "pear": 4})
    shop.sync("bert", {"apple": 2})
    shop.fulfil(shop.accepted(apple=3))
    shop.accepted(apple=2)
    return shop


def _break(shop: Shop, *steps: Callable[[UnitOfWork], None]) -> None:
    for step in steps:
        work(shop.storage, step)


def _central(shop: Shop, **change: int) -> Callable[[UnitOfWork], None]:
    delta = StockDelta(product_id="apple", **change)
    return lambda uow: uow.stock.change([delta], shop.clock.now())


def _vendor(**change: int) -> Callable[[UnitOfWork], None]:
    changed = VendorStockChange(vendor_id="acme", product_id="apple", **change)
    return lambda uow: uow.stock.change_vendors([changed])


def _repaired(shop: Shop, *, keep: bool = True) -> set[tuple[str, str, int, int]]:
    found = set()
    for entry in shop.repair_balances(keep=keep):
        assert isinstance(entry, Repair)
        each = entry.discrepancy
        found.add((each.figure, each.subject, each.expected, each.found))
    return found


def test_nothing_is_written_where_all_is_right(shop: Shop) -> None:
    assert _repaired(shop) == set()
    assert shop.balance("apple") == (9, 2)


def test_central_stock_is_what_vendors_have_and_orders_reserve(shop: Shop) -> None:
    _break(shop, _central(shop, on_hand=4, reserved=3, stale=1))
    assert _repaired(shop) == {
        ("on_hand", "apple", 9, 13),
        ("reserved", "apple", 2, 5),
        ("stale", "apple", 0, 1),
    }
    assert shop.discrepancies() == []
    assert shop.balance("apple") == (9, 2)


def test_what_buyers_are_shown_of_a_vendor_stays_and_an_entry_explains_it(shop: Shop) -> None:
    before = shop.vendor_units("apple")
    _break(shop, _vendor(available=-2), _central(shop, on_hand=-2))
    [entry] = shop.repair_balances()
    assert isinstance(entry, Repair)
    assert entry.adjustment is not None
    assert (entry.adjustment.delta, entry.adjustment.cause) == (-2, "repair")
    assert shop.vendor_units("apple") == before | {"acme": before["acme"] - 2}
    assert shop.discrepancies() == []


def test_units_that_were_never_allocated_do_not_count_as_such(shop: Shop) -> None:
    _break(shop, _vendor(available=0, allocated=5))
    shop.sync("acme", {"apple": 10, "pear": 4})
    shop.pass_time(days=3)
    shop.sync("acme", {"apple": 12, "pear": 4})
    entries = [*shop.repair_balances()]
    # The report of three days later had counted all that was allocated, and with it those five.
    assert [(x.counted, x.discrepancy.expected) for x in entries if isinstance(x, Repair)] == [
        (3, 3)
    ]
    assert shop.discrepancies() == []
    shop.pass_time(days=3)
    shop.sync("acme", {"apple": 12, "pear": 5})
    assert shop.vendor_units("apple")["acme"] == 12


def test_a_report_may_come_after_units_were_taken_back_that_were_never_allocated(
    shop: Shop,
) -> None:
    """The total that was seen with them counts no more."""
    before = shop.clock.now()
    shop.pass_time(minutes=1)
    _break(shop, _vendor(available=0, allocated=5))
    shop.sync("acme", {"apple": 11, "pear": 4}, before)
    _repaired(shop)
    shop.pass_time(days=3)
    shop.sync("acme", {"apple": 12, "pear": 4})
    assert shop.discrepancies() == []


def test_a_reservation_that_was_lost_is_back_though_there_is_not_enough_any_more(
    shop: Shop,
) -> None:
    shop.pass_time(minutes=1)
    shop.accepted(apple=7)
    shop.pass_time(minutes=1)
    shop.sync("acme", {"apple": 4, "pear": 4})
    on_hand = shop.central("apple").on_hand
    _break(shop, _central(shop, reserved=-8))
    assert _repaired(shop) == {("reserved", "apple", 9, 1)}
    assert shop.balance("apple") == (on_hand, 9)
    assert on_hand < 9
    assert shop.discrepancies() == []


def test_an_order_that_is_wrong_itself_remains_for_a_person(shop: Shop) -> None:
    order = reserved_order(shop.clock.now())
    _break(shop, lambda uow: uow.orders.add([order]), _central(shop, on_hand=1))
    first, second = shop.repair_balances()
    assert isinstance(first, Repair)
    remaining = Discrepancy(figure="has_lines", subject=str(order.id), expected=1, found=0)
    assert second == remaining
    assert shop.discrepancies() == [remaining]


def test_a_dry_run_says_the_same_and_changes_nothing(shop: Shop) -> None:
    _break(
        shop,
        _central(shop, on_hand=4, reserved=3, stale=1),
        _vendor(available=-2, allocated=1),
    )
    before = shop.discrepancies()
    would = _repaired(shop, keep=False)
    assert shop.discrepancies() == before
    assert (
        _repaired(shop)
        == would
        == {(each.figure, each.subject, each.expected, each.found) for each in before}
    )
    assert shop.discrepancies() == []


def test_more_products_than_one_transaction_takes_are_all_repaired(shop: Shop) -> None:
    products = [f"product {number:03}" for number in range(BITE + 1)]
    shop.sync("acme", dict.fromkeys([*products, "apple", "pear"], 7))
    changes = [StockDelta(product_id=key, on_hand=1) for key in products]
    _break(shop, lambda uow: uow.stock.change(changes, shop.clock.now()))
    assert len(_repaired(shop)) == BITE + 1
    assert shop.discrepancies() == []

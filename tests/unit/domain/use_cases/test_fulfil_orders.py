"""Fulfilling orders: deduct everywhere or nowhere, once, and never at a neighbour's cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.domain.allocation import (
    AllocationPolicy,
    Offer,
    VendorAllocations,
    highest_first,
    highest_then_even,
)
from order_aggregator.domain.errors import InvalidPlan, UnknownOrder, VendorShortage
from order_aggregator.domain.order import Allocation, Order, OrderStatus
from order_aggregator.testing.shop import Shop, next_order_id, wish


@pytest.fixture
def shop() -> Shop:
    """Sells 7 apples of two vendors and 3 pears of one."""
    return _stocked(Shop(policy=highest_first))


def _stocked(shop: Shop) -> Shop:
    shop.sync("acme", {"apple": 5, "pear": 3})
    shop.sync("bert", {"apple": 2})
    return shop


def test_fulfilling_deducts_from_vendors_and_central_stock_and_marks_the_order(shop: Shop) -> None:
    order = shop.accepted(apple=6, pear=1)
    shop.pass_time(seconds=9)
    [fulfilled] = shop.fulfil(order)
    assert isinstance(fulfilled, Order)
    assert fulfilled == shop.order(order.id)
    assert (fulfilled.status, fulfilled.updated_at) == (OrderStatus.FULFILLED, shop.clock.now())
    assert fulfilled.allocations == (
        Allocation(product_id="apple", vendor_id="acme", quantity=5, sequence=5),
        Allocation(product_id="apple", vendor_id="bert", quantity=1, sequence=1),
        Allocation(product_id="pear", vendor_id="acme", quantity=1, sequence=1),
    )
    assert shop.balance("apple") == (1, 0)
    assert shop.vendor_units("apple") == {"acme": 0, "bert": 1}
    assert shop.vendor_units("pear") == {"acme": 2}
    assert shop.discrepancies() == []


def test_a_redelivered_order_changes_nothing_and_is_answered_as_it_is(shop: Shop) -> None:
    order = shop.accepted(apple=2)
    [first] = shop.fulfil(order)
    shop.pass_time(seconds=9)
    assert shop.fulfil(order, order) == [first, first]
    assert shop.balance("apple") == (5, 0)


def test_an_order_that_stands_twice_in_a_batch_is_fulfilled_once(shop: Shop) -> None:
    order = shop.accepted(apple=2)
    first, second = shop.fulfil(order, order)
    assert first == second == shop.order(order.id)
    assert shop.balance("apple") == (5, 0)


def test_a_failed_order_stays_failed(shop: Shop) -> None:
    order = shop.accepted(apple=2)
    shop.fail_orders({order.id: "given up"})
    [outcome] = shop.fulfil(order)
    assert outcome == shop.order(order.id)
    assert isinstance(outcome, Order)
    assert outcome.status is OrderStatus.FAILED
    assert shop.balance("apple") == (7, 0)


def test_an_unknown_order_is_an_error_of_its_own(shop: Shop) -> None:
    order = shop.accepted(apple=2)
    unknown = attrs.evolve(order, id=next_order_id())
    error, fulfilled = shop.fulfil(unknown, order)
    assert isinstance(error, UnknownOrder)
    assert error.order_id == unknown.id
    assert isinstance(fulfilled, Order)


def test_an_empty_batch_is_answered_with_nothing(shop: Shop) -> None:
    assert shop.fulfil() == []


def test_a_batch_takes_from_what_the_orders_before_have_left(shop: Shop) -> None:
    orders = [shop.accepted(apple=3), shop.accepted(apple=3), shop.accepted(apple=1)]
    outcomes = shop.fulfil(*orders)
    assert [type(outcome) for outcome in outcomes] == [Order] * 3
    assert shop.vendor_units("apple") == {"acme": 0, "bert": 0}
    assert shop.discrepancies() == []


def test_of_a_batch_the_oldest_order_is_first_served_however_it_is_given(shop: Shop) -> None:
    older, newer = shop.accepted(apple=4), shop.accepted(apple=3)
    shop.sync("acme", {"apple": 2})
    newer_outcome, older_outcome = shop.fulfil(newer, older)
    assert isinstance(older_outcome, Order)
    assert isinstance(newer_outcome, VendorShortage)


def test_a_shortage_keeps_its_order_reserved_and_the_neighbours_unharmed(shop: Shop) -> None:
    orders = [shop.accepted(pear=1), shop.accepted(apple=5, pear=1), shop.accepted(pear=1)]
    shop.sync("acme", {"apple": 1, "pear": 2})
    first, short, last = shop.fulfil(*orders)
    assert isinstance(short, VendorShortage)
    assert (short.shortage.product_id, short.shortage.available) == ("apple", 3)
    assert isinstance(first, Order)
    assert isinstance(last, Order)
    assert shop.order(orders[1].id) == orders[1]
    assert shop.balance("apple") == (3, 5)
    assert shop.balance("pear") == (0, 1)
    assert shop.discrepancies() == []


def test_an_order_that_was_short_is_fulfilled_once_a_vendor_has_more(shop: Shop) -> None:
    order = shop.accepted(pear=3)
    shop.sync("acme", {"pear": 0})
    assert isinstance(shop.fulfil(order)[0], VendorShortage)
    shop.sync("bert", {"pear": 3})
    assert isinstance(shop.fulfil(order)[0], Order)
    assert shop.vendor_units("pear") == {"acme": 0, "bert": 0}


def _fails_on_three(quantity: int, offers: Sequence[Offer]) -> Mapping[str, int]:
    if quantity == 3:
        raise ZeroDivisionError("a bug of the policy")
    return highest_then_even(quantity, offers)


def _cheats_on_three(quantity: int, offers: Sequence[Offer]) -> Mapping[str, int]:
    return highest_then_even(quantity - (quantity == 3), offers)


@pytest.mark.parametrize(
    ("policy", "error"), [(_fails_on_three, ZeroDivisionError), (_cheats_on_three, InvalidPlan)]
)
def test_a_policy_that_fails_on_one_order_leaves_its_neighbours_unharmed(
    policy: AllocationPolicy, error: type[Exception]
) -> None:
    shop = _stocked(Shop(policy=policy))
    orders = [shop.accepted(apple=2), shop.accepted(apple=1, pear=3), shop.accepted(apple=2)]
    first, failed, last = shop.fulfil(*orders)
    assert isinstance(failed, error)
    assert isinstance(first, Order)
    assert isinstance(last, Order)
    assert shop.order(orders[1].id) == orders[1]
    assert shop.balance("apple") == (3, 1)
    assert shop.balance("pear") == (3, 3)
    assert shop.discrepancies() == []


def test_a_report_made_while_the_vendors_are_chosen_has_not_counted_the_units() -> None:
    shop: Shop

    def slow(quantity: int, offers: Sequence[Offer]) -> Mapping[str, int]:
        shop.pass_time(minutes=1)
        return highest_first(quantity, offers)

    shop = _stocked(Shop(policy=slow))
    order = shop.accepted(apple=2)
    begun = shop.clock.now()
    shop.fulfil(order)
    shop.sync("acme", {"apple": 5, "pear": 3}, begun + timedelta(seconds=30))
    assert shop.vendor_units("apple") == {"acme": 3, "bert": 2}


@given(
    stock=st.lists(st.integers(0, 6), min_size=1, max_size=8),
    quantities=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    policy=st.sampled_from([highest_first, highest_then_even]),
)
def test_a_batch_is_planned_as_if_every_vendor_were_looked_at(
    stock: list[int], quantities: list[int], policy: AllocationPolicy
) -> None:
    shop = Shop(policy=policy)
    for number, units in enumerate(stock):
        shop.sync(f"v{number}", {"apple": units})
    orders = [order for each in quantities for order in shop.place(wish(None, apple=each))]
    accepted = [order for order in orders if isinstance(order, Order)]
    with shop.storage.unit_of_work() as uow:
        of_all = VendorAllocations(uow.stock.lock_vendor_stock(["apple"]), policy)
    expected = [tuple(of_all.allocate(order)) for order in accepted]
    fulfilled = shop.fulfil(*accepted)
    assert [each.allocations for each in fulfilled if isinstance(each, Order)] == expected

"""Giving orders up: what they held is released, once."""

from __future__ import annotations

import pytest

from order_aggregator.domain.order import OrderStatus
from order_aggregator.testing.shop import Shop, next_order_id


@pytest.fixture
def shop() -> Shop:
    """Sells 5 apples and 3 pears."""
    shop = Shop()
    shop.sync("acme", {"apple": 5, "pear": 3})
    return shop


def test_failing_releases_the_reservation_and_writes_down_the_reason(shop: Shop) -> None:
    order = shop.accepted(apple=2, pear=1)
    shop.pass_time(seconds=9)
    shop.fail_orders({order.id: "no vendor has it"})
    failed = shop.order(order.id)
    assert (failed.status, failed.failure) == (OrderStatus.FAILED, "no vendor has it")
    assert failed.updated_at == shop.clock.now()
    assert failed.allocations == ()
    assert shop.balance("apple") == (5, 0)
    assert shop.balance("pear") == (3, 0)
    assert shop.discrepancies() == []


def test_a_batch_fails_each_order_for_its_own_reason(shop: Shop) -> None:
    first, kept, last = (shop.accepted(apple=1) for _ in range(3))
    shop.fail_orders({first.id: "one", last.id: "two"})
    assert [shop.order(order.id).failure for order in (first, kept, last)] == ["one", None, "two"]
    assert shop.balance("apple") == (5, 1)


def test_failing_again_releases_nothing_and_keeps_the_first_reason(shop: Shop) -> None:
    order, other = shop.accepted(apple=2), shop.accepted(apple=2)
    shop.fail_orders({order.id: "first"})
    shop.pass_time(seconds=9)
    failed = shop.order(order.id)
    shop.fail_orders({order.id: "second", other.id: "other"})
    assert shop.order(order.id) == failed
    assert shop.balance("apple") == (5, 0)


def test_a_fulfilled_order_stays_fulfilled(shop: Shop) -> None:
    order = shop.accepted(apple=2)
    [fulfilled] = shop.fulfil(order)
    shop.fail_orders({order.id: "too late"})
    assert shop.order(order.id) == fulfilled
    assert shop.balance("apple") == (3, 0)
    assert shop.discrepancies() == []


def test_unknown_orders_are_passed_over(shop: Shop) -> None:
    order = shop.accepted(apple=2)
    shop.fail_orders({next_order_id(): "who?", order.id: "given up"})
    assert shop.order(order.id).status is OrderStatus.FAILED


def test_what_was_released_can_be_sold_again(shop: Shop) -> None:
    shop.fail_orders({shop.accepted(apple=5).id: "given up"})
    shop.accepted(apple=5)

"""Withdrawing orders."""

from __future__ import annotations

import pytest

from order_aggregator.domain.errors import IllegalTransition, UnknownOrder
from order_aggregator.domain.order import Order, OrderStatus
from order_aggregator.testing.shop import Shop, next_order_id


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.sync("acme", {"apple": 5})
    return shop


def test_a_reserved_order_is_cancelled_and_its_stock_is_free_at_once(shop: Shop) -> None:
    order = shop.accepted(apple=5)
    shop.pass_time(minutes=1)
    cancelled = shop.cancel(order.id)[order.id]
    assert isinstance(cancelled, Order)
    assert (cancelled.status, cancelled.updated_at) == (OrderStatus.CANCELLED, shop.clock.now())
    assert shop.balance("apple") == (5, 0)
    shop.accepted(apple=5)
    assert shop.discrepancies() == []


def test_cancelling_again_changes_nothing(shop: Shop) -> None:
    order = shop.accepted(apple=2)
    first = shop.cancel(order.id)
    shop.pass_time(minutes=1)
    assert shop.cancel(order.id) == first
    assert shop.balance("apple") == (5, 0)


def test_a_cancelled_order_is_not_fulfilled(shop: Shop) -> None:
    order = shop.accepted(apple=2)
    shop.cancel(order.id)
    [outcome] = shop.fulfil(order)
    assert isinstance(outcome, Order)
    assert outcome.status is OrderStatus.CANCELLED
    assert shop.balance("apple") == (5, 0)


def test_what_cannot_be_cancelled_does_not_keep_others_from_it(shop: Shop) -> None:
    fulfilled, reserved = shop.accepted(apple=1), shop.accepted(apple=2)
    shop.fulfil(fulfilled)
    stranger = next_order_id()
    outcomes = shop.cancel(fulfilled.id, stranger, reserved.id)
    assert isinstance(outcomes[fulfilled.id], IllegalTransition)
    assert str(outcomes[fulfilled.id]).endswith("is fulfilled: cannot be cancelled")
    assert isinstance(outcomes[stranger], UnknownOrder)
    assert shop.order(reserved.id).status is OrderStatus.CANCELLED
    assert shop.balance("apple") == (4, 0)
    assert shop.discrepancies() == []

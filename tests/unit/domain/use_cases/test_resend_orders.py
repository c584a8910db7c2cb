"""Announcing again the orders that nobody fulfilled."""

from __future__ import annotations

import pytest

from order_aggregator.domain.use_cases.resend_orders import BATCH
from order_aggregator.testing.shop import RESEND_AFTER, Shop, announced, wish


@pytest.fixture
def shop() -> Shop:
    """Sells plenty of apples."""
    shop = Shop()
    shop.sync("acme", {"apple": 100_000})
    return shop


def relay(shop: Shop) -> int:
    """Send what waits, and remove it; how many messages that was."""
    sent = len(shop.relay_messages())
    shop.relay_messages.finish()
    return sent


def test_an_order_that_stays_reserved_too_long_is_announced_again(shop: Shop) -> None:
    order = shop.accepted(apple=1)
    relay(shop)
    shop.clock.advance(RESEND_AFTER)
    assert shop.resend_orders() == []
    shop.pass_time(microseconds=1)
    assert shop.resend_orders() == [order.id]
    assert relay(shop) == 1
    with shop.bus.consume() as consumer:
        deliveries = consumer.receive(10, 0)
        consumer.acknowledge(deliveries)
    assert announced(deliveries) == [order.id, order.id]


def test_it_is_announced_once_in_each_such_span(shop: Shop) -> None:
    order = shop.accepted(apple=1)
    for _ in range(3):
        relay(shop)
        shop.clock.advance(RESEND_AFTER)
        shop.pass_time(seconds=1)
        assert shop.resend_orders() == [order.id]
        assert shop.resend_orders() == []


def test_an_order_whose_message_still_waits_is_not_announced_again(shop: Shop) -> None:
    lost = shop.accepted(apple=1)
    relay(shop)
    shop.pass_time(seconds=1)
    waiting = shop.accepted(apple=1)
    shop.pass_time(days=1)
    assert shop.resend_orders() == [lost.id]
    assert shop.resend_orders() == []
    shop.pass_time(days=1)
    relay(shop)
    assert sorted(shop.resend_orders()) == sorted([lost.id, waiting.id])


def test_an_order_whose_own_message_still_waits_is_not_announced_again(shop: Shop) -> None:
    order = shop.accepted(apple=1)
    relay(shop)
    shop.pass_time(seconds=1)
    shop.separate_orders([order.id])
    shop.pass_time(days=1)
    assert shop.resend_orders() == []


def test_orders_that_have_ended_are_left_alone(shop: Shop) -> None:
    fulfilled, failed = shop.accepted(apple=1), shop.accepted(apple=1)
    shop.fulfil(fulfilled)
    shop.fail_orders({failed.id: "given up"})
    shop.pass_time(days=1)
    assert shop.resend_orders() == []


def test_orders_stay_as_they_are(shop: Shop) -> None:
    order = shop.accepted(apple=1)
    relay(shop)
    shop.pass_time(days=1)
    assert shop.resend_orders() == [order.id]
    assert shop.order(order.id) == order
    assert shop.discrepancies() == []


def test_one_call_resends_one_batch(shop: Shop) -> None:
    shop.place(*(wish(apple=1) for _ in range(BATCH + 5)))
    relay(shop)
    shop.pass_time(days=1)
    sizes = []
    for _ in range(3):
        sizes.append(len(shop.resend_orders()))
        relay(shop)
    assert sizes == [BATCH, 5, 0]


def test_an_order_whose_failures_are_recorded_is_not_announced_meanwhile(shop: Shop) -> None:
    order = shop.accepted(apple=1)
    relay(shop)
    for attempt in (1, 2):
        shop.clock.advance(RESEND_AFTER)
        shop.record_failures({order.id: attempt})
        shop.pass_time(seconds=1)
        assert shop.resend_orders() == []
    shop.clock.advance(RESEND_AFTER)
    assert shop.resend_orders() == [order.id]


def test_an_order_that_is_announced_again_is_suspected_as_soon_as_any_other(shop: Shop) -> None:
    order = shop.accepted(apple=1)
    relay(shop)
    shop.record_failures({order.id: 8})
    assert shop.find_suspects({order.id: 9}) == set()
    shop.pass_time(days=1)
    shop.resend_orders()
    assert shop.find_suspects({order.id: 3}) == {order.id}

"""Announcing orders again, each by itself."""

from __future__ import annotations

import pytest

from order_aggregator.adapters.wire import decode
from order_aggregator.testing.shop import Shop, next_order_id, wish


@pytest.fixture
def shop() -> Shop:
    """Sells plenty of apples."""
    shop = Shop()
    shop.sync("acme", {"apple": 100})
    return shop


def _announced(shop: Shop) -> list[list[object]]:
    return [list(decode(body)) for body in shop.relay_messages()]


def test_each_order_has_a_message_of_its_own(shop: Shop) -> None:
    commands = [wish(apple=1) for _ in range(3)]
    shop.place(*commands)
    order_ids = [command.order_id for command in commands]
    assert _announced(shop) == [order_ids]
    assert shop.separate_orders([*order_ids, *order_ids]) == order_ids
    assert _announced(shop) == [[order_id] for order_id in order_ids]


def test_orders_that_have_ended_are_left_out_and_unknown_ones_are_not(shop: Shop) -> None:
    fulfilled, failed, reserved = (shop.accepted(apple=1) for _ in range(3))
    shop.fulfil(fulfilled)
    shop.fail_orders({failed.id: "given up"})
    unknown = next_order_id()
    shop.relay_messages()
    ids = [fulfilled.id, failed.id, reserved.id, unknown]
    assert shop.separate_orders(ids) == [reserved.id, unknown]
    assert _announced(shop) == [[reserved.id], [unknown]]
    assert shop.separate_orders([fulfilled.id]) == []
    assert _announced(shop) == []

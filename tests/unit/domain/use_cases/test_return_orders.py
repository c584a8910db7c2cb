"""Taking units back."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from order_aggregator.domain.errors import (
    IdempotencyKeyReused,
    IllegalTransition,
    ReturnRefused,
    UnknownOrder,
)
from order_aggregator.domain.order import Order, OrderStatus, ReturnLine
from order_aggregator.domain.use_cases.idempotency import RequestKey
from order_aggregator.domain.use_cases.return_orders import ReturnOrder
from order_aggregator.testing.shop import Shop, next_order_id


@pytest.fixture
def shop() -> Shop:
    """Two vendors, of which an order of apples needs both."""
    shop = Shop()
    shop.sync("acme", {"apple": 5, "pear": 3})
    shop.sync("bert", {"apple": 4})
    return shop


@pytest.fixture
def order(shop: Shop) -> Order:
    order = shop.accepted(apple=8, pear=1)
    shop.fulfil(order)
    return shop.order(order.id)


def _return(
    shop: Shop, order: Order, *lines: dict[str, Any], restock: bool = True, key: str | None = None
) -> Order:
    request = None if key is None else RequestKey(key=key, digest=str(lines))
    told = tuple(ReturnLine(**line) for line in lines) or None
    command = ReturnOrder(order_id=order.id, lines=told, restock=restock)
    shop.order_actions.give_back.once(command, str, request)
    return shop.order(order.id)


def _returned(order: Order) -> dict[tuple[str, str], int]:
    return {(p.vendor_id, p.product_id): p.returned for p in order.allocations if p.returned}


def test_all_of_an_order_goes_back_to_where_it_came_from(shop: Shop, order: Order) -> None:
    shop.pass_time(minutes=1)
    returned = _return(shop, order)
    assert (returned.status, returned.updated_at) == (OrderStatus.RETURNED, shop.clock.now())
    assert shop.vendor_units("apple") == {"acme": 5, "bert": 4}
    assert (shop.balance("apple"), shop.balance("pear")) == ((9, 0), (3, 0))
    assert shop.discrepancies() == []


def test_a_part_comes_back_and_then_the_rest(shop: Shop, order: Order) -> None:
    part = _return(shop, order, {"product_id": "apple", "quantity": 2, "vendor_id": "bert"})
    assert part.status is OrderStatus.FULFILLED
    assert _returned(part) == {("bert", "apple"): 2}
    assert shop.balance("apple") == (3, 0)
    _return(shop, order, {"product_id": "apple", "quantity": 5})
    assert shop.order(order.id).status is OrderStatus.FULFILLED
    assert _return(shop, order).status is OrderStatus.RETURNED
    assert shop.balance("apple") == (9, 0)
    assert shop.discrepancies() == []


def test_what_is_not_restocked_is_on_sale_nowhere(shop: Shop, order: Order) -> None:
    returned = _return(shop, order, restock=False)
    assert returned.status is OrderStatus.RETURNED
    assert (shop.balance("apple"), shop.balance("pear")) == ((1, 0), (2, 0))
    assert shop.discrepancies() == []


def test_what_comes_back_to_a_vendor_that_has_retired_is_on_sale_nowhere(
    shop: Shop, order: Order
) -> None:
    for part in order.allocations:
        shop.vendor_actions.retire(part.vendor_id)
    returned = _return(shop, order)
    assert returned.status is OrderStatus.RETURNED
    assert {shop.central(line.product_id).available for line in order.lines} == {0}
    assert shop.discrepancies() == []


def test_no_later_report_counts_it_twice(shop: Shop, order: Order) -> None:
    _return(shop, order)
    shop.pass_time(minutes=2)
    # By now the vendor has counted the order, and what came back of it.
    shop.sync("acme", {"apple": 5, "pear": 3})
    assert shop.vendor_units("apple")["acme"] == 5
    # Or it has not taken it in yet.
    shop.pass_time(minutes=1)
    shop.sync("acme", {"apple": 1, "pear": 2})
    assert shop.vendor_units("apple")["acme"] == 1
    assert shop.discrepancies() == []


def test_what_comes_back_to_a_silent_vendor_is_not_promised(shop: Shop, order: Order) -> None:
    with shop.storage.unit_of_work() as uow:
        uow.stock.begin_quarantine("bert", shop.clock.now())
        uow.commit()
    shop.pass_time(minutes=1)
    shop.withhold_stale_stock()
    _return(shop, order)
    # Where it had nothing left, it is noticed a few seconds later.
    shop.withhold_stale_stock()
    level = shop.central("apple")
    assert (level.on_hand, level.stale, level.available) == (9, 4, 5)
    assert shop.discrepancies() == []


@pytest.mark.parametrize(
    "lines",
    [
        [{"product_id": "apple", "quantity": 9}],
        [{"product_id": "apple", "quantity": 5}, {"product_id": "apple", "quantity": 4}],
        [{"product_id": "pear", "quantity": 1, "vendor_id": "bert"}],
        [{"product_id": "kiwi", "quantity": 1}],
    ],
)
def test_no_more_comes_back_than_was_supplied(
    shop: Shop, order: Order, lines: list[dict[str, Any]]
) -> None:
    with pytest.raises(ReturnRefused):
        _return(shop, order, *lines)
    assert shop.order(order.id) == order
    assert shop.balance("apple") == (1, 0)


def test_a_request_with_a_key_is_carried_out_once(shop: Shop, order: Order) -> None:
    one = {"product_id": "apple", "quantity": 1}
    first = _return(shop, order, one, key="rma-1")
    assert _return(shop, order, one, key="rma-1") == first
    with pytest.raises(IdempotencyKeyReused):
        _return(shop, order, one, one, key="rma-1")
    assert shop.balance("apple") == (2, 0)


def test_only_what_was_fulfilled_comes_back(shop: Shop) -> None:
    reserved = shop.accepted(apple=1)
    with pytest.raises(IllegalTransition, match="is reserved: cannot be returned"):
        _return(shop, reserved)
    with pytest.raises(UnknownOrder):
        shop.order_actions.give_back.once(ReturnOrder(order_id=next_order_id()), str, None)


def test_an_order_comes_back_once(shop: Shop, order: Order) -> None:
    _return(shop, order)
    with pytest.raises(IllegalTransition, match="is returned: cannot be returned"):
        _return(shop, order)


def test_each_of_a_batch_comes_back_or_says_why_not(shop: Shop, order: Order) -> None:
    other, reserved, unknown = shop.accepted(pear=2), shop.accepted(apple=1), next_order_id()
    shop.fulfil(other)
    two = ReturnLine(product_id="apple", quantity=2)
    commands = [
        ReturnOrder(order_id=order.id, lines=(two,)),
        ReturnOrder(order_id=other.id, restock=False),
        ReturnOrder(order_id=reserved.id),
        ReturnOrder(order_id=unknown),
    ]
    on_hand, _ = shop.balance("apple")
    outcomes = shop.order_actions.give_back(commands)
    assert [type(outcomes[command.order_id]) for command in commands] == [
        Order,
        Order,
        IllegalTransition,
        UnknownOrder,
    ]
    assert outcomes[other.id] == shop.order(other.id)
    assert (shop.balance("apple")[0], shop.balance("pear")[0]) == (on_hand + 2, 0)
    again = ReturnOrder(order_id=order.id, lines=(attrs.evolve(two, quantity=7),))
    assert isinstance(shop.order_actions.give_back([again])[order.id], ReturnRefused)
    assert shop.discrepancies() == []

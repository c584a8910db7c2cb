"""What limits of orders promise, on every storage.

Fixtures: `storage`: an empty storage. `shop`: the use cases on it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import partial
from random import Random

import attrs
import pytest

from ..domain.errors import InsufficientStock, OrderRefused, OrderTooLarge, TooManyOpenOrders
from ..domain.order import OnShortage, Order, OrderStatus
from ..domain.stock import ProductLimits
from ..domain.use_cases.order_holds import OrderHold, OrderHolds
from ..domain.use_cases.order_limits import OrderLimits
from ..domain.use_cases.place_orders import PlaceOrder, PlaceOrders
from .race import race
from .shop import Shop, next_order_id, wish
from .shop_work import work

PRODUCTS = [f"product {letter}" for letter in "abcdefgh"]


def _limited(shop: Shop, limits: OrderLimits) -> PlaceOrders:
    return PlaceOrders(shop.storage.unit_of_work, shop.clock, shop.shared_clock, limits)


def _of(reference: str | None, **quantities: int) -> PlaceOrder:
    return attrs.evolve(wish(None, **quantities), reference=reference)


def _kinds(outcomes: Collection[Order | OrderRefused]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def _open(shop: Shop, *references: str) -> Mapping[str, int]:
    return work(shop.storage, lambda uow: dict(uow.orders.count_open(references)))


def test_open_orders_are_counted_by_reference(shop: Shop) -> None:
    shop.sync("acme", {"apple": 10})
    shop.set_product("apple", None, ProductLimits(backorder_limit=10))
    waiting = attrs.evolve(_of("mine", apple=12), on_shortage=OnShortage.BACKORDER)
    orders = shop.place(
        _of("mine", apple=1),
        _of("mine", apple=1),
        _of("O'\"{\\}, other", apple=1),
        _of(None, apple=1),
        attrs.evolve(_of("mine", apple=1), hold_for=timedelta(hours=1)),
        waiting,
    )
    assert _kinds(orders) == [Order] * 6
    references = ("mine", "O'\"{\\}, other", "nobody's")
    assert _open(shop, *references) == {"mine": 4, "O'\"{\\}, other": 1}
    fulfilled, cancelled, *_ = orders
    assert isinstance(fulfilled, Order)
    assert isinstance(cancelled, Order)
    shop.fulfil(fulfilled)
    shop.cancel(cancelled.id)
    assert _open(shop, "mine") == {"mine": 2}


def test_as_many_orders_as_may_be_are_open(shop: Shop) -> None:
    shop.sync("acme", {"apple": 10})
    place = _limited(shop, OrderLimits(max_open_per_reference=2))
    hold = attrs.evolve(_of("mine", apple=1), hold_for=timedelta(hours=1))
    first = place([_of("mine", apple=1), hold, _of("mine", apple=1), _of("yours", apple=1)])
    assert _kinds(first) == [Order, Order, TooManyOpenOrders, Order]
    assert _kinds(place([_of("mine", apple=1), _of(None, apple=1)])) == [TooManyOpenOrders, Order]
    assert shop.balance("apple") == (10, 4)
    assert isinstance(first[0], Order)
    shop.cancel(first[0].id)
    assert _kinds(place([_of("mine", apple=1)] * 2)) == [Order, Order]
    assert shop.discrepancies() == []


def test_what_is_refused_takes_no_room(shop: Shop) -> None:
    shop.sync("acme", {"apple": 1})
    place = _limited(shop, OrderLimits(max_open_per_reference=1))
    outcomes = place([_of("mine", apple=2), _of("mine", apple=1)])
    assert _kinds(outcomes) == [InsufficientStock, Order]


def test_an_order_that_may_be_split_needs_room_for_two(shop: Shop) -> None:
    shop.sync("acme", {"apple": 1})
    shop.set_product("apple", None, ProductLimits(backorder_limit=10))
    split = attrs.evolve(
        _of("mine", apple=3), on_shortage=OnShortage.SPLIT, rest_order_id=next_order_id()
    )
    assert _kinds(_limited(shop, OrderLimits(max_open_per_reference=1))([split])) == [
        TooManyOpenOrders
    ]
    place = _limited(shop, OrderLimits(max_open_per_reference=2))
    assert _kinds(place([split])) == [Order]
    assert _open(shop, "mine") == {"mine": 2}


def test_a_repeated_order_is_the_earlier_one_whatever_the_limits(shop: Shop) -> None:
    shop.sync("acme", {"apple": 10})
    command = attrs.evolve(_of("mine", apple=3), idempotency_key="k")
    [order] = shop.place(command)
    place = _limited(shop, OrderLimits(max_units=1, max_open_per_reference=1))
    again = attrs.evolve(command, order_id=next_order_id())
    assert place([again]) == [order]
    assert place([command], recheck=True) == [order]


@pytest.mark.parametrize(("apple", "pear", "kind"), [(4, 1, Order), (4, 2, OrderTooLarge)])
def test_the_units_of_all_lines_count(shop: Shop, apple: int, pear: int, kind: type) -> None:
    shop.sync("acme", {"apple": 10, "pear": 10})
    place = _limited(shop, OrderLimits(max_units=5))
    assert _kinds(place([wish(apple=apple, pear=pear)])) == [kind]


def test_an_expired_hold_is_ordered_again_only_where_there_is_room(shop: Shop) -> None:
    shop.sync("acme", {"apple": 10})
    hold = attrs.evolve(_of("mine", apple=1), hold_for=timedelta(seconds=1))
    [held] = shop.place(hold)
    assert isinstance(held, Order)
    work(shop.storage, lambda uow: uow.orders.save([held.expire(shop.clock.now())]))
    [other] = shop.place(_of("mine", apple=1))
    assert isinstance(other, Order)
    limits = OrderLimits(max_open_per_reference=1)
    order_holds = OrderHolds(shop.storage.unit_of_work, shop.clock, shop.shared_clock, limits)
    assert isinstance(order_holds([OrderHold(order_id=held.id)])[held.id], TooManyOpenOrders)
    shop.cancel(other.id)
    [ordered] = order_holds([OrderHold(order_id=held.id)]).values()
    assert isinstance(ordered, Order)
    assert ordered.status is OrderStatus.RESERVED


def test_of_many_who_order_with_one_reference_so_many_do_as_may(shop: Shop) -> None:
    """Here no lock on stock is in common: only that on the reference can tell."""
    shop.sync("acme", dict.fromkeys(PRODUCTS, 5))
    limits = OrderLimits(max_open_per_reference=3)

    def buy(product: str) -> list[Order | OrderRefused]:
        return _limited(shop, limits)([_of("mine", **{product: 1})])

    outcomes = [outcome for [outcome] in race([partial(buy, product) for product in PRODUCTS])]
    assert _kinds(outcomes).count(Order) == 3
    assert _kinds(outcomes).count(TooManyOpenOrders) == 5
    assert sum(shop.balance(product)[1] for product in PRODUCTS) == 3


def test_locks_on_crossing_sets_of_references_never_block_each_other_for_good(shop: Shop) -> None:
    references = [f"buyer {number}" for number in range(200)]

    def count(seed: int) -> None:
        for _ in range(10):
            # In no order at all: putting them into one is the storage's part.
            _open(shop, *Random(seed).sample(references, 150))

    race([partial(count, seed) for seed in range(8)])

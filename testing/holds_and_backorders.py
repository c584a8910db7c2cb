"""What holds and orders that wait promise, on every storage.

Fixtures: `storage`: an empty storage. `shop`: the use cases on it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from time import sleep
from uuid import UUID

import attrs
import pytest

from ..domain.errors import (
    CancelRefused,
    HoldExpired,
    IdempotencyKeyReused,
    IllegalTransition,
    InsufficientStock,
    UnknownOrder,
)
from ..domain.order import OnShortage, Order, OrderLine, OrderStatus
from ..domain.stock import ProductLimits
from ..domain.use_cases.cancel_orders import CancelOrder
from ..domain.use_cases.hold_actions import ExtendHold
from ..domain.use_cases.idempotency import RequestKey
from ..domain.use_cases.order_holds import OrderHold
from ..domain.use_cases.place_orders import PlaceOrder
from .shop import Shop, announced, lines, next_order_id, wish
from .shop_work import NOW, claimed

LONG = timedelta(hours=1)
SHORT = timedelta(seconds=1)


def _nothing(_order: Order) -> str:
    return ""


def _held(shop: Shop, span: timedelta = LONG, **quantities: int) -> Order:
    [hold] = shop.place(attrs.evolve(wish(None, **quantities), hold_for=span))
    assert isinstance(hold, Order), hold
    return hold


def _expire(shop: Shop) -> None:
    """Let the short holds expire, by the clock that times them."""
    if shop.storage.clock in (None, shop.clock):
        shop.clock.advance(SHORT)
    else:
        sleep(SHORT.total_seconds() + 0.05)


def _wait_for(shop: Shop, on_shortage: OnShortage = OnShortage.BACKORDER, **units: int) -> Order:
    return _waits(shop, wish(None, **units), on_shortage)


def _waits(
    shop: Shop, command: PlaceOrder, on_shortage: OnShortage = OnShortage.BACKORDER
) -> Order:
    [order] = shop.place(attrs.evolve(command, on_shortage=on_shortage))
    assert isinstance(order, Order), order
    return order


def _messages(shop: Shop) -> list[object]:
    return list(announced(claimed(shop.storage, NOW, now=NOW)))


def test_a_hold_keeps_its_stock_from_others(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    hold = _held(shop, apple=3)
    assert (hold.status, shop.order(hold.id)) == (OrderStatus.HELD, hold)
    assert shop.central("apple").available == 2
    [refused] = shop.place(wish(apple=3))
    assert isinstance(refused, InsufficientStock)
    assert (_messages(shop), shop.discrepancies()) == ([], [])


def test_a_hold_becomes_an_order_once(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    hold = _held(shop, apple=3)
    order_holds = shop.order_actions.order_holds
    assert not order_holds.once(OrderHold(order_id=hold.id), _nothing).replayed
    assert order_holds.once(OrderHold(order_id=hold.id), _nothing).replayed
    assert shop.order(hold.id).status is OrderStatus.RESERVED
    assert _messages(shop) == [hold.id]
    shop.fulfil(hold)
    assert (shop.balance("apple"), shop.discrepancies()) == ((2, 0), [])
    assert order_holds.once(OrderHold(order_id=hold.id), _nothing).replayed


def test_an_expired_hold_is_sold_on_at_the_very_next_request(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5, "pear": 5})
    hold = _held(shop, SHORT, apple=4, pear=1)
    _expire(shop)
    assert shop.central("apple").available == 5
    product = shop.storage.read_model.product("apple")
    assert product is not None
    assert (product.central.available, product.central.reserved) == (5, 0)
    order = shop.accepted(apple=5)
    assert shop.order(hold.id).status is OrderStatus.EXPIRED
    assert shop.order(order.id).status is OrderStatus.RESERVED
    assert (shop.balance("pear"), shop.discrepancies()) == ((5, 0), [])


def test_expired_holds_are_said_to_be_so(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    hold, other = _held(shop, SHORT, apple=2), _held(shop, apple=1)
    assert shop.expire_holds() == []
    _expire(shop)
    assert shop.expire_holds() == [hold.id]
    assert shop.expire_holds() == []
    assert shop.order(other.id).status is OrderStatus.HELD
    assert shop.central("apple").available == 4
    types = [event.type for event in shop.events() if event.subject == str(hold.id)]
    assert types == ["order.held", "order.expired"]


def test_a_late_order_takes_its_stock_again_if_it_is_there(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    kept, sold, unswept = (_held(shop, SHORT, apple=n) for n in (1, 2, 2))
    _expire(shop)
    order_holds = shop.order_actions.order_holds
    order_holds.once(OrderHold(order_id=unswept.id), _nothing)
    shop.expire_holds()
    shop.accepted(apple=2)
    order_holds.once(OrderHold(order_id=kept.id), _nothing)
    with pytest.raises(InsufficientStock):
        order_holds.once(OrderHold(order_id=sold.id), _nothing)
    assert shop.order(sold.id).status is OrderStatus.EXPIRED
    assert shop.order(kept.id).status is OrderStatus.RESERVED
    assert (shop.balance("apple"), shop.discrepancies()) == ((5, 5), [])


def test_each_hold_of_a_batch_is_ordered_or_says_why_not(shop: Shop) -> None:
    shop.sync("acme", {"apple": 9, "pear": 2})
    held, given_up = _held(shop, apple=1), _held(shop, apple=1)
    kept, sold = _held(shop, SHORT, apple=2), _held(shop, SHORT, pear=2)
    placed = shop.accepted(apple=1)
    shop.order_actions.hold.release(given_up.id)
    _expire(shop)
    shop.expire_holds()
    shop.accepted(pear=1)
    announced_before = set(_messages(shop))
    unknown = next_order_id()
    wanted = [held.id, given_up.id, kept.id, sold.id, placed.id, unknown]
    outcomes = shop.order_actions.order_holds([OrderHold(order_id=key) for key in wanted])
    assert [type(outcomes[key]) for key in wanted] == [
        Order,
        HoldExpired,
        Order,
        InsufficientStock,
        UnknownOrder,
        UnknownOrder,
    ]
    assert outcomes[kept.id] == shop.order(kept.id)
    assert shop.order_actions.order_holds([OrderHold(order_id=held.id)]) == {
        held.id: shop.order(held.id)
    }
    assert set(_messages(shop)) - announced_before == {held.id, kept.id}
    assert (shop.balance("apple"), shop.discrepancies()) == ((9, 4), [])


def test_of_two_late_holds_in_a_batch_the_first_gets_what_is_left(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    first, second = (_held(shop, SHORT, apple=2) for _ in range(2))
    _expire(shop)
    shop.expire_holds()
    shop.accepted(apple=2)
    outcomes = shop.order_actions.order_holds(
        [OrderHold(order_id=hold.id) for hold in (first, second)]
    )
    assert [type(outcomes[hold.id]) for hold in (first, second)] == [Order, InsufficientStock]
    assert (shop.balance("apple"), shop.discrepancies()) == ((5, 4), [])


def test_a_hold_is_extended_from_now_on(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    hold = _held(shop, SHORT, apple=2)
    shop.order_actions.hold.extend(ExtendHold(order_id=hold.id, span=LONG), _nothing)
    _expire(shop)
    assert shop.expire_holds() == []
    assert shop.central("apple").available == 3
    assert [event.sequence for event in shop.events() if event.subject == str(hold.id)] == [1, 2]


def test_a_hold_that_is_over_is_not_extended(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    hold = _held(shop, SHORT, apple=2)
    _expire(shop)
    with pytest.raises(HoldExpired):
        shop.order_actions.hold.extend(ExtendHold(order_id=hold.id, span=LONG), _nothing)
    with pytest.raises(UnknownOrder):
        shop.order_actions.hold.extend(ExtendHold(order_id=next_order_id(), span=LONG), _nothing)


def test_a_hold_that_is_given_up_holds_nothing(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    hold = _held(shop, apple=2)
    actions = shop.order_actions.hold
    actions.release(hold.id)
    actions.release(hold.id)
    assert shop.central("apple").available == 5
    with pytest.raises(HoldExpired):
        _order_it(shop, hold.id)
    assert shop.discrepancies() == []


def test_an_order_is_no_hold(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    order = shop.accepted(apple=1)
    for step in (shop.order_actions.hold.release, lambda key: _order_it(shop, key)):
        with pytest.raises(UnknownOrder):
            step(order.id)
    hold = _held(shop, apple=1)
    _order_it(shop, hold.id)
    with pytest.raises(HoldExpired):
        shop.order_actions.hold.release(hold.id)


def _order_it(shop: Shop, order_id: UUID) -> None:
    shop.order_actions.order_holds.once(OrderHold(order_id=order_id), _nothing)


def test_a_step_of_a_hold_with_a_key_is_taken_once(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    hold = _held(shop, apple=1)
    request = RequestKey(key="k", digest="extend")
    actions = shop.order_actions.hold

    def until(order: Order) -> str:
        return str(order.expires_at)

    first = actions.extend(ExtendHold(order_id=hold.id, span=LONG), until, request)
    second = actions.extend(ExtendHold(order_id=hold.id, span=2 * LONG), until, request)
    assert (second.text, second.replayed) == (first.text, True)
    with pytest.raises(IdempotencyKeyReused):
        shop.order_actions.order_holds.once(
            OrderHold(order_id=hold.id), _nothing, RequestKey(key="k", digest="order")
        )


def test_a_key_of_a_hold_is_none_of_an_order(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    [hold] = shop.place(attrs.evolve(wish("k", apple=1), hold_for=LONG))
    [again] = shop.place(attrs.evolve(wish("k", apple=1), hold_for=LONG))
    assert again == hold
    [refused] = shop.place(wish("k", apple=1))
    assert isinstance(refused, IdempotencyKeyReused)


def test_an_order_waits_for_what_is_not_there_and_gets_it_first(shop: Shop) -> None:
    shop.sync("acme", {"apple": 2})
    order = _wait_for(shop, apple=5)
    assert (order.status, order.lines[0].backordered) == (OrderStatus.BACKORDERED, 3)
    assert shop.order(order.id) == order
    assert shop.fill_backorders() == []
    shop.pass_time(seconds=1)
    shop.sync("acme", {"apple": 6})
    assert shop.central("apple").available == 1
    [refused] = shop.place(wish(apple=2))
    assert isinstance(refused, InsufficientStock)
    assert shop.fill_backorders() == [order.id]
    assert _messages(shop) == [order.id]
    shop.fulfil(order)
    assert (shop.balance("apple"), shop.central("apple").available) == ((1, 0), 1)
    assert shop.discrepancies() == []


def test_an_order_that_has_waited_for_long_is_announced_once(shop: Shop) -> None:
    shop.sync("acme", {"apple": 0})
    order = _wait_for(shop, apple=1)
    shop.pass_time(hours=1)
    shop.sync("acme", {"apple": 1})
    assert shop.fill_backorders() == [order.id]
    shop.relay_messages()
    shop.relay_messages.finish()
    assert shop.resend_orders() == []
    shop.pass_time(hours=1)
    assert shop.resend_orders() == [order.id]


def test_orders_that_wait_are_filled_oldest_first(shop: Shop) -> None:
    shop.sync("acme", {"apple": 0, "pear": 1})
    first, second, third = (
        _wait_for(shop, apple=4),
        _wait_for(shop, apple=1, pear=2),
        _wait_for(shop, apple=1),
    )
    shop.pass_time(seconds=1)
    shop.sync("acme", {"apple": 3, "pear": 1})
    assert shop.fill_backorders() == []
    assert shop.order(first.id).lines[0].backordered == 1
    shop.pass_time(seconds=1)
    shop.sync("acme", {"apple": 6, "pear": 1})
    assert shop.fill_backorders() == [first.id, third.id]
    assert [line.backordered for line in shop.order(second.id).lines] == [0, 1]
    shop.pass_time(seconds=1)
    shop.sync("acme", {"apple": 6, "pear": 2})
    assert shop.fill_backorders() == [second.id]
    shop.fulfil(first, second, third)
    assert (shop.balance("apple"), shop.balance("pear"), shop.discrepancies()) == (
        (0, 0),
        (0, 0),
        [],
    )


def test_what_is_released_goes_to_those_who_wait(shop: Shop) -> None:
    shop.sync("acme", {"apple": 3})
    order = shop.accepted(apple=3)
    waiting = _wait_for(shop, apple=2)
    shop.cancel(order.id)
    assert shop.central("apple").available == 1
    assert shop.fill_backorders() == [waiting.id]


def test_no_more_is_waited_for_than_may_be(shop: Shop) -> None:
    shop.sync("acme", {"apple": 1})
    shop.set_product("apple", None, ProductLimits(backorder_limit=4))
    _wait_for(shop, apple=4)
    [refused] = shop.place(attrs.evolve(wish(apple=2), on_shortage=OnShortage.BACKORDER))
    assert isinstance(refused, InsufficientStock)
    _wait_for(shop, apple=1)
    assert (shop.central("apple").backordered, shop.discrepancies()) == (4, [])


def test_an_order_that_waits_can_be_cancelled(shop: Shop) -> None:
    shop.sync("acme", {"apple": 2})
    order = _wait_for(shop, apple=5)
    shop.cancel(order.id)
    level = shop.central("apple")
    assert (level.available, level.backordered, shop.discrepancies()) == (2, 0, [])


def test_a_partial_order_is_for_what_is_there(shop: Shop) -> None:
    shop.sync("acme", {"apple": 2, "pear": 0, "plum": 5})
    order = _wait_for(shop, OnShortage.PARTIAL, apple=5, pear=1, plum=1)
    assert order.status is OrderStatus.RESERVED
    assert [line.cancelled for line in order.lines] == [3, 1, 0]
    assert shop.order(order.id) == order
    shop.fulfil(order)
    assert [part.product_id for part in shop.order(order.id).allocations] == ["apple", "plum"]
    assert (shop.balance("apple"), shop.discrepancies()) == ((0, 0), [])
    [refused] = shop.place(attrs.evolve(wish(apple=1), on_shortage=OnShortage.PARTIAL))
    assert isinstance(refused, InsufficientStock)


def test_an_order_that_is_split_waits_for_the_rest(shop: Shop) -> None:
    shop.sync("acme", {"apple": 2})
    command = attrs.evolve(
        wish("k", apple=5), on_shortage=OnShortage.SPLIT, rest_order_id=next_order_id()
    )
    [order] = shop.place(command)
    assert isinstance(order, Order)
    assert order.rest_id == command.rest_order_id
    rest = shop.order(command.rest_order_id) if command.rest_order_id else order
    assert (rest.status, rest.lines[0].backordered) == (OrderStatus.BACKORDERED, 3)
    shop.fulfil(order)
    shop.pass_time(seconds=1)
    shop.sync("acme", {"apple": 9})
    assert shop.fill_backorders() == [rest.id]
    [again] = shop.place(command)
    assert again == order
    assert shop.discrepancies() == []


def test_an_order_to_be_split_of_which_nothing_is_there_waits_itself(shop: Shop) -> None:
    shop.sync("acme", {"apple": 0})
    command = attrs.evolve(
        wish(apple=5), on_shortage=OnShortage.SPLIT, rest_order_id=next_order_id()
    )
    [order] = shop.place(command)
    assert isinstance(order, Order)
    assert (order.status, order.rest_id) == (OrderStatus.BACKORDERED, None)


def _cancel(shop: Shop, order: Order, **units: int) -> object:
    command = CancelOrder(order_id=order.id, lines=lines(units))
    return shop.order_actions.cancel([command])[order.id]


def test_units_of_an_order_are_cancelled_and_the_rest_is_fulfilled(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5, "pear": 5})
    order = shop.accepted(apple=4, pear=1)
    fewer = _cancel(shop, order, apple=1)
    assert isinstance(fewer, Order)
    assert shop.order(order.id) == fewer
    assert _cancel(shop, fewer, pear=1) == shop.order(order.id)
    assert shop.balance("apple") == (5, 3)
    assert isinstance(_cancel(shop, fewer, apple=4), CancelRefused)
    assert isinstance(_cancel(shop, fewer, plum=1), CancelRefused)
    shop.fulfil(order)
    assert (shop.balance("apple"), shop.balance("pear")) == ((2, 0), (5, 0))
    assert isinstance(_cancel(shop, order, apple=1), IllegalTransition)
    assert shop.discrepancies() == []


def test_an_order_of_which_all_units_are_cancelled_is_cancelled(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    order = shop.accepted(apple=4)
    _cancel(shop, order, apple=4)
    assert shop.order(order.id).status is OrderStatus.CANCELLED
    assert (shop.balance("apple"), shop.discrepancies()) == ((5, 0), [])


def test_what_is_waited_for_is_cancelled_first(shop: Shop) -> None:
    shop.sync("acme", {"apple": 2})
    order = _wait_for(shop, apple=5)
    _cancel(shop, order, apple=2)
    assert shop.order(order.id).lines[0].backordered == 1
    _cancel(shop, order, apple=1)
    assert shop.order(order.id).status is OrderStatus.RESERVED
    assert _messages(shop) == [order.id]
    shop.fulfil(order)
    assert (shop.balance("apple"), shop.discrepancies()) == ((0, 0), [])


def test_a_cancellation_with_a_key_happens_once(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    order = shop.accepted(apple=4)
    command = CancelOrder(order_id=order.id, lines=(OrderLine(product_id="apple", quantity=1),))
    request = RequestKey(key="k", digest="d")

    def units(order: Order) -> str:
        return str(order.units)

    once = shop.order_actions.cancel.once
    assert [once(command, units, request).text for _ in range(3)] == ["3"] * 3
    assert shop.balance("apple") == (5, 3)


def test_whatever_happens_at_once_every_unit_is_accounted_for(shop: Shop) -> None:
    """Eight threads hold, order, wait, cancel and fill; nothing is sold twice, and nobody waits."""
    shop.sync("acme", {"apple": 20, "pear": 20})
    steps = [_try_hold, _try_wait, _try_order, _try_partial]

    def act(number: int) -> None:
        random = Random(number)
        for _ in range(12):
            random.choice(steps)(shop, random)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(8)))
    shop.fill_backorders()
    assert shop.discrepancies() == []
    for product_id in ("apple", "pear"):
        level = shop.central(product_id)
        assert level.reserved <= level.on_hand
        assert not level.backordered or level.reserved == level.on_hand


Step = Callable[[Shop, Random], None]


def _basket(random: Random) -> PlaceOrder:
    units = {key: random.randint(1, 3) for key in random.sample(["apple", "pear"], 2)}
    return PlaceOrder(order_id=next_order_id(), lines=lines(units))


def _try_hold(shop: Shop, random: Random) -> None:
    [hold] = shop.place(attrs.evolve(_basket(random), hold_for=LONG))
    if not isinstance(hold, Order):
        return
    if random.random() < 0.5:
        shop.order_actions.order_holds.once(OrderHold(order_id=hold.id), _nothing)
    else:
        shop.order_actions.hold.release(hold.id)


def _try_wait(shop: Shop, random: Random) -> None:
    order = _waits(shop, _basket(random))
    if random.random() < 0.5:
        shop.cancel(order.id)
    shop.fill_backorders()


def _try_order(shop: Shop, random: Random) -> None:
    [order] = shop.place(_basket(random))
    if isinstance(order, Order):
        shop.cancel(order.id)


def _try_partial(shop: Shop, random: Random) -> None:
    [order] = shop.place(attrs.evolve(_basket(random), on_shortage=OnShortage.PARTIAL))
    if isinstance(order, Order):
        shop.fulfil(order)

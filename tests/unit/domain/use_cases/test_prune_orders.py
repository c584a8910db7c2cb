"""Orders that ended long ago are removed, and no balance changes by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from order_aggregator.domain.order import ENDED as ENDED_STATUSES
from order_aggregator.domain.order import STEPS, Order, OrderStatus
from order_aggregator.domain.ports.idempotency_keys import Remembered
from order_aggregator.domain.use_cases.prune_orders import BITE, Pruned
from order_aggregator.domain.use_cases.return_orders import ReturnOrder
from order_aggregator.testing.shop import Shop, wish

DAY = timedelta(days=1)


@pytest.fixture
def shop() -> Shop:
    """Of the days before: an order that is reserved still, and one of each end."""
    shop = Shop()
    shop.sync("acme", {"apple": 50, "pear": 30})
    shop.sync("bert", {"apple": 20})
    fulfilled, failed = shop.accepted(apple=30, pear=2), shop.accepted(apple=2)
    cancelled, returned = shop.accepted(pear=1), shop.accepted(apple=5)
    shop.accepted(apple=3)
    shop.fulfil(fulfilled, returned)
    shop.fail_orders({failed.id: "given up"})
    shop.cancel(cancelled.id)
    shop.order_actions.give_back.once(ReturnOrder(order_id=returned.id), str, None)
    shop.pass_time(days=3)
    return shop


def _figures(shop: Shop) -> list[object]:
    products = ("apple", "pear")
    return [(shop.balance(key), shop.vendor_units(key)) for key in products]


def _orders(shop: Shop) -> list[Order]:
    return list(shop.storage.read_model.orders(0, 10_000).items)


def test_every_status_without_a_next_step_is_an_end() -> None:
    """And so are two of which nothing more is expected: a return, or a late order."""
    last = {status for status, following in STEPS.items() if not following}
    assert set(ENDED_STATUSES) == last | {OrderStatus.FULFILLED, OrderStatus.EXPIRED}


def test_what_ended_is_removed_and_the_balances_stay(shop: Shop) -> None:
    before = _figures(shop)
    assert shop.prune_orders.count(2 * DAY) == 4
    assert shop.prune_orders(2 * DAY) == Pruned(orders=4, bites=1, keys=0)
    assert [order.status for order in _orders(shop)] == ["reserved"]
    assert _figures(shop) == before
    assert shop.discrepancies() == []
    assert shop.prune_orders(2 * DAY) == Pruned(orders=0, bites=0, keys=0)


def test_what_changed_since_stays(shop: Shop) -> None:
    assert shop.prune_orders.count(3 * DAY) == 0
    assert shop.prune_orders(3 * DAY).orders == 0
    assert len(_orders(shop)) == 5


def test_reports_count_orders_that_were_removed(shop: Shop) -> None:
    """As if they were still there: a vendor does not sell the same units again."""
    with_orders = Shop()
    for each in (shop, with_orders):
        each.sync("cleo", {"fig": 10})
        moment = each.clock.now()
        each.pass_time(minutes=1)
        each.fulfil(each.accepted(fig=4))
        each.pass_time(days=1, seconds=1)
        if each is shop:
            assert each.prune_orders(DAY).orders == 5
        each.sync("cleo", {"fig": 9}, moment)
        assert each.vendor_units("fig") == {"cleo": 5}
        each.sync("cleo", {"fig": 9})
        assert each.vendor_units("fig") == {"cleo": 9}
        assert each.discrepancies() == []


def test_a_return_that_is_refused_as_the_order_is_gone_changes_nothing(shop: Shop) -> None:
    [order] = shop.place(wish("k", apple=1))
    assert isinstance(order, Order)
    shop.fulfil(order)
    shop.pass_time(days=4)
    shop.prune_orders(DAY)
    before = _figures(shop)
    # Its key is free again.
    assert shop.accepted("k", apple=1).id != order.id
    assert shop.balance("apple")[0] == before[0][0][0]  # type: ignore[index]
    assert shop.discrepancies() == []


def test_more_than_a_bite_is_removed_bite_by_bite(shop: Shop) -> None:
    placed = shop.place(*(wish(None, pear=1) for _ in range(20)))
    shop.sync("acme", {"apple": 50, "pear": 5_000})
    for _ in range(BITE // 20):
        placed += shop.place(*(wish(None, pear=1) for _ in range(20)))
    orders = [order for order in placed if isinstance(order, Order)]
    shop.fulfil(*orders)
    shop.pass_time(days=5)
    assert shop.prune_orders(DAY) == Pruned(orders=len(orders) + 4, bites=2, keys=0)
    assert shop.discrepancies() == []


def test_keys_that_are_kept_no_longer_go_as_well(shop: Shop) -> None:
    request = Remembered(digest="d", answer="a")
    for key, days in (("old", 0), ("new", 5)):
        shop.pass_time(days=days)
        with shop.storage.unit_of_work() as uow:
            uow.idempotency_keys.remember("http", key, request, shop.clock.now())
            uow.commit()
    shop.pass_time(days=4)
    assert shop.prune_orders(365 * DAY) == Pruned(orders=0, bites=0, keys=1)
    with shop.storage.unit_of_work() as uow:
        assert uow.idempotency_keys.find("http", "new") == request

"""What silent vendors reported is sold no more, until they are heard of again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from order_aggregator.domain.errors import InsufficientStock
from order_aggregator.domain.order import OrderStatus
from order_aggregator.domain.use_cases.report_intake import CHUNK
from order_aggregator.domain.vendor_sync import VendorTerms
from order_aggregator.testing.shop import Feed, Shop, snapshot, wish

HOUR = timedelta(hours=1)


@pytest.fixture
def shop() -> Shop:
    """Ten apples of acme, which is stale after an hour, and three of bert, which never is."""
    shop = Shop()
    _report(shop, apple=10)
    shop.sync("bert", {"apple": 3})
    return shop


def _report(shop: Shop, **quantities: int) -> None:
    feed = Feed(snapshot("acme", quantities, shop.clock.now()), VendorTerms(max_age=HOUR))
    shop.sync_vendor(feed)


def test_nothing_is_stale_before_its_time(shop: Shop) -> None:
    shop.pass_time(hours=1)
    assert shop.withhold_stale_stock() == []
    assert shop.central("apple").available == 13


def test_what_a_silent_vendor_has_is_not_promised_any_more(shop: Shop) -> None:
    shop.pass_time(hours=1, seconds=1)
    assert shop.withhold_stale_stock() == ["acme"]
    assert shop.withhold_stale_stock() == []
    level = shop.central("apple")
    assert (level.on_hand, level.stale, level.available) == (13, 10, 3)
    [refused] = shop.place(wish(apple=4))
    assert isinstance(refused, InsufficientStock)
    assert refused.shortages[0].available == 3
    stale = {x.vendor_id: x.stale for x in shop.storage.read_model.vendor_stock(0, 9).items}
    assert stale == {"acme": True, "bert": False}
    assert shop.discrepancies() == []


def test_its_next_report_brings_it_back_though_nothing_has_changed(shop: Shop) -> None:
    shop.pass_time(hours=2)
    shop.withhold_stale_stock()
    _report(shop, apple=10)
    level = shop.central("apple")
    assert (level.on_hand, level.stale, level.available) == (13, 0, 13)
    assert shop.discrepancies() == []
    assert shop.withhold_stale_stock() == []


def test_what_was_promised_is_still_allocated_from_it_last_of_all(shop: Shop) -> None:
    first, second = shop.accepted(apple=2), shop.accepted(apple=5)
    shop.pass_time(hours=2)
    shop.withhold_stale_stock()
    shop.fulfil(first, second)
    parts = [(part.vendor_id, part.quantity) for part in shop.order(first.id).allocations]
    assert parts == [("bert", 2)]
    parts = [(part.vendor_id, part.quantity) for part in shop.order(second.id).allocations]
    assert parts == [("acme", 4), ("bert", 1)]
    level = shop.central("apple")
    assert (level.on_hand, level.stale, level.reserved) == (6, 6, 0)
    assert shop.discrepancies() == []


def test_a_report_of_less_takes_it_off_what_is_stale(shop: Shop) -> None:
    shop.pass_time(hours=2)
    shop.withhold_stale_stock()
    _report(shop, apple=4, fig=2)
    assert shop.central("apple").stale == 0
    assert shop.balance("apple") == (7, 0)
    assert shop.balance("fig") == (2, 0)
    assert shop.discrepancies() == []


def test_a_large_vendor_is_withheld_in_steps(shop: Shop) -> None:
    _report(shop, **{f"p{number}": 1 for number in range(2 * CHUNK + 5)})
    shop.pass_time(hours=2)
    assert shop.withhold_stale_stock() == ["acme"]
    levels = shop.storage.read_model.stock(0, 10_000).items
    assert sum(level.available for level in levels) == 3
    assert shop.discrepancies() == []


def test_what_was_left_undone_is_done_the_next_time(shop: Shop) -> None:
    """A process that dies after it has noted the vendor."""
    shop.pass_time(hours=2)
    with shop.storage.unit_of_work() as uow:
        assert uow.stock.make_stale("acme", shop.clock.now())
        uow.commit()
    assert shop.withhold_stale_stock() == []
    assert shop.central("apple").available == 3


def test_an_order_can_be_fulfilled_by_stale_stock_alone(shop: Shop) -> None:
    order = shop.accepted(apple=10)
    shop.sync("bert", {"apple": 0})
    shop.pass_time(hours=2)
    shop.withhold_stale_stock()
    shop.fulfil(order)
    assert shop.order(order.id).status is OrderStatus.FULFILLED
    assert shop.central("apple").on_hand == 0
    assert shop.discrepancies() == []

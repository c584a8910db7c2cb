"""What every storage answers to those who only ask.

Fixtures: `storage`: an empty storage. `shop`: `Shop(storage)`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from ..domain.errors import Rejection
from ..domain.order import Allocation, OnShortage, Order, OrderStatus
from ..domain.ports.read_model import (
    UNDER_WAY,
    OrderFilter,
    Page,
    Pending,
    StockLevel,
    VendorStatus,
    VendorStockLevel,
    Workload,
)
from ..domain.ports.storage import Storage
from ..domain.stock import ProductLimits
from ..domain.webhooks import Message
from .shop import Shop, next_order_id, wish
from .shop_work import NOW, stock_up, work
from .webhooks import make_webhook


def _pages(ask: Callable[[int, int], Page[Any]], limit: int) -> list[Any]:
    """Everything, page by page."""
    items: list[Any] = []
    total = ask(0, 1).total
    while len(items) < total:
        page = ask(len(items), limit)
        assert page.total == total
        assert 1 <= len(page.items) <= limit
        items += page.items
    assert ask(total, limit) == Page(items=(), total=total)
    return items


def test_an_empty_storage_has_nothing_to_tell(storage: Storage) -> None:
    read = storage.read_model
    nothing: Page[Any] = Page(items=(), total=0)
    assert read.stock(0, 10) == nothing
    assert read.vendor_stock(0, 10) == nothing
    assert read.orders(0, 10) == nothing
    assert read.order(next_order_id()) is None
    read.ping()


def test_a_stock_level_tells_everything_about_a_product(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5, "pear": 0})
    shop.sync("bert", {"apple": 2, "pear": 1})
    shop.pass_time(seconds=3)
    shop.accepted(apple=3)
    assert shop.central("apple") == StockLevel(
        product_id="apple",
        name="Product apple",
        on_hand=7,
        reserved=3,
        stale=0,
        backordered=0,
        available=4,
        vendor_count=2,
        low_at=None,
        backorder_limit=None,
        updated_at=shop.clock.now(),
    )
    pear = shop.central("pear")
    assert (pear.vendor_count, pear.updated_at) == (1, shop.clock.now() - timedelta(seconds=3))


def test_what_is_available_is_never_below_zero(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    shop.accepted(apple=4)
    shop.pass_time(seconds=1)
    shop.sync("acme", {"apple": 1})
    level = shop.central("apple")
    assert (level.on_hand, level.reserved, level.available) == (1, 4, 0)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_stock_is_listed_by_product_id(shop: Shop, limit: int) -> None:
    ids = ["B", "a", "b", "ä", "0", "a b", "aa", "🍎", "Z"]
    shop.sync("acme", dict.fromkeys(ids, 1))
    levels = _pages(shop.storage.read_model.stock, limit)
    assert [level.product_id for level in levels] == sorted(ids)


def test_stock_is_filtered_by_product(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5, "pear": 3})
    read = shop.storage.read_model
    page = read.stock(0, 10, product_id="pear")
    assert ([level.product_id for level in page.items], page.total) == (["pear"], 1)
    assert read.stock(1, 10, product_id="pear") == Page(items=(), total=1)
    assert read.stock(0, 10, product_id="kiwi") == Page(items=(), total=0)
    assert read.stock(0, 10, product_id="%") == Page(items=(), total=0)


def scarce(shop: Shop, search: str | None = None) -> list[str]:
    page = shop.storage.read_model.scarce_stock(0, 10, search)
    assert page.total == len(page.items)
    return [level.product_id for level in page.items]


def test_scarce_stock_comes_first(shop: Shop) -> None:
    shop.sync("acme", {"plenty": 9, "few": 3, "low": 5, "out": 4, "none": 0})
    shop.set_product("low", None, ProductLimits(low_at=5))
    shop.accepted(out=4)
    assert scarce(shop) == ["none", "out", "low", "few", "plenty"]
    read = shop.storage.read_model
    listed = _pages(read.scarce_stock, 2)
    assert [level.product_id for level in listed] == scarce(shop)
    by_id = {level.product_id: level for level in read.stock(0, 10).items}
    assert {level.product_id: level for level in listed} == by_id


def test_stock_is_searched_by_id_and_name(shop: Shop) -> None:
    shop.sync("acme", {"ABC-1": 1, "b%c": 2, "bxc": 3})
    assert scarce(shop, "b%C") == ["b%c"]
    assert scarce(shop, "product abc") == ["ABC-1"]
    assert scarce(shop, "nowhere") == []


def test_a_vendor_stock_level_tells_everything(shop: Shop) -> None:
    as_of = shop.clock.now()
    shop.sync("acme", {"apple": 5})
    shop.pass_time(seconds=1)
    shop.fulfil(shop.accepted(apple=2))
    [level] = shop.storage.read_model.vendor_stock(0, 10).items
    assert level == VendorStockLevel(
        vendor_id="acme",
        vendor_name="Vendor acme",
        product_id="apple",
        available=3,
        reported=5,
        stale=False,
        as_of=as_of,
    )


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_vendor_stock_is_listed_by_vendor_then_product(shop: Shop, limit: int) -> None:
    for vendor_id in ("b", "B", "a"):
        shop.sync(vendor_id, {"pear": 1, "Pear": 0, "apple": 2})
    levels = _pages(shop.storage.read_model.vendor_stock, limit)
    keys = [(level.vendor_id, level.product_id) for level in levels]
    assert keys == sorted(keys)
    assert len(keys) == 9


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"vendor_id": "acme"}, [("apple", "acme"), ("pear", "acme")]),
        ({"product_id": "apple"}, [("apple", "acme"), ("apple", "bert")]),
        ({"vendor_id": "bert", "product_id": "apple"}, [("apple", "bert")]),
        ({"vendor_id": "bert", "product_id": "pear"}, []),
        ({"vendor_id": "stranger"}, []),
        ({"product_id": "kiwi"}, []),
    ],
)
def test_vendor_stock_is_filtered(
    shop: Shop, filters: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    shop.sync("acme", {"apple": 5, "pear": 3})
    shop.sync("bert", {"apple": 2, "fig": 0})

    def ask(offset: int, limit: int) -> Page[VendorStockLevel]:
        return shop.storage.read_model.vendor_stock(offset, limit, **filters)

    found = [(level.product_id, level.vendor_id) for level in _pages(ask, 1)]
    assert found == expected


def test_a_vendor_is_told_as_it_is(shop: Shop) -> None:
    as_of = shop.clock.now()
    shop.pass_time(minutes=1)
    shop.sync("acme", {"apple": 5, "fig": 0}, as_of)
    shop.sync("bert", {"apple": 1})
    acme = VendorStatus(
        vendor_id="acme",
        name="Vendor acme",
        as_of=as_of,
        reported_at=shop.clock.now(),
        products=1,
        rejected=0,
        stale=False,
        retired=False,
        quarantined_at=None,
        attempted_at=shop.clock.now(),
    )
    assert shop.storage.read_model.vendors(0, 1) == Page(items=(acme,), total=2)
    assert shop.storage.read_model.vendors(0, 9, "acme").items == (acme,)
    assert shop.storage.read_model.vendors(0, 9, "nobody") == Page(items=(), total=0)
    assert [vendor.vendor_id for vendor in shop.storage.read_model.vendors(1, 9).items] == ["bert"]


def test_rejections_are_told_in_their_order_and_replaced(shop: Shop) -> None:
    bad = [
        Rejection(place=f"line {n}", product_id="é" if n else None, field="q", reason="'\\\"{},")
        for n in range(3)
    ]
    ask = shop.storage.read_model.rejections
    shop.sync("acme", {"apple": 1})
    work(shop.storage, lambda uow: uow.stock.replace_rejections("acme", bad))
    assert ask("acme", 0, 9) == Page(items=tuple(bad), total=3)
    assert ask("acme", 1, 1) == Page(items=(bad[1],), total=3)
    assert ask("bert", 0, 9) == Page(items=(), total=0)
    assert shop.storage.read_model.vendors(0, 9).items[0].rejected == 3
    work(shop.storage, lambda uow: uow.stock.replace_rejections("acme", bad[:1]))
    assert ask("acme", 0, 9).total == 1


def test_an_order_is_told_as_it_is(shop: Shop) -> None:
    shop.sync("bert", {"pear": 1, "apple": 3})
    shop.sync("acme", {"pear": 1, "apple": 3})
    [order] = shop.place(wish(key="k", pear=2, apple=4))
    assert isinstance(order, Order)
    assert shop.order(order.id) == order
    shop.pass_time(seconds=1)
    [fulfilled] = shop.fulfil(order)
    assert isinstance(fulfilled, Order)
    found = shop.order(order.id)
    assert found == attrs.evolve(fulfilled, allocations=found.allocations)
    assert found.allocations == (
        Allocation(product_id="apple", vendor_id="acme", quantity=2, sequence=2),
        Allocation(product_id="apple", vendor_id="bert", quantity=2, sequence=2),
        Allocation(product_id="pear", vendor_id="acme", quantity=1, sequence=1),
        Allocation(product_id="pear", vendor_id="bert", quantity=1, sequence=1),
    )


def test_an_unknown_order_is_none(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    shop.accepted(apple=1)
    assert shop.storage.read_model.order(next_order_id()) is None


@pytest.fixture
def orders(shop: Shop) -> list[Order]:
    """Seven orders, oldest first, of every status that there is yet; the even ones have pears."""
    shop.sync("acme", {"apple": 50, "pear": 50})
    quantities: list[dict[str, int]] = [
        {"apple": 1} if number % 2 else {"pear": 2, "apple": 1} for number in range(7)
    ]
    outcomes = shop.place(
        *(
            attrs.evolve(wish(f"key-{number}", **each), reference="r1" if number % 3 == 1 else None)
            for number, each in enumerate(quantities)
        )
    )
    orders = [outcome for outcome in outcomes if isinstance(outcome, Order)]
    shop.fulfil(*orders[:3])
    shop.fail_orders({orders[3].id: "given up"})
    return [shop.order(order.id) for order in orders]


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_orders_are_listed_newest_first_and_whole(
    shop: Shop, orders: list[Order], limit: int
) -> None:
    assert _pages(shop.storage.read_model.orders, limit) == orders[::-1]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"status": OrderStatus.FULFILLED}, [2, 1, 0]),
        ({"status": OrderStatus.FAILED}, [3]),
        ({"status": OrderStatus.RESERVED}, [6, 5, 4]),
        ({"status": OrderStatus.CANCELLED}, []),
        ({"product_id": "pear"}, [6, 4, 2, 0]),
        ({"product_id": "apple"}, [6, 5, 4, 3, 2, 1, 0]),
        ({"product_id": "kiwi"}, []),
        ({"status": OrderStatus.FULFILLED, "product_id": "pear"}, [2, 0]),
        ({"status": OrderStatus.FAILED, "product_id": "pear"}, []),
        ({"vendor_id": "acme"}, [2, 1, 0]),
        ({"vendor_id": "bert"}, []),
        ({"vendor_id": "acme", "product_id": "pear"}, [2, 0]),
        ({"reference": "r1"}, [4, 1]),
        ({"reference": "r1", "status": OrderStatus.FULFILLED}, [1]),
        ({"reference": "other"}, []),
        ({"idempotency_key": "key-5"}, [5]),
        ({"idempotency_key": "other"}, []),
    ],
)
def test_orders_are_filtered_and_still_told_whole(
    shop: Shop, orders: list[Order], wanted: dict[str, Any], expected: list[int]
) -> None:
    def ask(offset: int, limit: int) -> Page[Order]:
        return shop.storage.read_model.orders(offset, limit, OrderFilter(**wanted))

    assert _pages(ask, 2) == [orders[position] for position in expected]


def test_orders_are_found_by_when_they_changed(shop: Shop, orders: list[Order]) -> None:
    shop.pass_time(seconds=1)
    shop.fulfil(orders[5])
    read = shop.storage.read_model
    found = read.orders(0, 9, OrderFilter(updated_since=shop.clock.now()))
    assert [order.id for order in found.items] == [orders[5].id]
    earlier = shop.clock.now() - timedelta(seconds=1)
    assert read.orders(0, 9, OrderFilter(updated_since=earlier)).total == len(orders)


def test_a_listing_goes_on_after_an_order_though_others_come_in(
    shop: Shop, orders: list[Order]
) -> None:
    found: list[Order] = []
    wanted = OrderFilter()
    while page := shop.storage.read_model.orders(0, 2, wanted).items:
        found += page
        wanted = OrderFilter(after=page[-1].id)
        shop.accepted(apple=1)
    assert found == orders[::-1]


@pytest.mark.parametrize("offset", [10, 2**31, 2**63, 10**30])
def test_far_beyond_the_end_there_is_nothing(shop: Shop, offset: int) -> None:
    shop.sync("acme", {"apple": 5})
    shop.accepted(apple=1)
    read = shop.storage.read_model
    nothing: Page[Any] = Page(items=(), total=1)
    assert read.stock(offset, 10) == nothing
    assert read.orders(offset, 10) == nothing
    assert read.vendor_stock(offset, 10) == nothing


def test_a_page_may_be_as_large_as_one_likes(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    assert len(shop.storage.read_model.stock(0, 10**30).items) == 1


def test_a_product_comes_with_its_vendors(storage: Storage) -> None:
    stock_up(storage, "bert", apple=2)
    stock_up(storage, "acme", pear=1)
    stock_up(storage, "carl", apple=0)
    found = storage.read_model.product("apple")
    assert found is not None
    assert (found.central,) == storage.read_model.stock(0, 1, "apple").items
    assert found.vendors == storage.read_model.vendor_stock(0, 9, product_id="apple").items
    assert storage.read_model.product("nothing") is None


NOTHING = Pending(count=0, since=None)


def test_in_an_empty_storage_nothing_is_under_way(storage: Storage) -> None:
    assert storage.read_model.workload() == Workload(
        orders=dict.fromkeys(UNDER_WAY, NOTHING),
        untried=NOTHING,
        retried=0,
        outbox=NOTHING,
        deliveries=0,
        dead_deliveries=0,
        unread_events={},
    )


def test_the_workload_counts_what_waits_and_since_when(shop: Shop) -> None:
    shop.sync("acme", {"apple": 3})
    began = shop.clock.now()
    done, *waiting = [shop.accepted(apple=1) for _ in range(3)]
    shop.pass_time(seconds=5)
    shop.place(attrs.evolve(wish(apple=1), on_shortage=OnShortage.BACKORDER))
    shop.fulfil(done)
    found = shop.storage.read_model.workload()
    assert found.orders == {
        OrderStatus.HELD: NOTHING,
        OrderStatus.BACKORDERED: Pending(count=1, since=shop.clock.now()),
        OrderStatus.RESERVED: Pending(count=len(waiting), since=began),
    }
    # A backorder is not announced.
    assert found.outbox == Pending(count=3, since=began)


def test_the_workload_counts_deliveries_and_those_that_are_dead(storage: Storage) -> None:
    work(storage, lambda uow: uow.webhooks.add(make_webhook("a")))
    messages = [
        ("a", Message(id=str(number), type="order.tested", subject="x", body="{}"))
        for number in range(3)
    ]
    work(storage, lambda uow: uow.webhooks.add_deliveries(messages, NOW))
    minute = timedelta(minutes=1)
    [claimed] = work(
        storage, lambda uow: uow.webhooks.claim(1, 1, NOW + minute, NOW + 2 * minute, ())
    )
    dead = [attrs.evolve(each, due_at=None, problem="gone") for each in claimed.deliveries]
    work(storage, lambda uow: uow.webhooks.reschedule(dead))
    found = storage.read_model.workload()
    assert (found.deliveries, found.dead_deliveries) == (2, 1)


def test_the_workload_counts_events_that_a_reader_has_not_read(shop: Shop) -> None:
    storage, now = shop.storage, shop.clock.now()

    def claim(reader: str) -> None:
        work(storage, lambda uow: uow.events.claim(reader, now, now))

    shop.sync("acme", {"apple": 3})
    claim("exchange")
    claim("webhooks")
    shop.accepted(apple=1)
    shop.accepted(apple=1)
    assert storage.read_model.workload().unread_events == {"exchange": 2}
    work(storage, lambda uow: uow.webhooks.add(make_webhook("a")))
    assert storage.read_model.workload().unread_events == {"exchange": 2, "webhooks": 2}
    end = storage.event_feed.end()
    work(storage, lambda uow: uow.events.advance("exchange", end - 1))
    assert storage.read_model.workload().unread_events["exchange"] == 1


def test_the_oldest_reserved_orders_say_how_they_get_on(shop: Shop) -> None:
    shop.sync("acme", {"apple": 9})
    first, second, third = (shop.accepted(apple=1) for _ in range(3))
    shop.fulfil(second)
    shop.record_failures({third.id: 2})
    read = shop.storage.read_model
    oldest = read.oldest_reserved(10)
    assert list(oldest.items()) == [(key, read.progress(key)) for key in (first.id, third.id)]
    assert list(read.oldest_reserved(1)) == [first.id]


def test_the_workload_tells_what_no_worker_has_tried_from_what_failed(shop: Shop) -> None:
    shop.sync("acme", {"apple": 9})
    shop.fulfil(shop.accepted(apple=1))
    failing = shop.accepted(apple=1)
    shop.record_failures({failing.id: 1})
    shop.pass_time(seconds=7)
    since = shop.clock.now()
    for _ in range(2):
        shop.accepted(apple=1)
    shop.place(attrs.evolve(wish(apple=1), hold_for=timedelta(hours=1)))
    found = shop.storage.read_model.workload()
    assert (found.untried, found.retried) == (Pending(count=2, since=since), 1)

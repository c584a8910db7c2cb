"""What every storage promises about when vendors expect more stock.

Fixtures: `storage`: an empty storage. `shop`: the use cases on it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from ..domain.errors import OrderRefused
from ..domain.order import OnShortage, Order, OrderLine
from ..domain.ports.storage import Storage
from ..domain.stock import Vendor, VendorStock
from ..domain.stock_updates import StockUpdate
from ..domain.use_cases.cancel_orders import CancelOrder
from ..domain.values import timestamp_text
from ..domain.vendor_sync import Snapshot, StockReport
from .shop import SAME_CLOCK, Feed, Shop, wish
from .shop_work import NOW, level, stock_up, work

# Still to come for every clock, and past for all but the shop's.
SOON = datetime(2100, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
LATER = SOON + timedelta(days=1)
PAST = NOW + timedelta(hours=1)


def _report(shop: Shop, vendor_id: str, quantity: int, expected_at: datetime | None) -> None:
    """All that a vendor has: apples."""
    shop.pass_time(seconds=1)
    apples = StockReport(product_id="apple", quantity=quantity, expected_at=expected_at)
    vendor = Vendor(id=vendor_id, name=vendor_id)
    shop.sync_vendor(Feed(Snapshot(vendor=vendor, as_of=None, reports=(apples,))))


def _update(shop: Shop, **said: int | datetime | None) -> None:
    """Single figures of acme's apples."""
    shop.pass_time(seconds=1)
    updates = [StockUpdate(product_id="apple", **said)]  # type: ignore[arg-type]
    shop.update_vendor_stock(Vendor(id="acme", name="acme"), SAME_CLOCK, updates, lambda _: "")


def _wait(shop: Shop, units: int, key: str | None = None) -> Order:
    command = attrs.evolve(wish(key, apple=units), on_shortage=OnShortage.BACKORDER)
    [order] = shop.place(command)
    assert not isinstance(order, OrderRefused), order
    return order


def _said(order: Order) -> list[datetime | None]:
    return [line.expected_at for line in order.lines]


def _write(storage: Storage, *levels: VendorStock) -> None:
    work(storage, lambda uow: uow.stock.upsert_vendor_stock(levels))


def _expected(storage: Storage, now: datetime, *product_ids: str) -> dict[str, datetime]:
    return dict(work(storage, lambda uow: uow.stock.expected(product_ids, now)))


def _told(shop: Shop) -> datetime | None:
    """What acme's apples are shown with, both ways."""
    [listed] = shop.storage.read_model.vendor_stock(0, 9, "acme", "apple").items
    product = shop.storage.read_model.product("apple")
    assert product is not None
    assert listed in product.vendors
    return listed.expected_at


def test_the_earliest_time_to_come_of_all_vendors_counts(storage: Storage) -> None:
    times = {"acme": LATER, "bert": SOON, "cleo": PAST, "dora": None}
    for vendor_id, at in times.items():
        stock_up(storage, vendor_id, apple=0, pear=0, fig=0)
        row = attrs.evolve(level(vendor_id, "apple", 0), expected_at=at)
        fig = attrs.evolve(level(vendor_id, "fig", 0), expected_at=LATER)
        _write(storage, row, fig)
    assert _expected(storage, PAST, "apple", "pear", "kiwi") == {"apple": SOON}
    assert _expected(storage, PAST - timedelta(microseconds=1), "apple") == {"apple": PAST}
    assert _expected(storage, SOON, "apple", "fig") == {"apple": LATER, "fig": LATER}
    assert _expected(storage, LATER, "apple", "fig") == {}
    assert _expected(storage, PAST) == {}


def _disable(storage: Storage) -> None:
    work(storage, lambda uow: uow.vendors.enable("acme", enabled=False))


def _silence(storage: Storage) -> None:
    vendor = Vendor(id="acme", name="acme")
    work(storage, lambda uow: uow.stock.accept_report(vendor, NOW, NOW, timedelta(hours=1)))
    assert work(storage, lambda uow: uow.stock.make_stale("acme", NOW + timedelta(hours=2)))


def _quarantine(storage: Storage) -> None:
    work(storage, lambda uow: uow.stock.begin_quarantine("acme", NOW))


@pytest.mark.parametrize("step", [_disable, _silence, _quarantine])
def test_a_vendor_that_is_not_heard_does_not_count(
    storage: Storage, step: Callable[[Storage], None]
) -> None:
    stock_up(storage, "acme", apple=0)
    row = attrs.evolve(level("acme", "apple", 0), expected_at=SOON)
    _write(storage, row)
    assert _expected(storage, NOW, "apple") == {"apple": SOON}
    step(storage)
    assert _expected(storage, NOW, "apple") == {}


def test_what_a_report_does_not_say_is_not_expected_any_more(shop: Shop) -> None:
    _report(shop, "acme", 0, SOON)
    assert _told(shop) == SOON
    _report(shop, "acme", 0, LATER)
    assert _told(shop) == LATER
    _report(shop, "acme", 0, None)
    assert _told(shop) is None
    _report(shop, "acme", 0, SOON)
    # Not named at all, and it had none of it before.
    shop.sync("acme", {"pear": 1})
    assert _told(shop) is None
    assert shop.discrepancies() == []


def test_what_an_update_does_not_say_stays_expected(shop: Shop) -> None:
    _report(shop, "acme", 1, None)
    _update(shop, change=1, expected_at=SOON)
    assert _told(shop) == SOON
    _update(shop, change=1)
    _update(shop, quantity=5)
    assert _told(shop) == SOON
    _update(shop, quantity=5, expected_at=None)
    assert _told(shop) is None


def test_what_is_past_is_not_told(shop: Shop) -> None:
    _report(shop, "acme", 0, PAST)
    assert _told(shop) is None
    order = _wait(shop, 1)
    # For the shop's clock it is still to come.
    assert _said(order) == [PAST]
    assert _said(shop.order(order.id)) == [None]


def test_an_order_that_waits_says_what_is_expected_now(shop: Shop) -> None:
    _report(shop, "acme", 2, SOON)
    _report(shop, "bert", 0, LATER)
    order = _wait(shop, 5)
    assert _said(order) == _said(shop.order(order.id)) == [SOON]
    _report(shop, "acme", 2, None)
    [listed] = shop.storage.read_model.orders(0, 9).items
    assert _said(shop.order(order.id)) == _said(listed) == [LATER]
    _report(shop, "bert", 0, None)
    assert _said(shop.order(order.id)) == [None]


def test_nothing_is_expected_of_what_is_not_waited_for(shop: Shop) -> None:
    _report(shop, "acme", 2, SOON)
    assert _said(shop.accepted(apple=1)) == [None]
    order = _wait(shop, 2)
    assert _said(order) == [SOON]
    one = (OrderLine(product_id="apple", quantity=1),)
    shop.order_actions.cancel([CancelOrder(order_id=order.id, lines=one)])
    assert _said(shop.order(order.id)) == [None]


def test_an_order_that_is_asked_for_again_is_told_as_it_was(shop: Shop) -> None:
    _report(shop, "acme", 0, SOON)
    order = _wait(shop, 1, "key")
    _report(shop, "acme", 0, LATER)
    again = _wait(shop, 1, "key")
    assert (again.id, _said(again)) == (order.id, [SOON])
    assert _said(shop.order(order.id)) == [LATER]
    _report(shop, "acme", 3, None)
    shop.fill_backorders()
    assert _said(_wait(shop, 1, "key")) == [SOON]
    assert _said(shop.order(order.id)) == [None]


def test_the_first_event_has_what_was_expected_and_no_other(shop: Shop) -> None:
    _report(shop, "acme", 0, SOON)
    order = _wait(shop, 2)
    one = (OrderLine(product_id="apple", quantity=1),)
    shop.order_actions.cancel([CancelOrder(order_id=order.id, lines=one)])
    events = shop.storage.read_model.order_events(order.id)
    assert events is not None
    placed, changed = (event.data["lines"] for event in events)
    waits = {"product_id": "apple", "quantity": 2}
    assert placed == [{**waits, "backordered": 2, "expected_at": timestamp_text(SOON)}]
    assert changed == [{**waits, "cancelled": 1, "backordered": 1}]

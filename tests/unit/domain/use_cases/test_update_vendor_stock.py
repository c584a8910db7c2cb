"""Setting or changing single figures of a vendor's stock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from order_aggregator.domain.errors import (
    IdempotencyKeyReused,
    InvalidValue,
    StockChanged,
    StockConflict,
)
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.stock_updates import StockUpdate, StockUpdates
from order_aggregator.domain.use_cases.idempotency import Answer, RequestKey
from order_aggregator.domain.use_cases.report_intake import SyncResult
from order_aggregator.domain.vendor_sync import VendorTerms
from order_aggregator.testing.shop import SAME_CLOCK, Shop

ACME = Vendor(id="acme", name="Acme")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.sync("acme", {"apple": 5, "pear": 2})
    shop.pass_time(minutes=1)
    return shop


def _say(result: SyncResult) -> str:
    return ", ".join(f"{entry.product_id} {entry.delta:+}" for entry in result.adjustments)


def _update(
    shop: Shop, *updates: dict[str, Any], key: str | None = None, digest: str = "same"
) -> Answer:
    request = None if key is None else RequestKey(key=key, digest=digest)
    told = [StockUpdate(**update) for update in updates]
    return shop.update_vendor_stock(ACME, SAME_CLOCK, told, _say, request)


def test_a_figure_is_set_and_another_changed_and_the_rest_stays(shop: Shop) -> None:
    answer = _update(
        shop, {"product_id": "apple", "quantity": 9}, {"product_id": "kiwi", "change": 3}
    )
    assert answer == Answer(text="apple +4, kiwi +3")
    assert [shop.balance(key) for key in ("apple", "pear", "kiwi")] == [(9, 0), (2, 0), (3, 0)]
    _update(shop, {"product_id": "apple", "change": -4})
    assert shop.balance("apple") == (5, 0)
    assert shop.discrepancies() == []


def test_what_was_sold_and_is_not_counted_stays_sold(shop: Shop) -> None:
    before = shop.clock.now() - MINUTE
    shop.fulfil(shop.accepted(apple=2))
    shop.pass_time(minutes=1)
    # The vendor got a delivery, and does not know of our order.
    _update(shop, {"product_id": "apple", "change": 4, "as_of": before})
    assert shop.balance("apple") == (7, 0)
    # It learns of our order, which takes from its figure what it counts.
    _update(shop, {"product_id": "apple", "change": -2, "acked_through": 2})
    assert shop.balance("apple") == (7, 0)
    assert shop.discrepancies() == []


def test_without_a_date_of_its_own_an_update_counts_no_more_orders_than_before() -> None:
    """As a feed without dates: the vendor learns of orders within a day."""
    shop = Shop()
    terms = VendorTerms(max_cut=None)
    rows = [StockUpdate(product_id="apple", quantity=5)]
    shop.update_vendor_stock(ACME, terms, rows, _say)
    shop.fulfil(shop.accepted(apple=2))
    for hours, left in ((1, 3), (22, 3), (25, 5)):
        shop.pass_time(hours=hours)
        shop.update_vendor_stock(ACME, terms, rows, _say)
        assert shop.balance("apple") == (left, 0)
    assert shop.discrepancies() == []


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ({"product_id": "apple", "quantity": 1, "expected": 6}, 6),
        ({"product_id": "apple", "change": -6}, None),
        ({"product_id": "apple", "change": -6, "expected": 5}, None),
        ({"product_id": "apple", "change": 10**9}, None),
    ],
)
def test_what_does_not_fit_changes_nothing(
    shop: Shop, update: dict[str, Any], expected: int | None
) -> None:
    with pytest.raises(StockChanged) as caught:
        _update(shop, {"product_id": "pear", "quantity": 9}, update, key="k")
    conflict = StockConflict(product_id="apple", reported=5, expected=expected)
    assert caught.value.conflicts == (conflict,)
    assert (shop.balance("apple"), shop.balance("pear")) == ((5, 0), (2, 0))
    # The key is free still.
    assert not _update(shop, {"product_id": "pear", "quantity": 9}, key="k").replayed


def test_what_is_expected_is_what_was_reported_not_what_is_left(shop: Shop) -> None:
    shop.fulfil(shop.accepted(apple=2))
    _update(shop, {"product_id": "apple", "quantity": 8, "expected": 5})
    _update(shop, {"product_id": "kiwi", "quantity": 1, "expected": 0})


def test_a_repeated_request_is_answered_as_before_and_changes_nothing(shop: Shop) -> None:
    more = {"product_id": "apple", "change": 1}
    assert _update(shop, more, key="k") == Answer(text="apple +1")
    assert _update(shop, more, key="k") == Answer(text="apple +1", replayed=True)
    assert shop.balance("apple") == (6, 0)
    with pytest.raises(IdempotencyKeyReused):
        _update(shop, more, key="k", digest="other")
    assert not _update(shop, more, key="another").replayed


def test_a_row_older_than_the_last_whole_report_or_than_what_is_known_is_rejected(
    shop: Shop,
) -> None:
    told: list[SyncResult] = []

    def note(result: SyncResult) -> str:
        told.append(result)
        return ""

    def update(**fields: Any) -> list[str]:
        rows = [StockUpdate(product_id="apple", **fields)]
        shop.update_vendor_stock(ACME, SAME_CLOCK, rows, note)
        return [str(rejection) for rejection in told[-1].rejections]

    now = shop.clock.now()
    older = ["product apple, as_of: is older than what is known"]
    assert update(quantity=9, as_of=now - 2 * MINUTE) == older
    assert update(quantity=7, as_of=now) == []
    shop.pass_time(minutes=1)
    assert update(quantity=9, as_of=now - MINUTE / 2) == older
    # And a whole report that is older than the row leaves the row alone.
    result = shop.sync("acme", {"apple": 1, "pear": 1}, now - MINUTE / 2)
    assert [str(rejection) for rejection in result.rejections] == older
    assert (shop.balance("apple"), shop.balance("pear")) == ((7, 0), (1, 0))


def test_the_first_word_of_a_vendor_may_be_of_one_product() -> None:
    shop = Shop()
    _update(shop, {"product_id": "apple", "change": 2})
    assert shop.balance("apple") == (2, 0)
    assert shop.discrepancies() == []


def test_a_stale_vendor_stays_stale_until_it_makes_a_whole_report(shop: Shop) -> None:
    terms = VendorTerms(max_age=MINUTE, max_cut=None)
    update = StockUpdate(product_id="apple", quantity=9)
    shop.update_vendor_stock(ACME, terms, [update], _say)
    shop.pass_time(minutes=2)
    assert shop.withhold_stale_stock() == ["acme"]
    shop.update_vendor_stock(ACME, terms, [StockUpdate(product_id="apple", quantity=4)], _say)
    level = shop.central("apple")
    assert (level.on_hand, level.stale, level.available) == (4, 4, 0)
    assert shop.discrepancies() == []
    shop.sync("acme", {"apple": 4})
    assert shop.central("apple").available == 4


def test_a_vendor_that_tells_of_changes_is_not_silent(shop: Shop) -> None:
    terms = VendorTerms(max_age=3 * MINUTE, max_cut=None)
    for _ in range(5):
        shop.update_vendor_stock(ACME, terms, [StockUpdate(product_id="apple", change=1)], _say)
        shop.pass_time(minutes=2)
        assert shop.withhold_stale_stock() == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "quantity"),
        ({"quantity": 1, "change": 1}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"change": 1.5}, "change"),
        ({"change": -(10**9) - 1}, "change"),
        ({"change": 1, "expected": -1}, "expected"),
    ],
)
def test_mistakes_name_the_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        StockUpdate(product_id="apple", **fields)
    assert caught.value.field == field


class TestFeedsOfChanges:
    def _feed(self, key: str, **changes: int) -> StockUpdates:
        updates = tuple(StockUpdate(product_id=k, change=units) for k, units in changes.items())
        return StockUpdates(vendor=ACME, as_of=None, key=key, updates=updates)

    def _take_in(self, shop: Shop, feed: StockUpdates) -> SyncResult:
        return shop.update_vendor_stock.take_in(feed, SAME_CLOCK, shop.clock.now())

    def test_each_is_taken_in_once(self, shop: Shop) -> None:
        feed = self._feed("a", apple=-1, kiwi=3)
        assert self._take_in(shop, feed).changed == 2
        assert self._take_in(shop, feed).changed == 0
        assert (shop.balance("apple"), shop.balance("kiwi")) == ((4, 0), (3, 0))
        self._take_in(shop, self._feed("b", apple=-1, kiwi=3))
        assert (shop.balance("apple"), shop.balance("kiwi")) == ((3, 0), (6, 0))

    def test_what_does_not_fit_is_rejected_and_the_rest_is_taken_in(self, shop: Shop) -> None:
        result = self._take_in(shop, self._feed("a", apple=-6, pear=1))
        assert [str(each) for each in result.rejections] == [
            "product apple, change: does not fit the 5 before"
        ]
        assert (shop.balance("apple"), shop.balance("pear")) == ((5, 0), (3, 0))
        self._take_in(shop, self._feed("a", apple=-6, pear=1))
        assert shop.storage.read_model.rejections("acme", 0, 9).items == result.rejections

    def test_a_long_one_is_taken_in_once_as_well(self, shop: Shop) -> None:
        feed = self._feed("long", **{f"p{number:03}": 1 for number in range(600)})
        assert self._take_in(shop, feed).changed == 600
        assert self._take_in(shop, feed).changed == 0

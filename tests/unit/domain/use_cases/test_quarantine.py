"""A report that takes away much waits until it is approved or confirmed."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from order_aggregator.domain.errors import InvalidSnapshot, NotQuarantined, Rejection
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.use_cases.report_intake import SyncResult
from order_aggregator.domain.vendor_sync import Cut, Snapshot, VendorTerms
from order_aggregator.testing.shop import SAME_CLOCK, Feed, Shop, snapshot

TERMS = attrs.evolve(SAME_CLOCK, max_cut=0.5, confirm_after=timedelta(hours=1))


@pytest.fixture
def shop() -> Shop:
    """Ten apples and ten figs of acme."""
    shop = Shop()
    _report(shop, apple=10, fig=10)
    return shop


def _report(shop: Shop, terms: VendorTerms = TERMS, **quantities: int) -> SyncResult:
    shop.pass_time(minutes=1)
    return shop.sync_vendor(Feed(snapshot("acme", quantities, shop.clock.now()), terms))


def test_a_cut_of_half_is_taken_in_and_one_of_more_waits(shop: Shop) -> None:
    assert _report(shop, apple=4, fig=6).quarantined is None
    result = _report(shop, apple=4)
    assert (result.quarantined, result.adjustments) == (Cut(before=10, after=4), ())
    assert shop.balance("fig") == (6, 0)
    [vendor] = shop.storage.read_model.vendors(0, 9).items
    assert vendor.quarantined_at == shop.clock.now()


def test_an_empty_report_waits_whatever_share_is_allowed(shop: Shop) -> None:
    terms = attrs.evolve(TERMS, max_cut=1.0)
    assert _report(shop, terms, apple=1).quarantined is None
    assert _report(shop, terms).quarantined == Cut(before=1, after=0)


def test_meanwhile_its_stock_is_stale_and_not_sold(shop: Shop) -> None:
    _report(shop, apple=1)
    shop.pass_time(seconds=1)
    assert shop.withhold_stale_stock() == ["acme"]
    level = shop.central("fig")
    assert (level.on_hand, level.available) == (10, 0)
    assert shop.discrepancies() == []


def test_one_like_it_an_hour_later_is_believed(shop: Shop) -> None:
    _report(shop, apple=1)
    assert _report(shop, apple=1).quarantined
    shop.pass_time(minutes=59)
    assert _report(shop, apple=1).quarantined is None
    assert shop.balance("apple") == (1, 0)
    assert shop.balance("fig") == (0, 0)
    assert shop.discrepancies() == []


def test_once_approved_the_next_is_believed_but_not_the_one_after_it(shop: Shop) -> None:
    approve = shop.vendor_actions.approve
    with pytest.raises(NotQuarantined):
        approve("acme")
    _report(shop, apple=8)
    approve("acme")
    assert _report(shop, apple=8).quarantined is None
    assert _report(shop, apple=1).quarantined == Cut(before=8, after=1)
    with pytest.raises(NotQuarantined):
        approve("nobody")


def test_a_report_like_those_before_ends_it(shop: Shop) -> None:
    _report(shop, apple=1)
    assert _report(shop, apple=9, fig=9).quarantined is None
    [vendor] = shop.storage.read_model.vendors(0, 9).items
    assert (vendor.quarantined_at, vendor.stale) == (None, False)
    shop.pass_time(hours=2)
    assert _report(shop, apple=1).quarantined


def test_a_first_report_may_be_empty_and_so_may_one_after_it(shop: Shop) -> None:
    for _ in range(2):
        result = shop.sync_vendor(Feed(snapshot("bert", {}, shop.clock.now()), TERMS))
        assert result.quarantined is None


def test_a_preview_changes_nothing(shop: Shop) -> None:
    shop.pass_time(minutes=1)
    now = shop.clock.now()
    result = shop.sync_vendor.preview(snapshot("acme", {"apple": 12, "new": 9}, now), TERMS)
    deltas = {entry.product_id: entry.delta for entry in result.adjustments}
    assert deltas == {"apple": 2, "fig": -10, "new": 9}
    assert shop.sync_vendor.preview(snapshot("acme", {}, now), TERMS).quarantined
    assert shop.balance("fig") == (10, 0)
    [vendor] = shop.storage.read_model.vendors(0, 9).items
    assert (vendor.quarantined_at, vendor.as_of) == (None, now - timedelta(minutes=1))
    assert shop.storage.read_model.stock(0, 9).total == 2


BAD = Rejection(place="line 3", product_id="fig", field="qty", reason="must be a number of units")


def test_what_is_known_of_a_product_stays_when_its_row_is_bad(shop: Shop) -> None:
    shop.pass_time(minutes=1)
    feed = attrs.evolve(snapshot("acme", {"apple": 9}, shop.clock.now()), rejections=(BAD,))
    assert shop.sync_vendor(Feed(feed, TERMS)).rejections == (BAD,)
    assert shop.balance("fig") == (10, 0)
    assert shop.storage.read_model.rejections("acme", 0, 9).items == (BAD,)
    assert shop.storage.read_model.vendors(0, 9).items[0].rejected == 1
    _report(shop, apple=9, fig=9)
    assert shop.storage.read_model.rejections("acme", 0, 9).items == ()


def test_the_bad_rows_of_a_feed_that_is_refused_are_kept_too(shop: Shop) -> None:
    class Refused:
        vendor = Vendor(id="acme", name="Acme")
        terms = TERMS

        def fetch(self) -> Snapshot:
            raise InvalidSnapshot("acme", "all rows are bad", [BAD])

    with pytest.raises(InvalidSnapshot):
        shop.sync_vendor(Refused())
    assert shop.storage.read_model.rejections("acme", 0, 9).items == (BAD,)

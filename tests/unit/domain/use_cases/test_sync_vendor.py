"""Taking in what vendors report."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from order_aggregator.adapters.memory import ManualClock
from order_aggregator.domain.allocation import highest_first
from order_aggregator.domain.counting import CountsOrders, parse_counts_orders
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.use_cases.fulfil_orders import FulfilOrders
from order_aggregator.domain.use_cases.report_intake import CAUSE, CHUNK
from order_aggregator.domain.vendor_sync import (
    Snapshot,
    StockAdjustment,
    StockReport,
    VendorTerms,
)
from order_aggregator.testing.shop import Feed, Shop, snapshot

MINUTE = timedelta(minutes=1)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def _deltas(adjustments: tuple[StockAdjustment, ...]) -> dict[str, int]:
    assert len({entry.product_id for entry in adjustments}) == len(adjustments)
    return {entry.product_id: entry.delta for entry in adjustments}


def test_a_first_report_becomes_vendor_and_central_stock(shop: Shop) -> None:
    result = shop.sync("acme", {"apple": 5, "fig": 0})
    assert (result.vendor_id, result.products, result.as_of) == ("acme", 2, shop.clock.now())
    assert result.adjustments == (
        StockAdjustment(
            vendor_id="acme", product_id="apple", delta=5, cause=CAUSE, at=shop.clock.now()
        ),
    )
    assert shop.balance("apple") == (5, 0)
    assert shop.balance("fig") == (0, 0)
    assert shop.central("apple").name == "Product apple"
    assert shop.discrepancies() == []


def test_central_stock_is_the_sum_over_the_vendors(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    shop.sync("bert", {"apple": 2})
    assert shop.balance("apple") == (7, 0)
    assert shop.vendor_units("apple") == {"acme": 5, "bert": 2}


def test_a_newer_report_moves_stock_by_the_difference(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5, "pear": 1, "fig": 2})
    shop.pass_time(minutes=1)
    result = shop.sync("acme", {"apple": 3, "pear": 4, "fig": 2})
    assert _deltas(result.adjustments) == {"apple": -2, "pear": 3}
    assert shop.balance("apple") == (3, 0)
    assert shop.discrepancies() == []


def test_a_product_no_longer_named_is_no_longer_there(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5, "pear": 1})
    shop.sync("bert", {"apple": 2})
    shop.pass_time(minutes=1)
    result = shop.sync("acme", {"pear": 1})
    assert _deltas(result.adjustments) == {"apple": -5}
    assert result.products == 1
    assert shop.vendor_units("apple") == {"acme": 0, "bert": 2}
    assert shop.balance("apple") == (2, 0)
    assert shop.central("apple").name == "Product apple"
    shop.pass_time(minutes=1)
    assert shop.sync("acme", {"pear": 1}).adjustments == ()


def test_a_product_named_again_is_back(shop: Shop) -> None:
    for quantities in ({"apple": 5}, {}, {"apple": 3}):
        shop.pass_time(minutes=1)
        shop.sync("acme", quantities)
    assert shop.balance("apple") == (3, 0)


def test_a_repeated_report_changes_nothing(shop: Shop) -> None:
    as_of = shop.clock.now()
    shop.sync("acme", {"apple": 5}, as_of)
    shop.pass_time(minutes=1)
    shop.fulfil(shop.accepted(apple=2))
    shop.accepted(apple=1)
    assert shop.sync("acme", {"apple": 5}, as_of).adjustments == ()
    assert shop.balance("apple") == (3, 1)


def test_an_older_report_changes_nothing(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5, "pear": 1})
    older = shop.clock.now() - MINUTE
    assert shop.sync("acme", {"apple": 9}, older).adjustments == ()
    assert shop.balance("apple") == (5, 0)
    assert shop.balance("pear") == (1, 0)


def test_an_older_report_does_not_bring_back_what_a_newer_one_no_longer_names(shop: Shop) -> None:
    older = shop.clock.now()
    shop.pass_time(minutes=1)
    shop.sync("acme", {"pear": 1})
    result = shop.sync("acme", {"apple": 7, "pear": 1}, older)
    assert (result.adjustments, result.outdated) == ((), True)
    assert shop.storage.read_model.stock(0, 10).total == 1


def test_units_that_the_vendor_has_not_counted_yet_stay_sold(shop: Shop) -> None:
    shop.sync("acme", {"apple": 10})
    shop.pass_time(minutes=1)
    before = shop.clock.now()
    shop.pass_time(minutes=1)
    shop.fulfil(shop.accepted(apple=4))
    # The vendor's figure is older than our order: of its 9, 4 are sold.
    result = shop.sync("acme", {"apple": 9}, before)
    assert _deltas(result.adjustments) == {"apple": -1}
    assert shop.balance("apple") == (5, 0)
    # By now it has counted them.
    shop.sync("acme", {"apple": 6})
    assert shop.balance("apple") == (6, 0)
    assert shop.discrepancies() == []


def test_only_the_vendors_own_orders_count_against_its_report(shop: Shop) -> None:
    before = shop.clock.now()
    shop.sync("acme", {"apple": 10}, before)
    shop.sync("bert", {"apple": 3, "pear": 3}, before)
    shop.pass_time(minutes=1)
    shop.fulfil(shop.accepted(apple=4))
    shop.sync("bert", {"apple": 3, "pear": 3}, before)
    assert shop.vendor_units("apple") == {"acme": 6, "bert": 3}


def test_stock_may_fall_below_what_is_reserved_but_never_below_zero(shop: Shop) -> None:
    before = shop.clock.now()
    shop.sync("acme", {"apple": 10})
    shop.pass_time(minutes=1)
    shop.fulfil(shop.accepted(apple=4))
    shop.accepted(apple=5)
    shop.sync("acme", {"apple": 1}, before)
    assert shop.balance("apple") == (0, 5)
    assert shop.central("apple").available == 0
    assert shop.discrepancies() == []


def _sync_named(shop: Shop, vendor_id: str, name: str | None, quantity: int = 1) -> str:
    """The apple's name after this vendor's report of it."""
    shop.pass_time(seconds=1)
    report = StockReport(product_id="apple", name=name, quantity=quantity)
    vendor = Vendor(id=vendor_id, name=f"Vendor {vendor_id}")
    snapshot = Snapshot(vendor=vendor, as_of=shop.clock.now(), reports=(report,))
    shop.sync_vendor(Feed(snapshot))
    return shop.central("apple").name


def test_a_vendor_is_renamed(shop: Shop) -> None:
    shop.sync("acme", {"apple": 1})
    vendor = Vendor(id="acme", name="Acme & Sons")
    as_of = shop.clock.now() + MINUTE
    shop.sync_vendor(Feed(attrs.evolve(snapshot("acme", {"apple": 2}, as_of), vendor=vendor)))
    [level] = shop.storage.read_model.vendor_stock(0, 9).items
    assert (level.vendor_name, level.available) == ("Acme & Sons", 2)


def test_a_products_name_follows_the_feed(shop: Shop) -> None:
    assert _sync_named(shop, "acme", "Aple") == "Aple"
    assert _sync_named(shop, "acme", "Apple") == "Apple"
    assert _sync_named(shop, "acme", "Sold out apple", quantity=0) == "Sold out apple"
    assert _sync_named(shop, "acme", None) == "Sold out apple"


def test_a_product_is_called_by_its_id_until_a_feed_names_it(shop: Shop) -> None:
    assert _sync_named(shop, "acme", None) == "apple"
    assert _sync_named(shop, "globex", "Apple") == "Apple"


def test_vendors_that_disagree_do_not_rename_a_product_in_turns(shop: Shop) -> None:
    assert _sync_named(shop, "acme", "Apple") == "Apple"
    assert _sync_named(shop, "globex", "Pomme") == "Apple"
    assert _sync_named(shop, "acme", "Apple", quantity=0) == "Apple"
    assert _sync_named(shop, "globex", "Pomme", quantity=0) == "Apple"
    assert _sync_named(shop, "globex", "Pomme") == "Pomme"
    assert _sync_named(shop, "acme", "Apple") == "Pomme"


@pytest.mark.parametrize("products", [CHUNK, CHUNK + 1, 2 * CHUNK + 500])
def test_a_large_report_is_taken_in_chunk_by_chunk(shop: Shop, products: int) -> None:
    quantities = {f"product {number}": number % 7 for number in range(products)}
    result = shop.sync("acme", quantities)
    assert result.products == products
    assert _deltas(result.adjustments) == {key: units for key, units in quantities.items() if units}
    shop.pass_time(minutes=1)
    gone = shop.sync("acme", {})
    assert _deltas(gone.adjustments) == {key: -units for key, units in quantities.items() if units}
    assert shop.discrepancies() == []


def test_an_empty_first_report_is_taken_in(shop: Shop) -> None:
    assert shop.sync("acme", {}).adjustments == ()


class TestCounting:
    """Which of our orders a report has counted."""

    def _report(self, shop: Shop, rule: CountsOrders, **report: Any) -> int:
        """What is available of apples after a report of this."""
        as_of, stated = report.pop("of", None), report.pop("stated", False)
        reports = (StockReport(product_id="apple", **report),)
        vendor = Vendor(id="acme", name="Acme")
        shop.sync_vendor(
            Feed(
                Snapshot(vendor=vendor, as_of=as_of, stated=stated, reports=reports),
                VendorTerms(counts_orders=rule),
            )
        )
        return shop.vendor_units("apple")["acme"]

    def test_by_sequence_to_the_unit(self, shop: Shop) -> None:
        rule = parse_counts_orders("by_sequence")
        assert self._report(shop, rule, quantity=10, acked_through=0) == 10
        first, second = shop.accepted(apple=3), shop.accepted(apple=2)
        shop.fulfil(first, second)
        [part] = shop.order(first.id).allocations
        assert part.sequence == 3
        # Whatever any clock says.
        assert self._report(shop, rule, quantity=7, acked_through=part.sequence) == 5
        assert self._report(shop, rule, quantity=7, acked_through=0) == 2
        assert self._report(shop, rule, quantity=5, acked_through=5) == 5

    def test_a_sequence_that_we_never_gave_is_rejected(self, shop: Shop) -> None:
        rule = CountsOrders()
        assert self._report(shop, rule, quantity=10) == 10
        shop.fulfil(shop.accepted(apple=3))
        assert self._report(shop, rule, quantity=10, acked_through=4) == 7

    def test_by_the_rows_own_date_less_the_tolerance(self, shop: Shop) -> None:
        rule = CountsOrders(clock_tolerance=MINUTE)
        start = shop.clock.now()
        assert self._report(shop, rule, quantity=10, as_of=start) == 10
        shop.fulfil(shop.accepted(apple=3))
        assert self._report(shop, rule, quantity=10, as_of=start) == 7
        shop.pass_time(hours=1)
        too_soon = start + MINUTE - timedelta(microseconds=1)
        assert self._report(shop, rule, quantity=7, as_of=too_soon) == 4
        assert self._report(shop, rule, quantity=7, as_of=start + MINUTE) == 7

    def test_what_one_row_says_is_of_that_row_alone(self, shop: Shop) -> None:
        start = shop.clock.now()
        shop.sync("acme", {"apple": 5, "pear": 5})
        shop.pass_time(minutes=2)
        shop.fulfil(shop.accepted(apple=1, pear=1))
        shop.sync("acme", {"apple": 5, "pear": 5}, start)
        shop.pass_time(minutes=2)
        now = shop.clock.now()
        reports = (
            StockReport(product_id="apple", quantity=4, as_of=now),
            StockReport(product_id="pear", quantity=5, as_of=start),
        )
        vendor = Vendor(id="acme", name="Acme")
        shop.sync_vendor(Feed(Snapshot(vendor=vendor, as_of=None, reports=reports)))
        assert shop.balance("apple") == (4, 0)
        assert shop.balance("pear") == (4, 0)

    def test_a_feed_without_dates_counts_an_order_after_a_day(self, shop: Shop) -> None:
        rule = CountsOrders()
        assert self._report(shop, rule, quantity=10) == 10
        shop.fulfil(shop.accepted(apple=3))
        assert self._report(shop, rule, quantity=10) == 7
        shop.pass_time(hours=23, minutes=59)
        assert self._report(shop, rule, quantity=10) == 7
        shop.pass_time(minutes=1)
        assert self._report(shop, rule, quantity=7) == 7

    def test_a_rule_may_name_the_delay_and_then_dates_do_not_count(self, shop: Shop) -> None:
        rule = parse_counts_orders("after:1h")
        now = shop.clock.now
        assert self._report(shop, rule, quantity=10, as_of=now()) == 10
        shop.fulfil(shop.accepted(apple=3))
        self._report(shop, rule, quantity=10)
        shop.pass_time(minutes=59)
        assert self._report(shop, rule, quantity=10, as_of=now(), acked_through=3) == 7
        shop.pass_time(minutes=1)
        assert self._report(shop, rule, quantity=7) == 7

    def test_by_as_of_a_feed_is_dated_by_its_evidence_where_it_says_nothing(
        self, shop: Shop
    ) -> None:
        rule = parse_counts_orders("by_as_of", MINUTE)
        start = shop.clock.now()
        assert self._report(shop, rule, quantity=10, of=start) == 10
        shop.fulfil(shop.accepted(apple=3))
        assert self._report(shop, rule, quantity=10, of=start) == 7
        shop.pass_time(minutes=1)
        assert self._report(shop, rule, quantity=7, of=shop.clock.now()) == 7

    def test_what_was_counted_once_stays_so(self, shop: Shop) -> None:
        rule = CountsOrders(clock_tolerance=timedelta(0))
        start = shop.clock.now()
        self._report(shop, rule, quantity=10, of=start, stated=True)
        shop.fulfil(shop.accepted(apple=3))
        self._report(shop, rule, quantity=10, of=start, stated=True)
        shop.pass_time(minutes=1)
        assert self._report(shop, rule, quantity=7, of=shop.clock.now(), stated=True) == 7
        # By the next report, which has no date, we know of nothing new.
        assert self._report(shop, rule, quantity=7) == 7

    def test_an_order_that_was_decided_long_before_its_commit_is_not_counted(
        self, shop: Shop
    ) -> None:
        """A worker that pauses in its transaction: its own time says nothing."""
        rule = CountsOrders(clock_tolerance=timedelta(0))
        start = shop.clock.now()
        self._report(shop, rule, quantity=10, as_of=start)
        order = shop.accepted(apple=3)
        worker = FulfilOrders(
            shop.storage.unit_of_work, ManualClock(start - timedelta(hours=1)), highest_first
        )
        shop.pass_time(minutes=1)
        asked = shop.clock.now()
        shop.pass_time(minutes=1)
        worker([order.id])
        assert self._report(shop, rule, quantity=10, as_of=asked) == 7


def test_a_report_of_the_future_is_of_the_moment_at_which_it_was_asked_for(shop: Shop) -> None:
    ahead = shop.clock.now() + timedelta(days=1)
    assert shop.sync("acme", {"apple": 5}, ahead).as_of == shop.clock.now()
    # It bars no report that is dated right.
    shop.pass_time(minutes=1)
    assert not shop.sync("acme", {"apple": 4}).outdated
    assert shop.balance("apple") == (4, 0)


def test_a_clock_that_was_set_back_bars_no_report(shop: Shop) -> None:
    shop.pass_time(hours=1)
    shop.sync("acme", {"apple": 5})
    shop.clock.advance(timedelta(hours=-1))
    assert not shop.sync("acme", {"apple": 4}).outdated
    assert shop.balance("apple") == (4, 0)

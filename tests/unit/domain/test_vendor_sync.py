"""What a vendor's report does to its stock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.domain.errors import InvalidSnapshot, InvalidValue
from order_aggregator.domain.stock import Vendor, VendorStock
from order_aggregator.domain.vendor_sync import Snapshot, StockReport, reconcile
from order_aggregator.testing.shop import snapshot

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = NOW - timedelta(microseconds=1)


def _level(
    available: int, reported: int, as_of: datetime = NOW, product: str = "apple"
) -> VendorStock:
    return VendorStock(
        vendor_id="acme", product_id=product, available=available, reported=reported, as_of=as_of
    )


def test_a_first_report_becomes_the_stock() -> None:
    assert reconcile("acme", {"apple": 5}, NOW, {}, {}) == [_level(5, 5)]


def test_a_newer_report_replaces_an_older_one() -> None:
    known = {"apple": _level(5, 5, EARLIER)}
    assert reconcile("acme", {"apple": 3}, NOW, known, {}) == [_level(3, 3)]


def test_a_newer_report_of_the_same_figures_moves_their_date_on() -> None:
    known = {"apple": _level(5, 5, EARLIER)}
    assert reconcile("acme", {"apple": 5}, NOW, known, {}) == [_level(5, 5)]


def test_a_repeated_report_changes_nothing() -> None:
    assert reconcile("acme", {"apple": 5}, NOW, {"apple": _level(5, 5)}, {}) == []


def test_a_report_repeated_after_an_allocation_changes_nothing() -> None:
    """Of 5 reported units 2 were sold since; the vendor has not counted them."""
    assert reconcile("acme", {"apple": 5}, NOW, {"apple": _level(3, 5)}, {"apple": 2}) == []


def test_a_corrected_report_of_the_same_moment_is_taken_in() -> None:
    assert reconcile("acme", {"apple": 4}, NOW, {"apple": _level(5, 5)}, {}) == [_level(4, 4)]


def test_units_that_the_vendor_has_not_counted_are_subtracted() -> None:
    assert reconcile("acme", {"apple": 5}, NOW, {}, {"apple": 2}) == [_level(3, 5)]


def test_stock_never_falls_below_zero() -> None:
    assert reconcile("acme", {"apple": 1}, NOW, {}, {"apple": 4}) == [_level(0, 1)]


def test_products_are_judged_one_by_one_and_answered_in_order() -> None:
    known = {"fig": _level(1, 1, NOW, "fig"), "pear": _level(7, 7, EARLIER, "pear")}
    changed = reconcile("acme", {"pear": 8, "fig": 1, "apple": 2}, NOW, known, {})
    assert [level.product_id for level in changed] == ["apple", "pear"]


_QUANTITIES = st.dictionaries(st.sampled_from("abc"), st.integers(0, 9))


@given(_QUANTITIES, _QUANTITIES, st.lists(st.tuples(st.integers(0, 5), _QUANTITIES), max_size=8))
def test_a_report_taken_in_twice_changes_nothing_the_second_time(
    quantities: dict[str, int], uncounted: dict[str, int], history: list[tuple[int, dict[str, int]]]
) -> None:
    known: dict[str, VendorStock] = {}
    for age, reported in history:
        as_of = NOW - timedelta(minutes=age)
        known |= {x.product_id: x for x in reconcile("acme", reported, as_of, known, {})}
    known |= {x.product_id: x for x in reconcile("acme", quantities, NOW, known, uncounted)}
    assert reconcile("acme", quantities, NOW, known, uncounted) == []
    assert all(level.available >= 0 for level in known.values())
    for product_id, units in quantities.items():
        assert known[product_id].available == max(0, units - uncounted.get(product_id, 0))


def test_a_snapshot_that_names_a_product_twice_is_refused_whole() -> None:
    report = StockReport(product_id="apple", name="Apple", quantity=1)
    vendor = Vendor(id="acme", name="Acme")
    with pytest.raises(InvalidSnapshot, match=r"acme.*'apple'"):
        Snapshot(vendor=vendor, as_of=NOW, reports=(report, report))


def test_a_snapshot_may_be_empty() -> None:
    assert snapshot("acme", {}, NOW).reports == ()


def test_a_snapshot_needs_a_moment_with_an_offset() -> None:
    with pytest.raises(InvalidValue, match="as_of"):
        snapshot("acme", {}, NOW.replace(tzinfo=None))


@pytest.mark.parametrize("quantity", [-1, True, 1.0, 2**63, "1", None])
def test_a_report_needs_a_whole_number_of_units_from_zero_up(quantity: object) -> None:
    StockReport(product_id="apple", name="Apple", quantity=0)
    with pytest.raises(InvalidValue):
        StockReport(product_id="apple", name="Apple", quantity=quantity)  # type: ignore[arg-type]

"""What a vendor's report does to its stock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.domain.errors import InvalidSnapshot, InvalidValue
from order_aggregator.domain.stock import Vendor, VendorStock
from order_aggregator.domain.vendor_sync import (
    Snapshot,
    StockReport,
    is_known,
    is_outdated,
    reconcile,
)
from order_aggregator.testing.shop import snapshot

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = NOW - timedelta(microseconds=1)


def _level(
    available: int, reported: int, product: str = "apple", allocated: int = 0, counted: int = 0
) -> VendorStock:
    return VendorStock(
        vendor_id="acme",
        product_id=product,
        available=available,
        reported=reported,
        allocated=allocated,
        counted=counted,
    )


def _reconcile(
    quantities: Mapping[str, int],
    known: Mapping[str, VendorStock],
    counted: Mapping[str, int] | None = None,
) -> list[VendorStock]:
    reports = [StockReport(product_id=key, quantity=units) for key, units in quantities.items()]
    return reconcile("acme", reports, known, dict.fromkeys(quantities, 0) | dict(counted or {}))


def test_a_first_report_becomes_the_stock() -> None:
    assert _reconcile({"apple": 5}, {}) == [_level(5, 5)]


def test_a_newer_report_replaces_an_older_one() -> None:
    assert _reconcile({"apple": 3}, {"apple": _level(5, 5)}) == [_level(3, 3)]


def test_a_repeated_report_changes_nothing() -> None:
    assert _reconcile({"apple": 5}, {"apple": _level(5, 5)}) == []


def test_a_report_repeated_after_an_allocation_changes_nothing() -> None:
    """Of 5 reported units 2 were sold since; the vendor has not counted them."""
    assert _reconcile({"apple": 5}, {"apple": _level(3, 5, allocated=2)}) == []


def test_units_that_the_vendor_has_not_counted_are_subtracted() -> None:
    known = {"apple": _level(1, 3, allocated=2)}
    assert _reconcile({"apple": 5}, known) == [_level(3, 5, allocated=2)]


def test_units_that_the_vendor_has_counted_are_not_subtracted_again() -> None:
    known = {"apple": _level(3, 5, allocated=2)}
    assert _reconcile({"apple": 3}, known, {"apple": 2}) == [_level(3, 3, allocated=2, counted=2)]


def test_stock_never_falls_below_zero() -> None:
    known = {"apple": _level(0, 4, allocated=4)}
    assert _reconcile({"apple": 1}, known) == [_level(0, 1, allocated=4)]


def test_products_are_judged_one_by_one_and_answered_in_order() -> None:
    known = {"fig": _level(1, 1, "fig"), "pear": _level(7, 7, "pear")}
    changed = _reconcile({"pear": 8, "fig": 1, "apple": 2}, known)
    assert [level.product_id for level in changed] == ["apple", "pear"]


_QUANTITIES = st.dictionaries(st.sampled_from("abc"), st.integers(0, 9))


@given(_QUANTITIES, st.lists(_QUANTITIES, max_size=8), _QUANTITIES)
def test_a_report_taken_in_twice_changes_nothing_the_second_time(
    quantities: dict[str, int], history: list[dict[str, int]], allocated: dict[str, int]
) -> None:
    known = {key: _level(0, 0, key, allocated=units) for key, units in allocated.items()}
    for reported in [*history, quantities]:
        known |= {level.product_id: level for level in _reconcile(reported, known)}
    assert _reconcile(quantities, known) == []
    for product_id, units in quantities.items():
        uncounted = allocated.get(product_id, 0)
        assert known[product_id].available == max(0, units - uncounted)


def test_a_row_older_than_what_the_vendor_said_before_is_outdated() -> None:
    known = attrs.evolve(_level(1, 1), stated_at=NOW)
    undated = StockReport(product_id="apple", quantity=2)
    old = attrs.evolve(undated, as_of=EARLIER)
    assert is_outdated(old, NOW, known, NOW)
    assert is_outdated(undated, EARLIER, known, NOW)
    assert not is_outdated(undated, NOW, known, NOW)
    assert not is_outdated(old, NOW, None, NOW)
    assert not is_outdated(old, NOW, _level(1, 1), NOW)


def test_what_is_dated_later_than_now_outdates_nothing() -> None:
    known = attrs.evolve(_level(1, 1), stated_at=NOW)
    assert not is_outdated(StockReport(product_id="apple", quantity=2), EARLIER, known, EARLIER)


_APPLE = "Apple"


@pytest.mark.parametrize(
    ("report", "known", "name", "is_so"),
    [
        ({"quantity": 5}, _level(5, 5), _APPLE, True),
        ({"quantity": 5, "name": "Apple"}, _level(5, 5), _APPLE, True),
        ({"quantity": 5}, _level(3, 5, allocated=2), _APPLE, False),
        ({"quantity": 5}, _level(5, 5, allocated=2, counted=2), _APPLE, True),
        ({"quantity": 5, "acked_through": 1}, _level(4, 5, allocated=2, counted=1), _APPLE, True),
        ({"quantity": 5, "acked_through": 2}, _level(4, 5, allocated=2, counted=1), _APPLE, False),
        ({"quantity": 4}, _level(5, 5), _APPLE, False),
        ({"quantity": 5, "name": "Pomme"}, _level(5, 5), _APPLE, False),
        ({"quantity": 5, "as_of": NOW}, _level(5, 5), _APPLE, False),
        ({"quantity": 5, "expected_at": NOW}, _level(5, 5), _APPLE, False),
        ({"quantity": 5}, attrs.evolve(_level(5, 5), expected_at=NOW), _APPLE, False),
        ({"quantity": 5}, attrs.evolve(_level(5, 5), stale=True), _APPLE, False),
        ({"quantity": 0}, None, _APPLE, False),
        ({"quantity": 5}, _level(5, 5), None, False),
    ],
)
def test_what_is_known_does_not_have_to_be_taken_in(
    report: dict[str, Any], known: VendorStock | None, name: str | None, *, is_so: bool
) -> None:
    assert is_known(StockReport(product_id="apple", **report), known, name) == is_so


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

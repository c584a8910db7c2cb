"""What every storage promises about central and vendor stock.

Fixtures: `storage`: an empty storage.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import attrs
import pytest

from ..domain.errors import ConstraintViolated
from ..domain.ports.storage import Storage
from ..domain.ports.unit_of_work import UnitOfWork
from ..domain.stock import (
    CentralStock,
    Product,
    StockDelta,
    Vendor,
    VendorStock,
    VendorStockChange,
)
from ..domain.values import MAX_QUANTITY
from ..domain.vendor_sync import Quarantine, ReportState
from .shop_work import NOW, central, level, stock_up, work

LATER = NOW + timedelta(seconds=1)
ODD_IDS = [
    *("ä", "日本", "🍎", "a b", "'", '"', "\\", "%", "_", "{}", "{a,b}", "a,b", "NULL", "null"),
    *(":x", "$1", "--", ";", "[1]", "0", "A", "a", "x" * 100, "a\u00a0b", "a\u00e1b", "\U0010ffff"),
]


@pytest.fixture(autouse=True)
def stocked(storage: Storage) -> None:
    """5 apples and 3 pears of acme."""
    stock_up(storage, "acme", apple=5, pear=3)


def _change(storage: Storage, *changes: StockDelta) -> None:
    work(storage, lambda uow: uow.stock.change(changes, LATER))


def _rename(storage: Storage, vendor: Vendor) -> None:
    work(storage, lambda uow: uow.stock.accept_report(vendor, NOW, NOW))


def _levels(storage: Storage, *product_ids: str) -> list[VendorStock]:
    found = work(storage, lambda uow: uow.stock.lock_vendor_stock(product_ids))
    return sorted(found, key=lambda each: (each.product_id, each.vendor_id))


def test_the_highest_vendors_are_found_by_product(storage: Storage) -> None:
    for vendor_id, apples in {"dora": 9, "cleo": 5, "bert": 7, "emil": 0}.items():
        stock_up(storage, vendor_id, apple=apples, fig=1)

    def highest(**counts: int) -> list[tuple[str, str]]:
        found = work(storage, lambda uow: uow.stock.lock_top_vendors(counts))
        return sorted((each.product_id, each.vendor_id) for each in found)

    assert highest(apple=1) == [("apple", "dora")]
    # Of acme and cleo, who have five each, the first by id.
    assert highest(apple=3, pear=2) == [
        *(("apple", vendor_id) for vendor_id in ("acme", "bert", "dora")),
        ("pear", "acme"),
    ]
    assert len(highest(apple=10**12)) == 4
    assert highest(kiwi=1) == highest() == []


def test_the_highest_vendors_are_told_of_in_full(storage: Storage) -> None:
    assert work(storage, lambda uow: uow.stock.lock_top_vendors({"apple": 1})) == [
        level("acme", "apple", 5)
    ]


def test_locking_answers_with_the_known_products_among_those_asked_for(storage: Storage) -> None:
    locked = work(storage, lambda uow: uow.stock.lock(["pear", "kiwi", "apple", "pear"]))
    assert locked == {
        "apple": CentralStock(product_id="apple", on_hand=5),
        "pear": CentralStock(product_id="pear", on_hand=3),
    }
    assert work(storage, lambda uow: uow.stock.lock([])) == {}
    assert work(storage, lambda uow: uow.stock.lock({"kiwi"})) == {}


def test_changes_are_differences(storage: Storage) -> None:
    _change(
        storage,
        StockDelta(product_id="apple", on_hand=2, reserved=4),
        StockDelta(product_id="pear", on_hand=-3),
    )
    _change(storage, StockDelta(product_id="apple", on_hand=-1, reserved=-1))
    assert central(storage, "apple") == (6, 3)
    assert central(storage, "pear") == (0, 0)
    _change(storage)


def test_a_change_is_dated(storage: Storage) -> None:
    _change(storage, StockDelta(product_id="apple", reserved=1))
    apple, pear = storage.read_model.stock(0, 9).items
    assert (apple.updated_at, pear.updated_at) == (LATER, NOW)


@pytest.mark.parametrize(
    "change",
    [
        StockDelta(product_id="apple", on_hand=-6),
        StockDelta(product_id="apple", reserved=-1),
        StockDelta(product_id="apple", on_hand=-6, reserved=-1),
        StockDelta(product_id="apple", reserved=6),
        StockDelta(product_id="apple", on_hand=-5, reserved=1),
    ],
)
def test_the_storage_itself_refuses_a_figure_below_zero_or_an_oversold_product(
    storage: Storage, change: StockDelta
) -> None:
    with pytest.raises(ConstraintViolated):
        _change(storage, StockDelta(product_id="pear", reserved=1), change)
    assert central(storage, "apple") == (5, 0)
    assert central(storage, "pear") == (3, 0)


def test_one_unit_more_than_on_hand_cannot_be_reserved_in_steps_either(storage: Storage) -> None:
    _change(storage, StockDelta(product_id="apple", reserved=5))
    with pytest.raises(ConstraintViolated):
        _change(storage, StockDelta(product_id="apple", reserved=1))
    assert central(storage, "apple") == (5, 5)


def test_what_is_on_hand_may_fall_below_what_is_reserved(storage: Storage) -> None:
    """A vendor's report may say so; then reservations can still be taken back, one by one."""
    _change(storage, StockDelta(product_id="apple", reserved=5))
    _change(storage, StockDelta(product_id="apple", on_hand=-4))
    _change(storage, StockDelta(product_id="apple", reserved=-2))
    _change(storage, StockDelta(product_id="apple", on_hand=-1, reserved=-1))
    assert central(storage, "apple") == (0, 2)
    with pytest.raises(ConstraintViolated):
        _change(storage, StockDelta(product_id="apple", reserved=1))


def test_vendor_stock_is_found_by_product(storage: Storage) -> None:
    stock_up(storage, "bert", apple=2, fig=1)
    assert _levels(storage, "apple") == [level("acme", "apple", 5), level("bert", "apple", 2)]
    assert _levels(storage, "fig", "pear", "kiwi") == [
        level("bert", "fig", 1),
        level("acme", "pear", 3),
    ]
    assert _levels(storage) == []


def test_one_vendors_stock_is_found_by_product(storage: Storage) -> None:
    stock_up(storage, "bert", apple=2, fig=1)
    found = work(storage, lambda uow: uow.stock.vendor_levels("bert", ["apple", "fig", "kiwi"]))
    by_product = sorted(found, key=lambda each: each.product_id)
    assert by_product == [level("bert", "apple", 2), level("bert", "fig", 1)]
    assert work(storage, lambda uow: uow.stock.vendor_levels("stranger", ["apple"])) == []
    assert work(storage, lambda uow: uow.stock.vendor_levels("bert", [])) == []


def test_vendor_stock_is_changed_by_differences(storage: Storage) -> None:
    changes = [
        VendorStockChange(vendor_id="acme", product_id="apple", available=-5),
        VendorStockChange(vendor_id="acme", product_id="pear", available=1, allocated=2),
    ]
    work(storage, lambda uow: uow.stock.change_vendors(changes))
    assert [each.available for each in _levels(storage, "apple", "pear")] == [0, 4]
    assert [each.reported for each in _levels(storage, "apple", "pear")] == [5, 3]
    assert [each.allocated for each in _levels(storage, "apple", "pear")] == [0, 2]
    work(storage, lambda uow: uow.stock.change_vendors([]))


def test_the_storage_itself_refuses_vendor_stock_below_zero(storage: Storage) -> None:
    changes = [
        VendorStockChange(vendor_id="acme", product_id="apple", available=-1),
        VendorStockChange(vendor_id="acme", product_id="pear", available=-4),
    ]
    with pytest.raises(ConstraintViolated):
        work(storage, lambda uow: uow.stock.change_vendors(changes))
    assert [each.available for each in _levels(storage, "apple", "pear")] == [5, 3]


def test_vendor_stock_is_put_in_or_replaced(storage: Storage) -> None:
    replaced = VendorStock(
        vendor_id="acme",
        product_id="apple",
        available=7,
        reported=9,
        allocated=6,
        counted=4,
        stated_at=LATER,
    )
    work(storage, lambda uow: uow.stock.accept_report(Vendor(id="bert", name="Bert"), NOW, NOW))
    work(storage, lambda uow: uow.stock.upsert_vendor_stock([replaced, level("bert", "apple", 0)]))
    assert _levels(storage, "apple") == [replaced, level("bert", "apple", 0)]
    work(storage, lambda uow: uow.stock.upsert_vendor_stock([]))


def _accept(storage: Storage, name: str, as_of: datetime, now: datetime = LATER) -> bool:
    vendor = Vendor(id="acme", name=name)
    return work(storage, lambda uow: uow.stock.accept_report(vendor, as_of, now))


def test_a_report_is_accepted_unless_a_newer_one_was(storage: Storage) -> None:
    accept = partial(_accept, storage)
    assert accept("Later", LATER)
    assert accept("Again", LATER)
    assert not accept("Earlier", NOW)
    [level, *_] = storage.read_model.vendor_stock(0, 10).items
    assert level.vendor_name == "Again"


def test_a_report_that_is_dated_later_than_now_bars_no_other(storage: Storage) -> None:
    assert _accept(storage, "Ahead", LATER, NOW)
    assert _accept(storage, "Right", NOW, NOW)
    assert not _accept(storage, "Earlier", NOW - timedelta(microseconds=1), NOW)


def test_whatever_a_retired_vendor_reports_next_is_newer(storage: Storage) -> None:
    assert _accept(storage, "Gone", LATER)
    work(storage, lambda uow: uow.stock.retire("acme"))
    work(storage, lambda uow: uow.stock.retire("stranger"))
    assert _accept(storage, "Back", NOW)
    assert not _accept(storage, "Earlier", NOW - timedelta(seconds=1))


def test_a_vendors_products_are_those_of_which_it_last_reported_more_than_nothing(
    storage: Storage,
) -> None:
    def step(uow: UnitOfWork) -> None:
        sold_out = VendorStock(vendor_id="acme", product_id="apple", available=0, reported=5)
        uow.stock.upsert_vendor_stock([sold_out, level("acme", "pear", 0)])

    stock_up(storage, "acme", fig=2)
    work(storage, step)
    assert work(storage, lambda uow: uow.stock.products_of("acme", "", 100)) == ["apple", "fig"]
    assert work(storage, lambda uow: uow.stock.products_of("acme", "", 1)) == ["apple"]
    assert work(storage, lambda uow: uow.stock.products_of("acme", "apple", 9)) == ["fig"]
    assert work(storage, lambda uow: uow.stock.products_of("stranger", "", 100)) == []


HOUR = timedelta(hours=1)


def _hear(storage: Storage, vendor_id: str, now: datetime, max_age: timedelta | None) -> None:
    vendor = Vendor(id=vendor_id, name=vendor_id)
    work(storage, lambda uow: uow.stock.accept_report(vendor, now, now, max_age))


def test_a_vendor_is_silent_once_its_last_report_is_older_than_it_may_be(storage: Storage) -> None:
    for vendor_id, max_age in {"acme": HOUR, "bert": 2 * HOUR, "cleo": None}.items():
        _hear(storage, vendor_id, NOW, max_age)

    def silent(now: datetime) -> list[str]:
        return work(storage, lambda uow: uow.stock.silent_vendors(now))

    assert silent(NOW + HOUR) == []
    assert silent(NOW + HOUR + timedelta(microseconds=1)) == ["acme"]
    assert silent(NOW + timedelta(days=999)) == ["acme", "bert"]


def test_a_silent_vendor_is_made_stale_once_and_heard_of_again(storage: Storage) -> None:
    late = NOW + 2 * HOUR
    _hear(storage, "acme", NOW, HOUR)

    def make(now: datetime) -> bool:
        return work(storage, lambda uow: uow.stock.make_stale("acme", now))

    def is_stale() -> bool:
        state = work(storage, lambda uow: uow.stock.lock_vendor("acme"))
        assert state is not None
        assert state.as_of in (NOW, late)
        return state.stale

    assert (make(NOW), is_stale()) == (False, False)
    assert (make(late), is_stale()) == (True, True)
    assert (make(late), is_stale()) == (False, True)
    _hear(storage, "acme", late, HOUR)
    assert (make(late), is_stale()) == (False, False)
    assert not work(storage, lambda uow: uow.stock.make_stale("stranger", late))
    assert work(storage, lambda uow: uow.stock.lock_vendor("stranger")) is None


def test_a_vendor_in_quarantine_is_withheld_and_one_that_retired_is_unknown(
    storage: Storage,
) -> None:
    _hear(storage, "acme", NOW, None)
    work(storage, lambda uow: uow.stock.begin_quarantine("acme", NOW))
    state = work(storage, lambda uow: uow.stock.lock_vendor("acme"))
    assert state == ReportState(as_of=NOW, stale=True)
    work(storage, lambda uow: uow.stock.retire("acme"))
    assert work(storage, lambda uow: uow.stock.lock_vendor("acme")) is None


def test_a_vendor_that_tells_of_some_of_its_stock_is_not_silent(storage: Storage) -> None:
    _hear(storage, "acme", NOW, HOUR)
    later = NOW + HOUR
    work(storage, lambda uow: uow.stock.note_heard("acme", later, HOUR))
    assert work(storage, lambda uow: uow.stock.silent_vendors(later + HOUR)) == []
    assert work(storage, lambda uow: uow.stock.silent_vendors(later + 2 * HOUR)) == ["acme"]
    work(storage, lambda uow: uow.stock.note_heard("acme", later, None))
    assert work(storage, lambda uow: uow.stock.silent_vendors(later + 9 * HOUR)) == []


def _stale(vendor_id: str, product_id: str, available: int) -> VendorStock:
    return attrs.evolve(level(vendor_id, product_id, available), stale=True)


def test_fresh_products_are_those_of_which_the_vendor_has_some_that_is_not_stale(
    storage: Storage,
) -> None:
    stock_up(storage, "acme", fig=0, kiwi=2)
    stock_up(storage, "bert", plum=1)
    work(storage, lambda uow: uow.stock.upsert_vendor_stock([_stale("acme", "apple", 5)]))
    assert set(work(storage, lambda uow: uow.stock.fresh_products("acme", 9))) == {"kiwi", "pear"}
    assert len(work(storage, lambda uow: uow.stock.fresh_products("acme", 1))) == 1
    assert work(storage, lambda uow: uow.stock.fresh_products("stranger", 9)) == []


def test_what_is_stale_comes_last_of_the_highest(storage: Storage) -> None:
    stock_up(storage, "bert", apple=1)
    stale = _stale("acme", "apple", 5)
    work(storage, lambda uow: uow.stock.upsert_vendor_stock([stale]))
    fresh = level("bert", "apple", 1)
    assert work(storage, lambda uow: uow.stock.lock_top_vendors({"apple": 1})) == [fresh]
    found = work(storage, lambda uow: uow.stock.lock_top_vendors({"apple": 2}))
    assert sorted(found, key=lambda each: each.vendor_id) == [stale, fresh]


def test_nothing_that_is_stale_can_be_reserved(storage: Storage) -> None:
    _change(storage, StockDelta(product_id="apple", stale=3))
    _change(storage, StockDelta(product_id="apple", reserved=2))
    found = work(storage, lambda uow: uow.stock.lock(["apple"]))["apple"]
    assert found == CentralStock(product_id="apple", on_hand=5, reserved=2, stale=3)
    with pytest.raises(ConstraintViolated):
        _change(storage, StockDelta(product_id="apple", reserved=1))


@pytest.mark.parametrize("stale", [-1, 6])
def test_no_more_is_stale_than_is_on_hand(storage: Storage, stale: int) -> None:
    with pytest.raises(ConstraintViolated):
        _change(storage, StockDelta(product_id="apple", stale=stale))


def test_a_quarantine_begins_once_and_ends_with_a_report(storage: Storage) -> None:
    def quarantine(vendor_id: str = "acme") -> Quarantine | None:
        return work(storage, lambda uow: uow.stock.quarantine(vendor_id))

    def approve(vendor_id: str = "acme") -> bool:
        return work(storage, lambda uow: uow.stock.approve(vendor_id))

    assert (quarantine(), approve()) == (None, False)
    work(storage, lambda uow: uow.stock.begin_quarantine("acme", NOW))
    work(storage, lambda uow: uow.stock.begin_quarantine("acme", LATER))
    assert quarantine() == Quarantine(since=NOW)
    assert work(storage, lambda uow: uow.stock.silent_vendors(LATER)) == ["acme"]
    assert approve()
    assert quarantine() == Quarantine(since=NOW, approved=True)
    _hear(storage, "acme", LATER, None)
    assert (quarantine(), approve()) == (None, False)
    assert (quarantine("stranger"), approve("stranger")) == (None, False)
    assert work(storage, lambda uow: uow.stock.silent_vendors(LATER)) == []


def test_reported_units_are_added_up(storage: Storage) -> None:
    assert work(storage, lambda uow: uow.stock.reported_units("acme")) == 8
    assert work(storage, lambda uow: uow.stock.reported_units("stranger")) == 0


def _allocated(vendor_id: str, product_id: str, allocated: int, counted: int = 0) -> VendorStock:
    return attrs.evolve(level(vendor_id, product_id, 0), allocated=allocated, counted=counted)


def _marked(storage: Storage, timestamps: dict[str, datetime]) -> dict[str, int]:
    return dict(work(storage, lambda uow: uow.stock.allocated_by("acme", timestamps)))


def _mark(storage: Storage, at: datetime, *levels: VendorStock) -> None:
    def step(uow: UnitOfWork) -> None:
        uow.stock.upsert_vendor_stock(levels)
        uow.stock.mark_allocated(levels, at)

    work(storage, step)


def test_what_was_allocated_by_a_time_is_the_highest_total_marked_by_then(storage: Storage) -> None:
    stock_up(storage, "bert", apple=5)
    _mark(storage, NOW, _allocated("acme", "apple", 3), _allocated("bert", "apple", 9))
    _mark(storage, LATER, _allocated("acme", "apple", 5), _allocated("acme", "pear", 2))
    before = NOW - timedelta(microseconds=1)
    assert _marked(storage, {"apple": before, "pear": NOW, "kiwi": LATER}) == {}
    assert _marked(storage, {"apple": NOW, "pear": LATER}) == {"apple": 3, "pear": 2}
    assert _marked(storage, {"apple": LATER}) == {"apple": 5}
    assert _marked(storage, {}) == {}
    work(storage, lambda uow: uow.stock.mark_allocated([], NOW))


def test_a_total_keeps_the_first_time_at_which_it_was_marked(storage: Storage) -> None:
    _mark(storage, NOW, _allocated("acme", "apple", 3))
    _mark(storage, LATER, _allocated("acme", "apple", 3))
    assert _marked(storage, {"apple": NOW}) == {"apple": 3}


def test_marks_of_what_is_counted_are_forgotten(storage: Storage) -> None:
    _mark(storage, NOW, _allocated("acme", "apple", 3))
    _mark(storage, LATER, _allocated("acme", "apple", 5), _allocated("acme", "pear", 2))
    counted = _allocated("acme", "apple", 5, counted=3)
    work(storage, lambda uow: uow.stock.upsert_vendor_stock([counted]))
    assert _marked(storage, {"apple": NOW}) == {}
    assert _marked(storage, {"apple": LATER, "pear": LATER}) == {"apple": 5, "pear": 2}


@pytest.mark.parametrize("counted", [-1, 4])
def test_no_more_can_be_counted_than_was_allocated(storage: Storage, counted: int) -> None:
    with pytest.raises(ConstraintViolated):
        _mark(storage, NOW, _allocated("acme", "apple", 3, counted))


def test_a_vendor_is_added_or_renamed(storage: Storage) -> None:
    for name in ("Acme Ltd", "Acme & Sons", "Acme & Sons"):
        _rename(storage, Vendor(id="acme", name=name))
    names = {each.vendor_name for each in storage.read_model.vendor_stock(0, 9).items}
    assert names == {"Acme & Sons"}


def test_a_new_product_has_no_stock_and_a_known_one_stays_as_it_is(storage: Storage) -> None:
    products = [Product(id="fig", name="Fig"), Product(id="apple", name="Another")]
    work(storage, lambda uow: uow.stock.add_products(products, LATER))
    assert central(storage, "fig") == (0, 0)
    assert central(storage, "apple") == (5, 0)
    apple, fig, _ = storage.read_model.stock(0, 9).items
    assert (apple.name, apple.updated_at) == ("apple", NOW)
    assert (fig.name, fig.updated_at) == ("Fig", LATER)
    work(storage, lambda uow: uow.stock.add_products([], LATER))


def test_products_are_found_and_renamed(storage: Storage) -> None:
    named = Product(id="fig", name="Fig", named_by="acme")
    work(storage, lambda uow: uow.stock.add_products([named], NOW))
    found = work(storage, lambda uow: uow.stock.products(["fig", "apple", "unknown"]))
    assert work(storage, lambda uow: uow.stock.names(["fig", "unknown"])) == {"fig": "Fig"}
    assert found == {"fig": named, "apple": Product(id="apple", name="apple")}
    renamed = [
        Product(id="apple", name="Apple", named_by="globex"),
        Product(id="fig", name="Figue", named_by="globex"),
    ]
    work(storage, lambda uow: uow.stock.rename_products(renamed))
    found = work(storage, lambda uow: uow.stock.products(["fig", "apple"]))
    assert found == {product.id: product for product in renamed}
    work(storage, lambda uow: uow.stock.rename_products([]))


def test_every_id_comes_back_as_it_went_in(storage: Storage) -> None:
    quantities = {key: position for position, key in enumerate(ODD_IDS)}
    stock_up(storage, "vendor '\"\\{},%", **quantities)
    locked = work(storage, lambda uow: uow.stock.lock(ODD_IDS))
    assert {key: stock.on_hand for key, stock in locked.items()} == quantities
    levels = _levels(storage, *ODD_IDS)
    assert {each.product_id: each.available for each in levels} == quantities
    assert {each.vendor_id for each in levels} == {"vendor '\"\\{},%"}


@pytest.mark.parametrize(
    "stated_at",
    [
        datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=9, minutes=30))),
        datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=18, minutes=52))),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_moments_keep_their_microseconds_and_are_answered_in_utc(
    storage: Storage, stated_at: datetime
) -> None:
    work(storage, lambda uow: uow.stock.upsert_vendor_stock([level("acme", "apple", 1, stated_at)]))
    [found] = _levels(storage, "apple")
    assert found.stated_at == stated_at
    assert found.stated_at.utcoffset() == timedelta(0) or stated_at.utcoffset() != timedelta(0)


def test_the_largest_quantities_of_many_vendors_fit(storage: Storage) -> None:
    for number in range(3):
        stock_up(storage, f"vendor {number}", gold=MAX_QUANTITY)
    _change(storage, StockDelta(product_id="gold", on_hand=2**62))
    assert central(storage, "gold") == (3 * MAX_QUANTITY + 2**62, 0)


def test_the_figures_of_some_products_are_compared_with_the_ledger(storage: Storage) -> None:
    """Before the transaction commits, and those of no others."""

    def step(uow: UnitOfWork) -> set[tuple[str, str, int, int]]:
        uow.stock.lock(["apple", "pear"])
        uow.stock.change([StockDelta(product_id="apple", on_hand=1, reserved=2)], LATER)
        found = uow.stock.discrepancies(["apple", "kiwi"])
        return {(x.figure, x.subject, x.expected, x.found) for x in found}

    assert work(storage, step) == {
        ("vendor_available", "acme/apple", 0, 5),
        ("on_hand", "apple", 5, 6),
        ("reserved", "apple", 0, 2),
    }
    assert work(storage, lambda uow: uow.stock.discrepancies([])) == []


def test_what_was_allocated_is_corrected_and_marks_beyond_it_go(storage: Storage) -> None:
    allocated = attrs.evolve(level("acme", "apple", 5), allocated=6, counted=1)
    other = attrs.evolve(level("acme", "pear", 3), allocated=6)

    def prepare(uow: UnitOfWork) -> None:
        uow.stock.upsert_vendor_stock([allocated, other])
        for total in (2, 4, 6):
            marks = [attrs.evolve(each, allocated=total) for each in (allocated, other)]
            uow.stock.mark_allocated(marks, NOW)

    work(storage, prepare)
    right = attrs.evolve(allocated, allocated=4, counted=3, available=99)
    work(storage, lambda uow: uow.stock.correct_allocated([right]))
    assert _levels(storage, "apple") == [attrs.evolve(right, available=5)]
    times = {"apple": NOW, "pear": NOW}
    assert work(storage, lambda uow: uow.stock.allocated_by("acme", times)) == {
        "apple": 4,
        "pear": 6,
    }
    work(storage, lambda uow: uow.stock.correct_allocated([]))

"""Reserving central stock, first come, first served."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.domain.errors import (
    InsufficientStock,
    InvalidValue,
    OrderRefused,
    Shortage,
    UnknownProducts,
)
from order_aggregator.domain.stock import (
    CentralStock,
    Product,
    Reservations,
    StockDelta,
    Vendor,
    released,
)
from order_aggregator.testing.shop import lines, reserved_order

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _reservations(**on_hand: int) -> Reservations:
    return Reservations(
        {key: CentralStock(product_id=key, on_hand=units) for key, units in on_hand.items()}
    )


@pytest.mark.parametrize(("on_hand", "reserved", "available"), [(5, 2, 3), (5, 5, 0), (2, 5, 0)])
def test_available_is_on_hand_less_reserved_but_never_below_zero(
    on_hand: int, reserved: int, available: int
) -> None:
    stock = CentralStock(product_id="apple", on_hand=on_hand, reserved=reserved)
    assert stock.available == available


def test_reserving_takes_what_is_there_to_the_last_unit_and_no_further() -> None:
    reservations = _reservations(apple=3)
    reservations.reserve(lines({"apple": 2}))
    reservations.reserve(lines({"apple": 1}))
    with pytest.raises(InsufficientStock) as caught:
        reservations.reserve(lines({"apple": 1}))
    assert caught.value.shortages == (Shortage(product_id="apple", requested=1, available=0),)
    assert reservations.changes() == [StockDelta(product_id="apple", reserved=3)]


def test_units_reserved_before_are_not_available() -> None:
    stock = CentralStock(product_id="apple", on_hand=5, reserved=4)
    with pytest.raises(InsufficientStock):
        Reservations({"apple": stock}).reserve(lines({"apple": 2}))


def test_a_refusal_names_every_short_line_at_once_and_reserves_none() -> None:
    reservations = _reservations(apple=1, pear=9, fig=0)
    with pytest.raises(InsufficientStock) as caught:
        reservations.reserve(lines({"apple": 2, "pear": 9, "fig": 1}))
    assert caught.value.shortages == (
        Shortage(product_id="apple", requested=2, available=1),
        Shortage(product_id="fig", requested=1, available=0),
    )
    assert reservations.changes() == []


def test_unknown_products_are_named_all_at_once_before_any_shortage() -> None:
    reservations = _reservations(apple=0)
    with pytest.raises(UnknownProducts) as caught:
        reservations.reserve(lines({"kiwi": 1, "apple": 1, "fig": 1}))
    assert caught.value.product_ids == ("kiwi", "fig")
    assert reservations.changes() == []


_ORDERS = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 6), min_size=1), max_size=20
)


@given(_ORDERS, st.dictionaries(st.sampled_from("abc"), st.integers(0, 20)))
def test_each_order_is_reserved_whole_or_not_at_all_and_never_more_than_there_is(
    orders: list[dict[str, int]], on_hand: dict[str, int]
) -> None:
    reservations = _reservations(**on_hand)
    left = dict(on_hand)
    for order in orders:
        covered = all(left.get(key, -1) >= units for key, units in order.items())
        try:
            reservations.reserve(lines(order))
        except OrderRefused:
            assert not covered
        else:
            assert covered
            left |= {key: left[key] - units for key, units in order.items()}
    taken = {key: on_hand[key] - left[key] for key in left if left[key] < on_hand[key]}
    assert {change.product_id: change.reserved for change in reservations.changes()} == taken
    assert all(change.on_hand == 0 for change in reservations.changes())


def test_releasing_gives_back_the_lines_of_all_orders_with_one_change_a_product() -> None:
    orders = [reserved_order(NOW, pear=1, apple=2), reserved_order(NOW, apple=3)]
    assert released([(order, order.cancel(NOW)) for order in orders]) == [
        StockDelta(product_id="apple", reserved=-5),
        StockDelta(product_id="pear", reserved=-1),
    ]
    assert released([]) == []


@pytest.mark.parametrize("kind", [Product, Vendor])
@pytest.mark.parametrize(
    ("id_", "name"),
    [("", "n"), ("x", ""), ("x\x00", "n"), ("x", "\ud800"), ("x" * 101, "n"), (1, "n")],
)
def test_products_and_vendors_need_an_id_and_a_name(
    kind: type[Product | Vendor], id_: str, name: str
) -> None:
    kind(id="x" * 100, name="n" * 200)
    with pytest.raises(InvalidValue):
        kind(id=id_, name=name)

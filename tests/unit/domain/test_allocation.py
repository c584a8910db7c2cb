"""Choosing vendors: what each policy promises, and what the engine refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.domain.allocation import (
    POLICIES,
    AllocationPolicy,
    Offer,
    VendorAllocations,
    allocate,
    even_split,
    fewest_vendors,
    highest_first,
    highest_then_even,
    parse_policy,
    priority,
    proportional,
)
from order_aggregator.domain.errors import InvalidPlan, InvalidValue, Shortage, VendorShortage
from order_aggregator.domain.order import Allocation, OrderLine
from order_aggregator.domain.stock import StockDelta, VendorStock, VendorStockChange
from order_aggregator.testing.shop import reserved_order

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Stock = dict[str, int]


@st.composite
def demands(draw: st.DrawFn, most: int = 12) -> tuple[int, Stock]:
    """A quantity, and stock by vendor that covers it."""
    vendors = st.text("abcdefgh", min_size=1, max_size=2)
    stock = draw(st.dictionaries(vendors, st.integers(0, most), min_size=1, max_size=7))
    stock[draw(st.sampled_from(sorted(stock)))] += 1
    return draw(st.integers(1, sum(stock.values()))), stock


def plan(quantity: int, stock: Stock, policy: AllocationPolicy) -> Stock:
    """Units by vendor, as the engine allots them."""
    line = OrderLine(product_id="apple", quantity=quantity)
    offers = [Offer(vendor_id=key, available=units) for key, units in stock.items()]
    allocations = allocate(line, offers, policy)
    assert {part.product_id for part in allocations} == {"apple"}
    return {part.vendor_id: part.quantity for part in allocations}


def highest_order(stock: Stock) -> list[str]:
    """Vendors that have some, highest stock first, ties by vendor id."""
    return sorted((key for key in stock if stock[key]), key=lambda key: (-stock[key], key))


every_policy = pytest.mark.parametrize(
    "policy", [*POLICIES.values(), priority(["b", "a"])], ids=[*POLICIES, "priority"]
)


@every_policy
@given(demand=demands())
def test_the_parts_sum_to_the_demand_and_none_exceeds_its_offer(
    policy: AllocationPolicy, demand: tuple[int, Stock]
) -> None:
    quantity, stock = demand
    parts = plan(quantity, stock, policy)
    assert sum(parts.values()) == quantity
    assert all(1 <= units <= stock[vendor_id] for vendor_id, units in parts.items())


@every_policy
@given(demand=demands(), data=st.data())
def test_the_same_offers_in_any_order_give_the_same_plan(
    policy: AllocationPolicy, demand: tuple[int, Stock], data: st.DataObject
) -> None:
    quantity, stock = demand
    shuffled = dict(data.draw(st.permutations(list(stock.items()))))
    assert list(plan(quantity, stock, policy).items()) == list(
        plan(quantity, shuffled, policy).items()
    )


@every_policy
@given(demand=demands(most=10**9))
def test_large_numbers_are_exact(policy: AllocationPolicy, demand: tuple[int, Stock]) -> None:
    quantity, stock = demand
    quantity = min(quantity, 10**9)
    assert sum(plan(quantity, stock, policy).values()) == quantity


@given(demands())
def test_even_split_shares_of_uncapped_vendors_differ_by_at_most_one(
    demand: tuple[int, Stock],
) -> None:
    quantity, stock = demand
    parts = plan(quantity, stock, even_split)
    shares = {key: parts.get(key, 0) for key in highest_order(stock)}
    uncapped = [share for key, share in shares.items() if share < stock[key]]
    assert max(uncapped, default=0) - min(uncapped, default=0) <= 1
    # Nobody gets less than another for any reason but its own stock.
    assert all(max(shares.values()) - share <= 1 for share in uncapped)


@given(demands())
def test_even_split_gives_the_remainder_to_the_higher_stock_first(
    demand: tuple[int, Stock],
) -> None:
    quantity, stock = demand
    parts = plan(quantity, stock, even_split)
    shares = [parts.get(key, 0) for key in highest_order(stock)]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("quantity", "stock", "expected"),
    [
        (10, {"a": 10, "b": 10}, {"a": 5, "b": 5}),
        (5, {"a": 3, "b": 3}, {"a": 3, "b": 2}),
        (10, {"a": 2, "b": 9, "c": 8}, {"a": 2, "b": 4, "c": 4}),
        (11, {"a": 2, "b": 8, "c": 9}, {"a": 2, "b": 4, "c": 5}),
        (2, {"a": 5, "b": 6, "c": 7}, {"c": 1, "b": 1}),
        (3, {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}),
    ],
)
def test_even_split_by_example(quantity: int, stock: Stock, expected: Stock) -> None:
    assert plan(quantity, stock, even_split) == expected


@given(demands())
def test_highest_then_even_uses_the_highest_vendor_alone_when_it_covers_the_line(
    demand: tuple[int, Stock],
) -> None:
    quantity, stock = demand
    highest = highest_order(stock)[0]
    parts = plan(quantity, stock, highest_then_even)
    assert (stock[highest] >= quantity) == (parts == {highest: quantity})


@given(demands())
def test_highest_then_even_uses_the_fewest_highest_vendors_and_splits_evenly(
    demand: tuple[int, Stock],
) -> None:
    quantity, stock = demand
    parts = plan(quantity, stock, highest_then_even)
    used = highest_order(stock)[: len(parts)]
    assert set(parts) == set(used)
    assert sum(stock[key] for key in used[:-1]) < quantity
    assert parts == plan(quantity, {key: stock[key] for key in used}, even_split)


@given(demands())
def test_fewest_vendors_uses_as_few_as_any_choice_of_vendors_could(
    demand: tuple[int, Stock],
) -> None:
    quantity, stock = demand
    fewest = min(
        size
        for size in range(1, len(stock) + 1)
        for chosen in combinations(stock.values(), size)
        if sum(chosen) >= quantity
    )
    assert len(plan(quantity, stock, fewest_vendors)) == fewest


def test_fewest_vendors_takes_the_last_part_from_the_lowest_stock_that_covers_it() -> None:
    stock = {"a": 9, "b": 8, "c": 4, "d": 3, "e": 3}
    assert plan(12, stock, fewest_vendors) == {"a": 9, "d": 3}
    assert plan(4, stock, fewest_vendors) == {"c": 4}


@given(demands())
def test_highest_first_empties_each_vendor_before_it_takes_from_the_next(
    demand: tuple[int, Stock],
) -> None:
    quantity, stock = demand
    parts = plan(quantity, stock, highest_first)
    used = highest_order(stock)[: len(parts)]
    assert set(parts) == set(used)
    assert all(parts[key] == stock[key] for key in used[:-1])


@given(demands())
def test_proportional_shares_are_within_one_unit_of_exact(demand: tuple[int, Stock]) -> None:
    quantity, stock = demand
    parts = plan(quantity, stock, proportional)
    total = sum(stock.values())
    for vendor_id, units in stock.items():
        assert abs(parts.get(vendor_id, 0) - Fraction(quantity * units, total)) < 1


def test_proportional_gives_the_left_over_units_to_the_largest_remainders() -> None:
    # Exact shares of 10: 5.5, 3.1 and 1.4.
    assert plan(10, {"a": 55, "b": 31, "c": 14}, proportional) == {"a": 6, "b": 3, "c": 1}
    # Exact shares of 2: 1.2 and 0.8.
    assert plan(2, {"a": 6, "b": 4}, proportional) == {"a": 1, "b": 1}


@given(demands(), st.permutations(list("abcdefgh")))
def test_priority_empties_its_vendors_in_order_before_any_other(
    demand: tuple[int, Stock], order: list[str]
) -> None:
    quantity, stock = demand
    named = [key for key in order[:4] if stock.get(key)]
    others = [key for key in highest_order(stock) if key not in named]
    parts = plan(quantity, stock, priority(order[:4]))
    used = [*named, *others][: len(parts)]
    assert set(parts) == set(used)
    assert all(parts[key] == stock[key] for key in used[:-1])


@pytest.mark.parametrize("name", POLICIES)
def test_each_policy_is_found_by_its_name(name: str) -> None:
    assert parse_policy(name) is POLICIES[name]


def test_a_priority_policy_is_built_from_its_text() -> None:
    policy = parse_policy("priority:small, tiny")
    stock = {"big": 9, "small": 2, "tiny": 1}
    assert plan(4, stock, policy) == {"small": 2, "tiny": 1, "big": 1}


@pytest.mark.parametrize(
    "text", ["", "cheapest", "priority", "priority:", "even_split:a", "HIGHEST"]
)
def test_a_policy_that_nobody_knows_is_an_invalid_value(text: str) -> None:
    with pytest.raises(InvalidValue, match="highest_then_even"):
        parse_policy(text)


@pytest.mark.parametrize("vendors", ["a,a", "a,b, a", "a,,b", ",", " ", "a,"])
def test_a_priority_names_each_vendor_once(vendors: str) -> None:
    with pytest.raises(InvalidValue, match="each of them once"):
        parse_policy(f"priority:{vendors}")


@every_policy
@pytest.mark.parametrize("stock", [{}, {"a": 0}, {"a": 2, "b": 2}, {"a": -1, "b": 4}])
def test_a_line_that_the_offers_do_not_cover_is_a_vendor_shortage(
    policy: AllocationPolicy, stock: Stock
) -> None:
    with pytest.raises(VendorShortage) as caught:
        plan(5, stock, policy)
    total = sum(units for units in stock.values() if units > 0)
    assert caught.value.shortage == Shortage(product_id="apple", requested=5, available=total)


def test_a_policy_sees_only_offers_with_units_highest_first_and_ties_by_vendor_id() -> None:
    seen: list[str] = []

    def look(quantity: int, offers: Sequence[Offer]) -> Mapping[str, int]:
        seen.extend(offer.vendor_id for offer in offers)
        return highest_first(quantity, offers)

    plan(3, {"d": 2, "a": 2, "empty": 0, "z": 9, "b": 2}, look)
    assert seen == ["z", "a", "b", "d"]


@pytest.mark.parametrize(
    "bad_plan",
    [
        {},
        {"a": 3},
        {"a": 3, "b": 2, "c": 1},
        {"a": 4, "b": 1},
        {"a": 6, "b": -1},
        {"stranger": 5},
        {"a": 3, "b": 2, "stranger": 0},
        {"a": 3.0, "b": 2},
        {"a": 2.5, "b": 2.5},
        {"a": 3, "b": 1, "c": True},
        {"a": 3, "b": 2, "c": False},
        {"a": float("nan"), "b": 2},
        {"a": float("inf")},
        {"a": "3", "b": 2},
        {"a": None, "b": 5},
        {"a": 3, "b": 2, None: 0},
        {"a": 10**30, "b": 5 - 10**30},
        None,
        [("a", 3), ("b", 2)],
        5,
    ],
    ids=repr,
)
def test_a_plan_that_breaks_the_rules_is_refused(bad_plan: Mapping[str, int]) -> None:
    with pytest.raises(InvalidPlan):
        plan(5, {"a": 3, "b": 3, "c": 3}, lambda _quantity, _offers: bad_plan)


def test_a_part_of_zero_units_is_no_allocation() -> None:
    assert plan(3, {"a": 3, "b": 3}, lambda _quantity, _offers: {"a": 3, "b": 0}) == {"a": 3}


@pytest.mark.parametrize("policy", [highest_then_even, fewest_vendors])
def test_a_policy_that_is_given_too_few_units_says_so(policy: AllocationPolicy) -> None:
    """For those who call a policy themselves: the engine never does that."""
    with pytest.raises(InvalidPlan):
        policy(5, [Offer(vendor_id="a", available=4)])


def _levels(product_id: str, stock: Stock) -> list[VendorStock]:
    return [
        VendorStock(vendor_id=vendor_id, product_id=product_id, available=units, reported=units)
        for vendor_id, units in stock.items()
    ]


def test_orders_are_allocated_one_after_the_other_from_what_the_earlier_ones_left() -> None:
    allocations = VendorAllocations(_levels("apple", {"a": 3, "b": 2}), highest_first)
    first = allocations.allocate(reserved_order(NOW, apple=2))
    second = allocations.allocate(reserved_order(NOW, apple=3))
    assert first == [Allocation(product_id="apple", vendor_id="a", quantity=2, sequence=2)]
    assert second == [
        Allocation(product_id="apple", vendor_id="a", quantity=1, sequence=3),
        Allocation(product_id="apple", vendor_id="b", quantity=2, sequence=2),
    ]
    with pytest.raises(VendorShortage):
        allocations.allocate(reserved_order(NOW, apple=1))
    assert allocations.vendor_changes() == [
        VendorStockChange(vendor_id="a", product_id="apple", available=-3, allocated=3),
        VendorStockChange(vendor_id="b", product_id="apple", available=-2, allocated=2),
    ]
    assert allocations.central_changes() == [
        StockDelta(product_id="apple", on_hand=-5, reserved=-5)
    ]


def test_an_order_with_one_short_line_takes_nothing_for_its_other_lines() -> None:
    stock = [*_levels("apple", {"a": 3}), *_levels("pear", {"a": 1})]
    allocations = VendorAllocations(stock, highest_first)
    with pytest.raises(VendorShortage):
        allocations.allocate(reserved_order(NOW, apple=3, pear=2))
    assert allocations.vendor_changes() == []
    assert allocations.central_changes() == []
    assert len(allocations.allocate(reserved_order(NOW, apple=3, pear=1))) == 2


def test_a_product_of_which_no_vendor_has_any_is_a_vendor_shortage() -> None:
    with pytest.raises(VendorShortage):
        VendorAllocations([], highest_first).allocate(reserved_order(NOW, apple=1))


@given(st.lists(st.dictionaries(st.sampled_from("xy"), st.integers(1, 5), min_size=1), max_size=9))
def test_the_changes_are_what_the_allocations_add_up_to(orders: list[Stock]) -> None:
    stock = [*_levels("x", {"a": 9, "b": 4}), *_levels("y", {"b": 7, "c": 7})]
    allocations = VendorAllocations(stock, highest_then_even)
    made: list[Allocation] = []
    for quantities in orders:
        try:
            made += allocations.allocate(reserved_order(NOW, **quantities))
        except VendorShortage:
            continue
    for change in allocations.vendor_changes():
        parts = [
            x for x in made if (x.vendor_id, x.product_id) == (change.vendor_id, change.product_id)
        ]
        assert change.available == -sum(part.quantity for part in parts)
    for central in allocations.central_changes():
        units = sum(part.quantity for part in made if part.product_id == central.product_id)
        assert (central.on_hand, central.reserved) == (-units, -units)
    assert sum(part.quantity for part in made) == -sum(
        c.available for c in allocations.vendor_changes()
    )


def test_the_documentation_says_who_supplies_what() -> None:
    text = (Path(__file__).parents[3] / "docs/orders.md").read_text(encoding="utf-8")
    section = text.split("## Which vendor", 1)[1].split("## ", 1)[0]
    rows = re.findall(r"^\| `(\S+)` \| .* \| (.*) \| (.*) \|$", section, re.MULTILINE)
    offers = [Offer(vendor_id="acme", available=5), Offer(vendor_id="globex", available=4)]
    offers.append(Offer(vendor_id="initech", available=1))
    assert {name for name, *_told in rows} == {*POLICIES, "priority:initech,globex"}
    for name, *told in rows:
        for quantity, expected in zip((4, 6), told, strict=True):
            line = OrderLine(product_id="tea", quantity=quantity)
            parts = allocate(line, offers, parse_policy(name))
            said = ", ".join(f"{part.vendor_id} {part.quantity}" for part in parts)
            assert said == expected, name

"""Telling orders that failed from those that nobody lived to say anything of."""

from __future__ import annotations

import pytest

from order_aggregator.domain.use_cases.find_suspects import FindSuspects
from order_aggregator.testing.shop import Shop, next_order_id


@pytest.fixture
def shop() -> Shop:
    """Sells plenty of apples."""
    shop = Shop()
    shop.sync("acme", {"apple": 100})
    return shop


@pytest.mark.parametrize(("attempt", "suspected"), [(1, False), (2, False), (3, True), (9, True)])
def test_an_order_of_which_nothing_was_recorded_is_suspected_from_its_third_delivery_on(
    shop: Shop, attempt: int, suspected: bool
) -> None:
    order = shop.accepted(apple=1)
    assert (shop.find_suspects({order.id: attempt}) == {order.id}) is suspected


@pytest.mark.parametrize(
    ("recorded", "attempt", "suspected"),
    [(2, 3, False), (1, 3, False), (5, 6, False), (5, 7, False), (5, 8, True), (5, 3, False)],
)
def test_the_deliveries_after_the_last_recorded_failure_count(
    shop: Shop, recorded: int, attempt: int, suspected: bool
) -> None:
    order = shop.accepted(apple=1)
    shop.record_failures({order.id: recorded})
    assert (shop.find_suspects({order.id: attempt}) == {order.id}) is suspected


def test_each_order_is_told_by_its_own_deliveries_and_failures(shop: Shop) -> None:
    failing, quiet, fresh = (shop.accepted(apple=1) for _ in range(3))
    shop.record_failures({failing.id: 4})
    attempts = {failing.id: 5, quiet.id: 5, fresh.id: 1, next_order_id(): 2}
    assert shop.find_suspects(attempts) == {quiet.id}


def test_an_unknown_order_is_suspected_like_any_other(shop: Shop) -> None:
    unknown = next_order_id()
    assert shop.find_suspects({unknown: 3}) == {unknown}


def test_where_nothing_was_delivered_often_nothing_is_asked(shop: Shop) -> None:
    nobody_to_ask: object = None
    find_suspects = FindSuspects(nobody_to_ask)  # type: ignore[arg-type]
    assert find_suspects({}) == set()
    assert find_suspects({shop.accepted(apple=1).id: 2}) == set()

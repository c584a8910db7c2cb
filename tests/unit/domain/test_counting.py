"""Which marks count for a report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from order_aggregator.domain.counting import (
    CountsOrders,
    duration_text,
    parse_counts_orders,
    parse_duration,
)
from order_aggregator.domain.errors import InvalidValue

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def test_a_date_of_its_own_counts_less_the_tolerance_else_the_delay() -> None:
    rule = CountsOrders(clock_tolerance=MINUTE, delay=DAY)
    assert rule.counted_before(NOW, NOW + DAY) == NOW - MINUTE
    assert rule.counted_before(None, NOW) == NOW - DAY


@pytest.mark.parametrize(
    ("text", "own_date", "before"),
    [
        ("by_sequence", NOW, None),
        ("by_sequence", None, None),
        ("by_as_of", NOW - DAY, NOW - DAY - MINUTE),
        ("by_as_of", None, NOW - MINUTE),
        ("after:2h", NOW - DAY, NOW - timedelta(hours=2)),
    ],
)
def test_a_rule_by_its_name(text: str, own_date: datetime | None, before: datetime | None) -> None:
    assert parse_counts_orders(text, MINUTE).counted_before(own_date, NOW) == before
    assert parse_counts_orders(text).by_sequence == (text == "by_sequence")


def test_before_all_time_nothing_is_counted() -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert CountsOrders().counted_before(first, NOW) is None
    assert CountsOrders().counted_before(None, first) is None


@pytest.mark.parametrize(
    ("text", "duration"),
    [("0s", timedelta(0)), ("90s", timedelta(seconds=90)), ("15m", 15 * MINUTE), ("7d", 7 * DAY)],
)
def test_a_duration(text: str, duration: timedelta) -> None:
    assert parse_duration(text, "max_age") == duration


@pytest.mark.parametrize("text", ["", "1", "s", "-1s", "1.5h", "1w", "1 h", "9999d", 60, None])
def test_what_is_no_duration_names_the_field(text: object) -> None:
    with pytest.raises(InvalidValue, match="max_age: must be a duration"):
        parse_duration(text, "max_age")


def test_a_rule_tells_how_it_counts() -> None:
    assert str(CountsOrders()) == "by_sequence; else by_as_of, less 1m; else after 1d"
    assert str(parse_counts_orders("after:2h")) == "after 2h"


@pytest.mark.parametrize("text", ["0s", "90s", "15m", "25h", "7d"])
def test_a_duration_is_told_as_it_is_written(text: str) -> None:
    assert duration_text(parse_duration(text, "x")) == text

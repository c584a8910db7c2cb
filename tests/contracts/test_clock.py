"""Clock: what every adapter promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from order_aggregator.adapters.memory import ManualClock
from order_aggregator.adapters.system.clock import SystemClock
from order_aggregator.domain.ports.clock import Clock
from order_aggregator.testing.clock import *  # noqa: F403 - the suite
from order_aggregator.testing.clock import STEP


@pytest.fixture(params=[ManualClock, SystemClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_the_systems_clock_tells_this_moment() -> None:
    before = datetime.now(UTC)
    assert before - STEP <= SystemClock().now() <= datetime.now(UTC) + STEP


def test_a_manual_clock_stands_still_until_it_is_moved_on() -> None:
    clock = ManualClock(datetime(2026, 2, 3, tzinfo=UTC))
    assert clock.now() == clock.now() == datetime(2026, 2, 3, tzinfo=UTC)
    clock.advance(timedelta(hours=1))
    assert clock.now() == datetime(2026, 2, 3, 1, tzinfo=UTC)

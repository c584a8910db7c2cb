"""What every clock promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from order_aggregator.adapters.memory import ManualClock
from order_aggregator.adapters.system.clock import SystemClock
from order_aggregator.domain.ports.clock import Clock
from race import race

STEP = timedelta(milliseconds=50)


@pytest.fixture(params=[ManualClock, SystemClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_it_tells_the_time_in_utc(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)


def test_it_never_goes_back_by_more_than_a_step(clock: Clock) -> None:
    answers = [clock.now() for _ in range(2_000)]
    assert all(later > earlier - STEP for earlier, later in pairwise(answers))


def test_any_thread_may_ask_it(clock: Clock) -> None:
    answers = race([clock.now] * 8)
    assert max(answers) - min(answers) < timedelta(seconds=10)


def test_the_systems_clock_tells_this_moment() -> None:
    before = datetime.now(UTC)
    assert before - STEP <= SystemClock().now() <= datetime.now(UTC) + STEP


def test_a_manual_clock_stands_still_until_it_is_moved_on() -> None:
    clock = ManualClock(datetime(2026, 2, 3, tzinfo=UTC))
    assert clock.now() == clock.now() == datetime(2026, 2, 3, tzinfo=UTC)
    clock.advance(timedelta(hours=1))
    assert clock.now() == datetime(2026, 2, 3, 1, tzinfo=UTC)

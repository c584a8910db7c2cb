"""What every clock promises.

Fixtures: `clock`: the clock.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from ..domain.ports.clock import Clock
from .race import race

STEP = timedelta(milliseconds=50)


def test_it_tells_the_time_in_utc(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)


def test_it_never_goes_back_by_more_than_a_step(clock: Clock) -> None:
    answers = [clock.now() for _ in range(2_000)]
    assert all(later > earlier - STEP for earlier, later in pairwise(answers))


def test_any_thread_may_ask_it(clock: Clock) -> None:
    answers = race([clock.now] * 8)
    assert max(answers) - min(answers) < timedelta(seconds=10)

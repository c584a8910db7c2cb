"""As many orders are in hand as are done in the target time."""

from __future__ import annotations

import pytest

from order_aggregator.entrypoints.serving.admission import LEAST, TARGET, Admission

MOST = 500


def in_hand(admission: Admission) -> int:
    """How many are admitted until it is full."""
    count = 0
    while admission.admit():
        count += 1
    return count


def simulate(admission: Admission, per_second: float, seconds: float) -> list[float]:
    """Offer more than is served, one after the other; how long each was in hand."""
    queue: list[float] = []
    stays: list[float] = []
    now = 0.0
    while now < seconds:
        while admission.admit():
            queue.append(now)
        now += 1 / per_second
        stay = now - queue.pop(0)
        admission.observe(stay, now)
        admission.done()
        stays.append(stay)
    return stays


def test_at_first_as_many_are_admitted_as_can_wait() -> None:
    assert in_hand(Admission(MOST)) == MOST


@pytest.mark.parametrize("per_second", [400, 1000])
def test_where_they_take_too_long_fewer_are_admitted(per_second: float) -> None:
    stays = simulate(Admission(MOST), per_second, 10)
    late = sorted(stays[len(stays) // 2 :])
    assert late[len(late) // 2] < 1.2 * TARGET
    assert late[-1] < 2 * TARGET


def test_where_they_are_quick_all_can_wait() -> None:
    admission = Admission(MOST)
    stays = simulate(admission, 10_000, 2)
    assert max(stays) < TARGET
    assert in_hand(admission) == 1  # The last one that was served made room for it.


def test_after_a_standstill_some_are_admitted_and_then_more() -> None:
    admission = Admission(MOST)
    assert in_hand(admission) == MOST
    admission.observe(100.0, now=100.0)
    for _ in range(MOST):
        admission.done()
    assert LEAST <= in_hand(admission) < MOST
    for _ in range(10 * MOST):
        admission.observe(0.01, now=200.0)
    assert in_hand(admission) > 0

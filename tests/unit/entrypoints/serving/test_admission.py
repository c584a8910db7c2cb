"""As many orders are in hand as are done in the target time."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from order_aggregator.entrypoints.serving.admission import LEAST, TARGET, Admission

MOST = 500


def room(admission: Admission) -> int:
    """How many are admitted until it is full."""
    with ExitStack() as stack:
        count = 0
        while not admission.is_full:
            stack.enter_context(admission.one_more())
            count += 1
        return count


def simulate(admission: Admission, per_second: float, seconds: float) -> list[float]:
    """Offer more than is served, one after the other; how long each was in hand."""
    queue: list[tuple[float, ExitStack]] = []
    stays: list[float] = []
    now = 0.0
    while now < seconds:
        while not admission.is_full:
            stack = ExitStack()
            stack.enter_context(admission.one_more())
            queue.append((now, stack))
        now += 1 / per_second
        came, stack = queue.pop(0)
        admission.observe(now - came, now)
        stack.close()
        stays.append(now - came)
    for _, stack in queue:
        stack.close()
    return stays


def test_at_first_as_many_are_admitted_as_can_wait() -> None:
    assert room(Admission(MOST)) == MOST


@pytest.mark.parametrize("per_second", [400, 1000])
def test_where_they_take_too_long_fewer_are_admitted(per_second: float) -> None:
    stays = simulate(Admission(MOST), per_second, 10)
    late = sorted(stays[len(stays) // 2 :])
    assert late[len(late) // 2] < 1.2 * TARGET
    assert late[-1] < 2 * TARGET


def test_where_they_are_quick_all_can_wait() -> None:
    admission = Admission(MOST)
    assert max(simulate(admission, 10_000, 2)) < TARGET
    assert room(admission) == MOST


def test_after_a_standstill_some_are_admitted_and_then_more() -> None:
    admission = Admission(MOST)
    with ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(admission.one_more())
        admission.observe(100.0, now=100.0)
    lowered = room(admission)
    assert LEAST <= lowered < MOST
    for _ in range(10 * MOST):
        admission.observe(0.01, now=200.0)
    assert room(admission) == MOST

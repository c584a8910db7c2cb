"""Asking what is stored, for Prometheus."""

from __future__ import annotations

from itertools import count
from threading import Event
from time import monotonic

from order_aggregator.entrypoints.api.stored_metrics import Source


def test_however_many_look_it_is_asked_once_in_a_while() -> None:
    source = Source("x", count(1).__next__, keep=60)
    assert [source(monotonic() + 9) for _ in range(3)] == [1, 1, 1]


def test_it_is_asked_again_when_the_answer_is_old() -> None:
    source = Source("x", count(1).__next__, keep=0)
    assert [source(monotonic() + 9) for _ in range(3)] == [1, 2, 3]


def test_what_hangs_is_not_waited_for_and_asked_no_second_time() -> None:
    go_on = Event()
    asked: list[int] = []

    def hang() -> str:
        asked.append(1)
        go_on.wait(30)
        return "late"

    source = Source("x", hang, keep=0)
    assert source(monotonic() + 0.02) is None
    assert source(monotonic()) is None
    assert asked == [1]
    go_on.set()
    assert source.begin().result(9) == "late"


def test_a_failure_is_no_answer_and_the_next_one_counts() -> None:
    answers = iter([0, 4])

    def ask() -> float:
        return 8 / next(answers)

    source = Source("x", ask, keep=0)
    assert source(monotonic() + 9) is None
    assert source(monotonic() + 9) == 2

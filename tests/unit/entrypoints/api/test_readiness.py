"""Checks that answer in time, whatever hangs."""

from __future__ import annotations

from functools import partial
from threading import Event
from time import monotonic

from order_aggregator.entrypoints.api.readiness import Readiness
from started_threads import StartedThreads

# The longest that a check hangs.
LIMIT = 30
HANGS = "unreachable: no response within 0.2 seconds"


def hang(go_on: Event) -> None:
    go_on.wait(LIMIT)


def crash() -> None:
    raise ZeroDivisionError


def test_a_check_that_hangs_is_answered_for_in_time_and_harms_no_other() -> None:
    go_on = Event()
    readiness = Readiness({"broker": partial(hang, go_on), "database": lambda: None}, timeout=0.2)
    began = monotonic()
    assert readiness() == {"broker": HANGS, "database": "ok"}
    assert monotonic() - began < 2
    go_on.set()
    assert readiness() == {"broker": "ok", "database": "ok"}


def test_probes_wait_for_the_check_that_hangs_already() -> None:
    go_on, started = Event(), StartedThreads()
    readiness = Readiness({"broker": partial(hang, go_on)}, timeout=0.2)
    assert [readiness()["broker"] for _ in range(5)] == [HANGS] * 5
    assert started.running() == 1
    go_on.set()


def test_a_check_that_crashes_says_no_more_than_that() -> None:
    assert Readiness({"broker": crash})() == {
        "broker": "unreachable: an unexpected error; the log has more"
    }

"""What every storage promises about which processes there are.

Fixtures: `storage`: an empty storage.
"""

from __future__ import annotations

from datetime import timedelta

import attrs

from ..domain.ports.process_registry import Figures, Process, ProcessKind, Sample
from ..domain.ports.storage import Storage
from .shop_work import NOW

MINUTE = timedelta(minutes=1)
LONG_AGO = NOW - timedelta(days=1)
FULL = Figures(done=2**40, refused=2, p50=0.25, p99=1.5, reserved=2**40, oldest_wait=0.5)


def make_process(process_id: str, kind: ProcessKind = ProcessKind.WORKER) -> Process:
    return Process(
        id=process_id,
        kind=kind,
        host="höst-1",
        pid=4_194_304,
        version="1.2.3",
        started_at=NOW,
        last_seen=NOW,
    )


def test_processes_are_kept_by_kind_and_then_by_when_they_started(storage: Storage) -> None:
    late = attrs.evolve(make_process("a"), started_at=NOW + MINUTE)
    given = [late, make_process("c"), make_process("b"), make_process("d", ProcessKind.API)]
    for each in given:
        storage.processes.note(each, LONG_AGO)
    assert storage.processes.all() == (given[3], given[2], given[1], late)


def test_a_process_that_is_seen_again_is_the_same_one(storage: Storage) -> None:
    process = make_process("a")
    storage.processes.note(process, LONG_AGO)
    seen = attrs.evolve(process, last_seen=NOW + MINUTE)
    storage.processes.note(seen, LONG_AGO)
    assert storage.processes.all() == (seen,)


def test_those_that_were_not_seen_for_long_are_forgotten(storage: Storage) -> None:
    old, kept = make_process("a"), attrs.evolve(make_process("b"), last_seen=NOW + MINUTE)
    for each in (old, kept):
        storage.processes.note(each, LONG_AGO)
    new = attrs.evolve(make_process("c"), last_seen=NOW + 2 * MINUTE)
    storage.processes.note(new, NOW + MINUTE)
    assert storage.processes.all() == (kept, new)


def test_one_that_ends_is_forgotten_at_once(storage: Storage) -> None:
    for name in ("a", "b"):
        storage.processes.note(make_process(name), LONG_AGO)
    storage.processes.remove("a")
    storage.processes.remove("stranger")
    assert [each.id for each in storage.processes.all()] == ["b"]


def test_figures_are_kept_when_their_process_has_ended(storage: Storage) -> None:
    first, last = Figures(done=3, refused=1), FULL
    process = make_process("a", ProcessKind.API)
    storage.processes.note(process, LONG_AGO, first)
    seen = attrs.evolve(process, last_seen=NOW + MINUTE)
    storage.processes.note(seen, LONG_AGO, last)
    storage.processes.note(make_process("b"), LONG_AGO)
    storage.processes.remove("a")
    samples = [
        Sample(process_id="a", kind=ProcessKind.API, at=at, figures=figures)
        for at, figures in ((NOW, first), (NOW + MINUTE, last))
    ]
    assert list(storage.processes.samples(NOW)) == samples
    assert list(storage.processes.samples(NOW + MINUTE)) == samples[1:]


def test_old_figures_are_forgotten(storage: Storage) -> None:
    process = make_process("a")
    for minutes in range(3):
        seen = attrs.evolve(process, last_seen=NOW + minutes * MINUTE)
        storage.processes.note(seen, NOW + MINUTE, Figures(done=minutes, refused=0))
    kept = storage.processes.samples(LONG_AGO)
    assert [each.figures.done for each in kept] == [1, 2]

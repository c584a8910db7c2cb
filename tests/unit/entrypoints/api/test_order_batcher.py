"""The batcher, on use cases that fail in every way there is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any
from uuid import UUID

import pytest

from event_loop import run
from order_aggregator.adapters.system.greenlets import run_in_thread
from order_aggregator.domain.errors import (
    CommitOutcomeUnknown,
    Conflict,
    ConstraintViolated,
    InsufficientStock,
    OrderRefused,
    StorageUnavailable,
)
from order_aggregator.domain.order import Order
from order_aggregator.domain.use_cases.place_orders import PlaceOrder
from order_aggregator.entrypoints.api.order_batcher import (
    Decision,
    OrderBatcher,
    Overloaded,
    _Entry,
)
from order_aggregator.entrypoints.api.scheduling import GreenletScheduler, ThreadScheduler, Waiter
from order_aggregator.testing.shop import Shop, wish
from started_threads import StartedThreads

Outcome = Order | OrderRefused
LIMITS: dict[str, Any] = {"max_batch": 100, "max_waiting": 10_000, "timeout": 5.0}


class Desk:
    """A use case whose every call waits for the gate, then does what it is told, in order."""

    def __init__(self) -> None:
        self.shop = Shop()
        self.shop.sync("acme", {"BOLT": 1_000_000})
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()
        self.calls: list[list[PlaceOrder]] = []
        self.recheck: list[bool] = []
        self.script: list[Callable[[Sequence[PlaceOrder]], None]] = []
        self.poison: PlaceOrder | None = None

    def __call__(self, commands: Sequence[PlaceOrder], *, recheck: bool = False) -> list[Outcome]:
        self.calls.append(list(commands))
        self.recheck.append(recheck)
        self.busy.set()
        assert self.gate.wait(10)
        if self.script:
            self.script.pop(0)(commands)
        if self.poison in commands:
            raise ConstraintViolated("poison")
        return self.shop.place_orders(commands, recheck=recheck)


def fails(error: Exception) -> Callable[[Sequence[PlaceOrder]], None]:
    def fail(_commands: Sequence[PlaceOrder]) -> None:
        raise error

    return fail


@pytest.fixture
def desk() -> Desk:
    return Desk()


@contextmanager
def combining(
    desk: Desk, report: Any = lambda _decided, _left: None, **limits: Any
) -> Iterator[OrderBatcher]:
    batcher = OrderBatcher(desk, report, **{**LIMITS, "scheduler": ThreadScheduler(), **limits})
    try:
        yield batcher
    finally:
        desk.gate.set()
        batcher.close()


def queue_up(
    batcher: OrderBatcher, desk: Desk, pool: ThreadPoolExecutor, commands: Sequence[PlaceOrder]
) -> list[Future[Order]]:
    """Submit the first, and when it is being placed the others, in their order, behind it."""
    desk.gate.clear()
    desk.busy.clear()
    futures = [pool.submit(batcher.submit, commands[0])]
    assert desk.busy.wait(5)
    for left, command in enumerate(commands[1:], 1):
        futures.append(pool.submit(batcher.submit, command))
        until(partial(holds, batcher, left))
    return futures


def holds(batcher: OrderBatcher, waiting: int) -> bool:
    return len(batcher._waiting) == waiting


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def test_thousands_of_orders_from_fifty_threads_each_get_their_own_outcome(desk: Desk) -> None:
    desk.shop.sync("acme", {"BOLT": 3000})

    def caller(batcher: OrderBatcher) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        for number in range(100):
            command = wish(BOLT=number % 2 + 1)
            try:
                order = batcher.submit(command)
            except InsufficientStock as refusal:
                outcomes["refused"] += refusal.shortages[0].requested == number % 2 + 1
            else:
                assert (order.id, order.lines) == (command.order_id, command.lines)
                outcomes["accepted"] += 1
                outcomes["units"] += number % 2 + 1
        return outcomes

    with combining(desk) as batcher, ThreadPoolExecutor(50) as callers:
        futures = [callers.submit(caller, batcher) for _ in range(50)]
        total = sum((future.result() for future in futures), Counter())
    assert total["accepted"] + total["refused"] == 5000
    assert total["units"] == 3000
    assert desk.shop.balance("BOLT") == (3000, 3000)
    assert sum(len(call) for call in desk.calls) == 5000
    assert len(desk.calls) < 5000


def test_a_batch_is_what_queued_during_the_last_commit_in_its_order(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    commands = [wish(BOLT=1) for _ in range(8)]
    with combining(desk, max_batch=5) as batcher:
        futures = queue_up(batcher, desk, pool, commands)
        desk.gate.set()
        assert [future.result().id for future in futures] == [c.order_id for c in commands]
    assert desk.calls == [commands[:1], commands[1:6], commands[6:]]


def test_no_thread_runs_before_the_first_order(desk: Desk) -> None:
    started = StartedThreads()
    with combining(desk) as batcher:
        assert started.running() == 0
        batcher.submit(wish(BOLT=1))
        assert started.running() == 1


def test_the_guilty_order_fails_alone(desk: Desk, pool: ThreadPoolExecutor) -> None:
    commands = [wish(BOLT=1) for _ in range(6)]
    desk.poison = commands[3]
    with combining(desk) as batcher:
        futures = queue_up(batcher, desk, pool, commands)
        desk.gate.set()
        with pytest.raises(ConstraintViolated):
            futures[3].result()
        assert all(futures[i].result().id == commands[i].order_id for i in (0, 1, 2, 4, 5))
    assert desk.shop.balance("BOLT") == (1_000_000, 5)
    assert desk.recheck == [False, False, True, True, True, True, True]


def test_a_storage_that_is_away_fails_the_whole_batch_at_once(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    away = StorageUnavailable("away")
    desk.script = [lambda _commands: None, fails(away)]
    with combining(desk) as batcher:
        futures = queue_up(batcher, desk, pool, [wish(BOLT=1) for _ in range(6)])
        desk.gate.set()
        errors = [future.exception() for future in futures[1:]]
        assert [type(error) for error in errors] == [StorageUnavailable] * 5
        assert len({id(error) for error in errors}) == 5
        batcher.submit(wish(BOLT=1))
    assert [len(call) for call in desk.calls] == [1, 5, 1]


def test_a_storage_that_goes_away_while_orders_are_placed_alone_ends_that(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    desk.script = [
        lambda _commands: None,
        fails(ConstraintViolated("batch")),
        lambda _commands: None,
        fails(StorageUnavailable("away")),
    ]
    with combining(desk) as batcher:
        futures = queue_up(batcher, desk, pool, [wish(BOLT=1) for _ in range(6)])
        desk.gate.set()
        assert isinstance(futures[1].result(), Order)
        assert all(isinstance(f.exception(), StorageUnavailable) for f in futures[2:])
    assert [len(call) for call in desk.calls] == [1, 5, 1, 1]


def test_a_batch_in_contention_is_placed_one_by_one(desk: Desk, pool: ThreadPoolExecutor) -> None:
    desk.script = [lambda _: None, fails(Conflict("batch")), fails(Conflict("one"))]
    with combining(desk) as batcher:
        futures = queue_up(batcher, desk, pool, [wish(BOLT=1) for _ in range(3)])
        desk.gate.set()
        assert isinstance(futures[1].exception(), Conflict)
        assert isinstance(futures[2].result(), Order)


def test_after_an_unknown_commit_the_orders_are_looked_for(desk: Desk) -> None:
    def commit_unnoticed(commands: Sequence[PlaceOrder]) -> None:
        desk.shop.place_orders(commands)
        raise CommitOutcomeUnknown("connection lost")

    desk.script = [commit_unnoticed, fails(StorageUnavailable("still down")), fails(Conflict("x"))]
    command = wish(BOLT=1)
    with combining(desk) as batcher:
        assert batcher.submit(command).id == command.order_id
    assert desk.recheck == [False, True, True, True]
    assert desk.shop.balance("BOLT") == (1_000_000, 1)


def test_an_outcome_that_stays_unknown_is_said_to_be_unknown(desk: Desk) -> None:
    desk.script = [fails(CommitOutcomeUnknown("lost")), *[fails(StorageUnavailable("down"))] * 100]
    with combining(desk, timeout=0.3) as batcher:
        started = time.monotonic()
        with pytest.raises(CommitOutcomeUnknown):
            batcher.submit(wish(BOLT=1))
        assert 0.25 < time.monotonic() - started < 2
        desk.script = []
        assert isinstance(batcher.submit(wish(BOLT=1)), Order)


def test_an_unexpected_error_after_an_unknown_commit_leaves_the_outcome_unknown(desk: Desk) -> None:
    desk.script = [fails(CommitOutcomeUnknown("lost")), fails(ConstraintViolated("broken"))]
    with combining(desk) as batcher, pytest.raises(CommitOutcomeUnknown):
        batcher.submit(wish(BOLT=1))


def test_a_full_queue_refuses_at_once(desk: Desk, pool: ThreadPoolExecutor) -> None:
    with combining(desk, max_waiting=2) as batcher:
        futures = queue_up(batcher, desk, pool, [wish(BOLT=1) for _ in range(3)])
        with pytest.raises(Overloaded):
            batcher.submit(wish(BOLT=1))
        desk.gate.set()
        assert all(future.result() for future in futures)
        assert isinstance(batcher.submit(wish(BOLT=1)), Order)
    assert desk.shop.balance("BOLT") == (1_000_000, 4)


def test_an_order_that_waited_too_long_is_not_executed(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    with combining(desk, timeout=0.2) as batcher:
        futures = queue_up(batcher, desk, pool, [wish(BOLT=1), wish(BOLT=2)])
        assert isinstance(futures[1].exception(), Overloaded)
        assert holds(batcher, 0)
        assert isinstance(futures[0].exception(), CommitOutcomeUnknown)
        desk.gate.set()
        assert isinstance(batcher.submit(wish(BOLT=4)), Order)
    # The first was being placed all along; the second never was.
    assert desk.shop.balance("BOLT") == (1_000_000, 5)


def test_an_order_that_expires_while_its_batch_fails_is_not_tried_alone(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    def slow_failure(_commands: Sequence[PlaceOrder]) -> None:
        time.sleep(0.4)
        raise ConstraintViolated("slow")

    desk.script = [lambda _commands: None, slow_failure]
    with combining(desk, timeout=0.3) as batcher:
        futures = queue_up(batcher, desk, pool, [wish(BOLT=1), wish(BOLT=1), wish(BOLT=1)])
        desk.gate.set()
        assert isinstance(futures[0].result(), Order)
        assert isinstance(futures[1].exception(), CommitOutcomeUnknown)
    assert [len(call) for call in desk.calls] == [1, 2]


def test_closing_finishes_what_waits_and_accepts_no_more(
    desk: Desk, pool: ThreadPoolExecutor
) -> None:
    with combining(desk) as batcher:
        futures = queue_up(batcher, desk, pool, [wish(BOLT=1) for _ in range(5)])
        closing = pool.submit(batcher.close)
        until(lambda: batcher._closed)
        with pytest.raises(Overloaded):
            batcher.submit(wish(BOLT=1))
        assert not closing.done()
        desk.gate.set()
        closing.result()
        assert all(future.result() for future in futures)
        batcher.close()


def test_closing_before_the_first_order_is_fine(desk: Desk) -> None:
    with combining(desk) as batcher:
        batcher.close()
        with pytest.raises(Overloaded):
            batcher.submit(wish(BOLT=1))


def test_each_batch_is_reported_with_what_was_decided(desk: Desk, pool: ThreadPoolExecutor) -> None:
    reports: list[tuple[Sequence[Decision], int]] = []
    commands = [wish(BOLT=1), wish(BOLT=2_000_000), wish(BOLT=1), wish(BOLT=1)]
    desk.script = [lambda _: None, lambda _: None, fails(StorageUnavailable("away"))]
    with combining(desk, lambda *report: reports.append(report), max_batch=2) as batcher:
        futures = queue_up(batcher, desk, pool, commands)
        desk.gate.set()
        for future in futures:
            future.exception()
    assert [len(decided) for decided, _ in reports] == [1, 2, 0]
    assert [left for _, left in reports] == [3, 1, 0]
    assert isinstance(reports[1][0][0][1], InsufficientStock)
    assert reports[1][0][0][0] is commands[1]


def test_a_report_that_fails_changes_no_outcome_and_stops_no_later_order(desk: Desk) -> None:
    def report(_decided: Sequence[Decision], _left: int) -> None:
        raise OSError("no space left for logs")

    with combining(desk, report) as batcher:
        for _ in range(3):
            assert isinstance(batcher.submit(wish(BOLT=1)), Order)
            until(lambda: not batcher._writing)
    assert desk.shop.balance("BOLT") == (1_000_000, 3)


def test_an_order_that_comes_just_as_the_writer_ends_has_one_writer(desk: Desk) -> None:
    started: list[Callable[[], None]] = []
    reports: list[int] = []

    class ByHand:
        """Calls are made when the test makes them."""

        def waiter(self) -> Waiter:
            return ThreadScheduler().waiter()

        def start(self, call: Callable[[], None]) -> None:
            started.append(call)

        start_from_outside = start

    def come() -> None:
        if late and not batcher._writing:
            batcher._enqueue(late.pop())

    batcher = OrderBatcher(
        desk, lambda decided, _left: reports.append(len(decided)), scheduler=ByHand(), **LIMITS
    )
    entries = [
        _Entry(
            command=wish(BOLT=1),
            request_id="",
            owner="",
            deadline=inf,
            caller=ThreadScheduler().waiter(),
        )
        for _ in range(2)
    ]
    late = entries[1:]
    batcher._enqueue(entries[0])
    batcher._mutex = Gap(batcher._mutex, come)  # type: ignore[assignment]
    while started:
        started.pop(0)()
    assert reports == [1, 1]


class Gap:
    """A lock after whose release something happens."""

    def __init__(self, lock: Any, then: Callable[[], object]) -> None:
        self._lock = lock
        self._then = then

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._then()


def in_turns(desk: Any, *commands: PlaceOrder, **limits: Any) -> list[Order | Exception]:
    """The outcomes of orders that are all submitted in one event loop, at once."""
    outcomes: dict[UUID, Order | Exception] = {}

    async def main() -> None:
        turns = GreenletScheduler()
        batcher = OrderBatcher(desk, lambda *_: None, scheduler=turns, **{**LIMITS, **limits})

        def submit(command: PlaceOrder) -> None:
            try:
                outcomes[command.order_id] = batcher.submit(command)
            except Exception as error:  # noqa: BLE001 - that is the outcome
                outcomes[command.order_id] = error

        for command in commands:
            turns.start(partial(submit, command))
        await turns.finished()
        batcher.close()

    run(main())
    return [outcomes[command.order_id] for command in commands]


def test_in_one_event_loop_orders_wait_side_by_side(desk: Desk) -> None:
    """And what comes while a batch waits for its commit is the next batch."""

    def place(commands: Sequence[PlaceOrder], *, recheck: bool = False) -> list[Outcome]:
        run_in_thread(time.sleep, 0.01)
        return desk(commands, recheck=recheck)

    commands = [wish(BOLT=2_000_000 if number == 7 else 1) for number in range(300)]
    outcomes = in_turns(place, *commands)
    assert isinstance(outcomes.pop(7), InsufficientStock)
    commands.pop(7)
    assert [isinstance(o, Order) and o.id for o in outcomes] == [c.order_id for c in commands]
    assert len(desk.calls) < 10
    assert max(len(call) for call in desk.calls) == 100


def test_in_one_event_loop_a_commit_in_doubt_is_looked_for_while_the_loop_goes_on(
    desk: Desk,
) -> None:
    def commit_unnoticed(commands: Sequence[PlaceOrder]) -> None:
        desk.shop.place_orders(commands)
        raise CommitOutcomeUnknown("connection lost")

    looks: list[int] = []

    async def look() -> None:
        while True:
            looks.append(len(desk.calls))
            await asyncio.sleep(0.005)

    def place(commands: Sequence[PlaceOrder], *, recheck: bool = False) -> list[Outcome]:
        if not desk.calls:
            looking.append(asyncio.ensure_future(look()))
        return desk(commands, recheck=recheck)

    looking: list[asyncio.Future[None]] = []
    desk.script = [commit_unnoticed, fails(StorageUnavailable("still down"))]
    command = wish(BOLT=1)
    [order] = in_turns(place, command)
    assert isinstance(order, Order)
    assert order.id == command.order_id
    assert desk.recheck == [False, True, True]
    assert desk.shop.balance("BOLT") == (1_000_000, 1)
    # In either pause, of 0.05 s and more.
    assert looks.count(1) >= 3
    assert looks.count(2) >= 3


def test_in_one_event_loop_too_callers_give_up_when_their_patience_ends(desk: Desk) -> None:
    def place(commands: Sequence[PlaceOrder], *, recheck: bool = False) -> list[Outcome]:
        run_in_thread(time.sleep, 0.2)
        return desk(commands, recheck=recheck)

    commands = [wish(BOLT=1) for _ in range(40)]
    outcomes = in_turns(place, *commands, timeout=0.05, max_batch=10)
    placed = [outcome for outcome in outcomes if isinstance(outcome, CommitOutcomeUnknown)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
    assert (len(placed), len(refused)) == (10, 30)
    assert desk.shop.balance("BOLT") == (1_000_000, 10)

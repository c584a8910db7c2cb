"""Turns many callers' orders into batches: what queued during one commit is the next batch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from typing import Protocol

import attrs
import structlog

from ...domain.errors import (
    CommitOutcomeUnknown,
    Conflict,
    OrderRefused,
    StorageUnavailable,
    Unavailable,
)
from ...domain.order import Order
from ...domain.use_cases.place_orders import PlaceOrder

log = structlog.get_logger()


class Overloaded(Unavailable):
    """The order was not executed, because too many wait before it."""


class PlaceBatch(Protocol):
    """The use case `PlaceOrders`, or what stands before it."""

    def __call__(
        self, commands: Sequence[PlaceOrder], *, again: bool = False
    ) -> list[Order | OrderRefused]:
        """Give each command's outcome, after one commit."""


@attrs.define(kw_only=True, eq=False)
class _Entry:
    """A command, and the caller that sleeps until `done` is released."""

    command: PlaceOrder
    deadline: float
    done: threading.Lock
    started: bool = False
    # An attempt may have been committed without our knowing.
    in_doubt: bool = False
    outcome: Order | Exception | None = None

    def settle(self, outcome: Order | Exception) -> None:
        """Give the caller its outcome, the first one there is, and wake it."""
        if self.outcome is None:
            self.outcome = outcome
            self.done.release()

    def fail(self, error: Exception) -> None:
        """Wake the caller with an error of its own: raised in two threads, one would be garbled."""
        if self.in_doubt:
            self.settle(_unknown_outcome(error))
        elif isinstance(error, StorageUnavailable):
            self.settle(_caused(StorageUnavailable(str(error)), error))
        else:
            self.settle(error)


class Combiner:
    """Callers submit an order and wait; one writer thread places all that wait, in their order.

    The thread starts with the first order, so that a fork before it does no harm.
    """

    def __init__(
        self,
        place: PlaceBatch,
        *,
        max_batch: int,
        max_waiting: int,
        patience: float,
        observe: Callable[[int, int], None],
    ) -> None:
        """`patience`: seconds a caller waits; `observe`: told a batch's size and what is left."""
        self._place = place
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._patience = patience
        self._observe = observe
        self._mutex = threading.Lock()
        self._arrival = threading.Condition(self._mutex)
        self._waiting: deque[_Entry] = deque()
        self._writer: threading.Thread | None = None
        self._closed = False

    def submit(self, command: PlaceOrder) -> Order:
        """The order, once it is durable.

        Raises OrderRefused or Overloaded, StorageUnavailable, or CommitOutcomeUnknown when patience
        ran out while the order was being placed.
        """
        # A bare lock is the cheapest thing a thread can sleep on.
        done = threading.Lock()
        done.acquire()
        deadline = time.monotonic() + self._patience
        entry = _Entry(command=command, deadline=deadline, done=done)
        self._enqueue(entry)
        if not done.acquire(timeout=self._patience):
            self._give_up(entry)
        outcome = entry.outcome
        if isinstance(outcome, Order):
            return outcome
        if outcome is None:
            raise _unknown_outcome(None)
        raise outcome

    def close(self) -> None:
        """Accept no more, and return when everything that waits is done."""
        with self._mutex:
            self._closed = True
            self._arrival.notify_all()
            writer = self._writer
        if writer is not None:
            writer.join()

    def _enqueue(self, entry: _Entry) -> None:
        with self._mutex:
            if self._closed:
                raise Overloaded("the service is shutting down")
            if len(self._waiting) >= self._max_waiting:
                raise Overloaded("too many orders wait already")
            self._waiting.append(entry)
            if self._writer is None:
                self._writer = threading.Thread(target=self._run, name="order-writer", daemon=True)
                self._writer.start()
            self._arrival.notify()

    def _give_up(self, entry: _Entry) -> None:
        with self._mutex:
            if entry.started or entry.outcome is not None:
                return
            self._waiting.remove(entry)
        raise Overloaded("the order waited too long and was not executed")

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._observe(len(batch), len(self._waiting))
                self._settle(batch, again=False)
            except Exception as error:  # noqa: BLE001 - each caller is told
                log.warning("orders.not_placed", batch=len(batch), error=str(error))
                for entry in batch:
                    entry.fail(error)

    def _next_batch(self) -> list[_Entry]:
        """Sleep until something waits, then take it; empty once closed and drained."""
        with self._mutex:
            while not self._waiting and not self._closed:
                self._arrival.wait()
            size = min(len(self._waiting), self._max_batch)
            batch = [self._waiting.popleft() for _ in range(size)]
            for entry in batch:
                entry.started = True
        return batch

    def _settle(self, batch: Sequence[_Entry], *, again: bool) -> None:
        """Place a batch; if it fails unexpectedly, each command alone, so only the guilty fails."""
        try:
            self._place_until_known(batch, again=again)
        except StorageUnavailable:
            raise
        except Exception as error:
            if len(batch) == 1:
                batch[0].fail(error)
                return
            log.warning("orders.placed_one_by_one", batch=len(batch), exc_info=True)
            for entry in batch:
                self._settle([entry], again=True)

    def _place_until_known(self, batch: Sequence[_Entry], *, again: bool) -> None:
        """Place what has not expired, and again while its outcome is unknown."""
        for pause in _pauses():
            awaited = _still_awaited(batch)
            if not awaited:
                return
            in_doubt = any(entry.in_doubt for entry in awaited)
            try:
                outcomes = self._place([e.command for e in awaited], again=again or in_doubt)
                settled = list(zip(awaited, outcomes, strict=True))
            except CommitOutcomeUnknown:
                for entry in awaited:
                    entry.in_doubt = True
                log.warning("orders.commit_outcome_unknown", batch=len(awaited))
            except (StorageUnavailable, Conflict):
                if not in_doubt:
                    raise
            else:
                for entry, outcome in settled:
                    entry.settle(outcome)
                return
            time.sleep(pause)


def _still_awaited(batch: Sequence[_Entry]) -> list[_Entry]:
    now = time.monotonic()
    for entry in batch:
        if entry.deadline <= now:
            entry.fail(Overloaded("the order waited too long and was not executed"))
    return [entry for entry in batch if entry.outcome is None]


def _pauses() -> Iterator[float]:
    """Seconds between attempts: short, growing, then steady."""
    return chain((0.05, 0.1, 0.2, 0.4), repeat(0.8))


def _unknown_outcome(cause: Exception | None) -> Exception:
    return _caused(CommitOutcomeUnknown("it is unknown whether the order was accepted"), cause)


def _caused(error: Exception, cause: Exception | None) -> Exception:
    error.__cause__ = cause
    return error

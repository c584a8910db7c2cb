"""Turns many callers' orders into batches: what queued during one commit is the next batch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, repeat
from typing import NamedTuple, Protocol
from uuid import UUID

import attrs

from ...adapters.system.log import Log
from ...domain.errors import (
    CommitOutcomeUnknown,
    Conflict,
    OrderRefused,
    StorageUnavailable,
    Unavailable,
)
from ...domain.order import Order
from ...domain.use_cases.place_orders import PlaceOrder
from ..runtime.tracing import order_spans
from .scheduling import Scheduler, Waiter

log = Log()


class Decision(NamedTuple):
    """What became of a command, by which request it came, and whose that was."""

    command: PlaceOrder
    outcome: Order | OrderRefused
    request_id: str
    owner: str


# Seconds between attempts to learn the outcome of a commit; the last one is repeated.
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
EXPIRED = "the order waited too long and was not executed"


class Overloaded(Unavailable):
    """The order was not executed, because too many wait before it."""


class PlaceBatch(Protocol):
    """The use case `PlaceOrders`."""

    def __call__(
        self, commands: Sequence[PlaceOrder], *, recheck: bool = False
    ) -> list[Order | OrderRefused]:
        """Give each command's outcome, after one commit."""


@attrs.define(kw_only=True, eq=False)
class _Entry:
    """A command, and the caller that sleeps until it has an outcome."""

    command: PlaceOrder
    request_id: str
    # Whose it is: a principal's id.
    owner: str
    deadline: float
    caller: Waiter
    started: bool = False
    # An attempt may have been committed without our knowing.
    in_doubt: bool = False
    outcome: Order | Exception | None = None

    def settle(self, outcome: Order | Exception) -> None:
        """Give the caller its outcome, the first one there is, and wake it."""
        if self.outcome is None:
            self.outcome = outcome
            self.caller.notify()

    def fail(self, error: Exception) -> None:
        """Wake the caller with an error that no other thread raises as well."""
        if self.in_doubt:
            error = CommitOutcomeUnknown(str(error))
        elif isinstance(error, StorageUnavailable):
            error = StorageUnavailable(str(error))
        self.settle(error)


class OrderBatcher:
    """Callers submit an order and sleep; one writer places all that wait, in their order."""

    def __init__(
        self,
        place: PlaceBatch,
        report: Callable[[Sequence[Decision], int], None],
        *,
        max_batch: int,
        max_waiting: int,
        timeout: float,
        scheduler: Scheduler,
    ) -> None:
        """`timeout`: seconds a caller waits.

        `report` is told, when the callers of a batch are awake already, what was decided and how
        many still wait. It cannot change what was decided.
        """
        self._place = place
        self._report = report
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._timeout = timeout
        self._scheduler = scheduler
        self._mutex = threading.Lock()
        self._waiting: deque[_Entry] = deque()
        self._writing = False
        self._written = threading.Condition(self._mutex)
        self._closed = False

    def submit(self, command: PlaceOrder, request_id: str = "", owner: str = "") -> Order:
        """The order, once it is durable.

        Raises OrderRefused or Overloaded, StorageUnavailable, or CommitOutcomeUnknown when it
        timed out while it was being placed.
        """
        deadline = time.monotonic() + self._timeout
        entry = _Entry(
            command=command,
            request_id=request_id,
            owner=owner,
            deadline=deadline,
            caller=self._scheduler.waiter(),
        )
        self._enqueue(entry)
        if not entry.caller.wait(self._timeout):
            self._give_up(entry)
        match entry.outcome:
            case Order() as order:
                return order
            case None:
                raise CommitOutcomeUnknown("timed out while the order was being placed")
            case error:
                raise error

    def close(self) -> None:
        """Accept no more, and return when everything that waits is done.

        In an event loop, only once that has nothing left to do: it would stand still meanwhile.
        """
        with self._mutex:
            self._closed = True
            self._written.wait_for(lambda: not self._writing)

    def _enqueue(self, entry: _Entry) -> None:
        with self._mutex:
            if self._closed:
                raise Overloaded("the service is shutting down")
            if len(self._waiting) >= self._max_waiting:
                raise Overloaded("too many orders wait already")
            self._waiting.append(entry)
            if self._writing:
                return
            self._writing = True
        self._scheduler.start(self._write)

    def _give_up(self, entry: _Entry) -> None:
        with self._mutex:
            if not entry.started:
                self._waiting.remove(entry)
                raise Overloaded(EXPIRED)

    def _write(self) -> None:
        """Place what waits. Whatever comes meanwhile is the next batch."""
        try:
            batch = self._next_batch()
            self._settle_all(batch)
            self._report_batch(batch)
        except Exception:
            log.exception("orders.not_reported")
        finally:
            with self._mutex:
                more = self._writing = bool(self._waiting)
                self._written.notify_all()
            # Not `self._writing`: a caller may have come meanwhile, and started it.
            if more:
                self._scheduler.start(self._write)

    def _next_batch(self) -> list[_Entry]:
        with self._mutex:
            size = min(len(self._waiting), self._max_batch)
            batch = [self._waiting.popleft() for _ in range(size)]
            for entry in batch:
                entry.started = True
        return batch

    def _settle_all(self, batch: Sequence[_Entry]) -> None:
        try:
            self._settle(batch, recheck=False)
        except Exception as error:  # noqa: BLE001 - each caller is told
            for entry in batch:
                entry.fail(error)
            log.warning("orders.not_placed", batch=len(batch), error=str(error))

    def _report_batch(self, batch: Sequence[_Entry]) -> None:
        decided = [
            Decision(entry.command, entry.outcome, entry.request_id, entry.owner)
            for entry in batch
            if isinstance(entry.outcome, Order | OrderRefused)
        ]
        self._report(decided, len(self._waiting))

    def _settle(self, batch: Sequence[_Entry], *, recheck: bool) -> None:
        """Place a batch; if it fails unexpectedly, each command alone, so only the guilty fails."""
        try:
            self._place_until_known(batch, recheck=recheck)
        except StorageUnavailable:
            raise
        except Exception as error:
            if len(batch) == 1:
                batch[0].fail(error)
                return
            log.warning("orders.placed_one_by_one", batch=len(batch), exc_info=True)
            for entry in batch:
                self._settle([entry], recheck=True)

    def _place_until_known(self, batch: Sequence[_Entry], *, recheck: bool) -> None:
        """Place what has not expired, and again while its outcome is unknown."""
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            awaited = _drop_expired(batch)
            if not awaited:
                return
            in_doubt = any(entry.in_doubt for entry in awaited)
            try:
                commands = [entry.command for entry in awaited]
                with order_spans("place", partial(_traces, commands)):
                    outcomes = self._place(commands, recheck=recheck or in_doubt)
                settled = list(zip(awaited, outcomes, strict=True))
            except CommitOutcomeUnknown as error:
                log.warning("orders.commit_outcome_unknown", batch=len(awaited), error=str(error))
                for entry in awaited:
                    entry.in_doubt = True
            except (StorageUnavailable, Conflict):
                if not in_doubt:
                    raise
            else:
                for entry, outcome in settled:
                    entry.settle(outcome)
                return
            self._scheduler.waiter().wait(pause)


def _traces(commands: Sequence[PlaceOrder]) -> dict[UUID, str]:
    return {each.order_id: each.trace for each in commands if each.trace is not None}


def _drop_expired(batch: Sequence[_Entry]) -> list[_Entry]:
    now = time.monotonic()
    for entry in batch:
        if entry.deadline <= now:
            entry.fail(Overloaded(EXPIRED))
    return [entry for entry in batch if entry.outcome is None]

"""Takes accepted orders from the queue and fulfils them, a batch at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from threading import Event, Lock
from typing import NamedTuple, TypeVar
from uuid import UUID

from ..adapters.system.log import Log
from ..adapters.wire import decode, traces_of
from ..domain.errors import MalformedMessage
from ..domain.order import Order, OrderStatus
from ..domain.ports.message_bus import Consumer, Delivery, MessageBus
from .failures import Failure, crashes
from .monitoring import worker as metrics
from .runtime.liveness import liveness
from .runtime.logs import log_orders
from .runtime.retry import ShutdownRequested, retry_until_available
from .runtime.tracing import order_spans

log = Log()
T = TypeVar("T")

BATCH = 200
# Batches that are in work at a time, where there is much to do: one is read and settled while the
# database is busy with the other.
THREADS = 2
# What comes within this time is fulfilled together, where there is not much to do.
LINGER = timedelta(seconds=0.02)
# How long an idle worker takes to notice that it is to stop.
IDLE_WAIT = timedelta(seconds=0.5)

Outcome = Order | Exception
Fulfil = Callable[[Sequence[UUID]], Mapping[UUID, Outcome]]
AnnounceAlone = Callable[[Sequence[UUID], Mapping[UUID, str]], Sequence[UUID]]
FindSuspects = Callable[[Mapping[UUID, int]], set[UUID]]


class Announced(NamedTuple):
    """A message that makes sense."""

    order_ids: tuple[UUID, ...]
    delivery: Delivery

    @property
    def alone(self) -> bool:
        """Whether it announces one order only."""
        return len(self.order_ids) == 1

    def announces_only(self, order_ids: Collection[UUID]) -> bool:
        """Whether it announces one order only, and that is one of these."""
        return self.alone and self.order_ids[0] in order_ids


class Worker:
    """One consumer of the queue."""

    def __init__(
        self,
        *,
        bus: MessageBus,
        fulfil: Fulfil,
        requeue_individually: AnnounceAlone,
        find_suspects: FindSuspects,
        settle_failures: Callable[[Consumer, Sequence[Failure]], None],
        stop: Event,
        beside: Iterable[AbstractContextManager[None]] = (),
    ) -> None:
        """`beside`: what goes on by itself, to the same `stop`, while the worker runs."""
        self._bus = bus
        self._fulfil = fulfil
        self._announce_alone = requeue_individually
        self._find_suspects = find_suspects
        self._settle_failures = settle_failures
        self._stop = stop
        self._beside = tuple(beside)
        self._turn = Lock()

    def run(self) -> None:
        """Work until told to stop; what is in hand then is finished, or goes back to the queue.

        If it fails, it sets `stop` itself.
        """
        with ExitStack() as running:
            for each in self._beside:
                running.enter_context(each)
            self._run()
        log.info("worker.stopped")

    def _run(self) -> None:
        with (
            self._bus.consume() as consumer,
            ThreadPoolExecutor(THREADS, thread_name_prefix="lane") as pool,
        ):
            log.info("worker.started")
            lanes = [pool.submit(self._work, consumer) for _ in range(THREADS)]
            try:
                for lane in lanes:
                    lane.result()
            finally:
                self._stop.set()

    def _work(self, consumer: Consumer) -> None:
        try:
            with liveness.watching():
                while not self._stop.is_set():
                    self._receive_and_handle(consumer)
        except ShutdownRequested:
            # What is not settled goes back to the queue when the consumer closes.
            pass
        finally:
            # A lane that fails takes the others with it.
            self._stop.set()

    def _receive_and_handle(self, consumer: Consumer) -> None:
        """Only with a full batch does another lane get a turn before it is handled."""
        with self._having_turn():
            if self._stop.is_set():
                return
            deliveries = self._patiently(lambda: consumer.receive(BATCH, IDLE_WAIT.total_seconds()))
            announced = self.read(consumer, deliveries)
            if len(_orders_of(announced)) < BATCH:
                self.handle(consumer, announced)
                self._stop.wait(LINGER.total_seconds())
                return
        self.handle(consumer, announced)

    @contextmanager
    def _having_turn(self) -> Iterator[None]:
        while not self._turn.acquire(timeout=IDLE_WAIT.total_seconds()):
            # The other lane answers for itself.
            liveness.beat()
        try:
            yield
        finally:
            self._turn.release()

    def read(self, consumer: Consumer, deliveries: Iterable[Delivery]) -> list[Announced]:
        """What these deliveries announce; those that make no sense are parked."""
        announced: list[Announced] = []
        reasons: list[tuple[Delivery, str]] = []
        for delivery in deliveries:
            try:
                announced.append(Announced(decode(delivery.body), delivery))
            except MalformedMessage as error:
                reasons.append((delivery, str(error)))
        if reasons:
            self._patiently(lambda: consumer.park(reasons))
            metrics.UNREADABLE_MESSAGES.inc(len(reasons))
        for delivery, reason in reasons:
            log.error("message.parked", body=repr(delivery.body[:200]), reason=reason)
        return announced

    def handle(self, consumer: Consumer, announced: Sequence[Announced]) -> None:
        """Fulfil the orders, then settle their deliveries.

        While the storage is away it waits, so nothing more is received. Raises ShutdownRequested
        if told to stop: after the batch in hand, or while it waits.
        """
        suspects, others = self._tell_apart(announced)
        # One of them may bring down this process, and what is in the same batch comes back with it.
        # Alone, and in another order each time, the others get through before it does so again.
        together = [each for each in suspects if not each.alone]
        self._separate(_orders_of(together), together)
        self._acknowledge(consumer, together)
        alone = [each for each in suspects if each.alone]
        random.shuffle(alone)
        # What never failed does not wait for what did.
        others.sort(key=lambda each: each.delivery.attempt > 1)
        for batch in (*_batches(others), *([each] for each in alone)):
            self._fulfil_batch(consumer, batch)
            if self._stop.is_set():
                raise ShutdownRequested

    def _tell_apart(
        self, announced: Sequence[Announced]
    ) -> tuple[list[Announced], list[Announced]]:
        """Those with an order that may bring down this process, and the others."""
        attempts: dict[UUID, int] = {}
        for each in announced:
            if each.delivery.attempt > 1:
                attempts |= dict.fromkeys(each.order_ids, each.delivery.attempt)
        found = self._patiently(lambda: self._find_suspects(attempts))
        suspects: list[Announced] = []
        others: list[Announced] = []
        for each in announced:
            (others if found.isdisjoint(each.order_ids) else suspects).append(each)
        return suspects, others

    def _fulfil_batch(self, consumer: Consumer, batch: Sequence[Announced]) -> None:
        order_ids = list(dict.fromkeys(_orders_of(batch)))
        metrics.BATCH_SIZE.observe(len(order_ids))
        with order_spans(
            "fulfil", lambda: traces_of(each.delivery.body for each in batch)
        ) as failed:
            outcomes, crashed = self._outcomes(order_ids)
            errors = {key: error for key, error in outcomes.items() if isinstance(error, Exception)}
            failed.update(errors)
        # Only an order that is alone in its message can be returned without others.
        done = [each for each in batch if not each.announces_only(errors)]
        failures = [
            Failure(
                order_id=each.order_ids[0],
                delivery=each.delivery,
                error=errors[each.order_ids[0]],
                crashed=each.order_ids[0] in crashed,
            )
            for each in batch
            if each.announces_only(errors)
        ]
        self._separate([order_id for order_id in _orders_of(done) if order_id in errors], done)
        self._acknowledge(consumer, done)
        fulfilled = [
            outcome
            for outcome in outcomes.values()
            if isinstance(outcome, Order) and outcome.status is OrderStatus.FULFILLED
        ]
        metrics.observe_fulfilled(fulfilled)
        log_orders(log.info, "orders.fulfilled", [order.id for order in fulfilled])
        self._settle_failures(consumer, failures)

    def _outcomes(
        self, order_ids: Sequence[UUID]
    ) -> tuple[Mapping[UUID, Outcome], Collection[UUID]]:
        """What became of the orders, and which of them crashed."""
        outcomes: dict[UUID, Outcome] = {}
        crashed = crashes(lambda keys: outcomes.update(self._fulfil(keys)), order_ids, self._stop)
        return outcomes | crashed, crashed

    def _separate(self, order_ids: Sequence[UUID], announced: Iterable[Announced]) -> None:
        """Give each of these orders, which were announced so, a message of its own."""
        if not order_ids:
            return
        traces = traces_of(each.delivery.body for each in announced)
        separated = self._patiently(lambda: self._announce_alone(order_ids, traces))
        log_orders(log.warning, "orders.separated", separated)

    def _acknowledge(self, consumer: Consumer, announced: Sequence[Announced]) -> None:
        deliveries = [each.delivery for each in announced]
        if deliveries:
            self._patiently(lambda: consumer.acknowledge(deliveries))

    def _patiently(self, call: Callable[[], T]) -> T:
        return retry_until_available(call, self._stop, "worker.waiting")


def _orders_of(announced: Iterable[Announced]) -> list[UUID]:
    return [order_id for each in announced for order_id in each.order_ids]


def _batches(announced: Iterable[Announced]) -> Iterator[list[Announced]]:
    """Of so many orders as one transaction takes."""
    batch: list[Announced] = []
    size = 0
    for each in announced:
        if batch and size + len(each.order_ids) > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += len(each.order_ids)
    if batch:
        yield batch

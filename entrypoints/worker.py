"""Takes accepted orders from the queue and fulfils them, a batch at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from enum import Enum, auto
from threading import Event, Lock
from typing import NamedTuple
from uuid import UUID

import attrs
import structlog

from ..bootstrap import Container
from ..domain.errors import MalformedMessage, UnknownOrder, VendorShortage
from ..domain.events import decode
from ..domain.order import Order, OrderStatus
from ..domain.ports.message_bus import Consumer, Delivery, MessageBus
from ..domain.values import storable
from .logs import log_orders
from .patience import Stopped, patiently

log = structlog.get_logger()

BATCH = 200
# Batches that are in work at a time, where there is much to do: one is read and settled while the
# database is busy with the other.
LANES = 2
# What comes within this time is fulfilled together, where there is not much to do.
GATHER = timedelta(seconds=0.02)
# From this attempt on, each order is tried alone.
SUSPECT = 3
# How long an idle worker takes to notice that it is to stop.
IDLE_WAIT = timedelta(seconds=0.5)

Outcome = Order | Exception
Fulfil = Callable[[Sequence[UUID]], Mapping[UUID, Outcome]]
Fail = Callable[[Mapping[UUID, str]], None]
AnnounceAlone = Callable[[Sequence[UUID]], Sequence[UUID]]


class Verdict(Enum):
    """What becomes of the message of an order that failed."""

    RETRY = auto()
    PARK = auto()
    FAIL_AND_PARK = auto()


@attrs.frozen(kw_only=True)
class RetryRule:
    """How often an order is tried, and the pause before the second attempt, doubling each time."""

    max_attempts: int
    first_delay: timedelta

    def verdict(self, error: Exception, attempt: int) -> Verdict:
        """What to do with a message whose order failed so, at this attempt (1 is the first)."""
        match error:
            case UnknownOrder():
                return Verdict.PARK
            case _ if attempt < self.max_attempts:
                return Verdict.RETRY
            case VendorShortage():
                return Verdict.FAIL_AND_PARK
            case _:
                # Our fault, not the order's: it stays reserved, and is sent again later.
                return Verdict.PARK

    def delay(self, attempt: int) -> float:
        """Seconds to wait after this attempt."""
        return self.first_delay.total_seconds() * float(2 ** (attempt - 1))


class Announced(NamedTuple):
    """A message that makes sense."""

    order_ids: tuple[UUID, ...]
    delivery: Delivery

    @property
    def alone(self) -> bool:
        """Whether it announces one order only."""
        return len(self.order_ids) == 1


class Worker:
    """One consumer of the queue."""

    def __init__(
        self,
        *,
        bus: MessageBus,
        fulfil: Fulfil,
        announce_alone: AnnounceAlone,
        fail: Fail,
        rule: RetryRule,
        stop: Event,
    ) -> None:
        self._bus = bus
        self._fulfil = fulfil
        self._announce_alone = announce_alone
        self._fail = fail
        self._rule = rule
        self._stop = stop
        self._turn = Lock()

    def run(self) -> None:
        """Work until told to stop; what is in hand then is finished, or goes back to the queue.

        If it fails, it sets `stop` itself.
        """
        with (
            self._bus.consume() as consumer,
            ThreadPoolExecutor(LANES, thread_name_prefix="lane") as pool,
        ):
            log.info("worker.started")
            lanes = [pool.submit(self._work, consumer) for _ in range(LANES)]
            try:
                for lane in lanes:
                    lane.result()
            finally:
                self._stop.set()
        log.info("worker.stopped")

    def _work(self, consumer: Consumer) -> None:
        try:
            while not self._stop.is_set():
                self._receive_and_handle(consumer)
        except Stopped:
            # What is not settled goes back to the queue when the consumer closes.
            pass
        finally:
            # A lane that fails takes the others with it.
            self._stop.set()

    def _receive_and_handle(self, consumer: Consumer) -> None:
        """Only with a full batch does another lane get a turn before it is handled."""
        with self._turn:
            if self._stop.is_set():
                return
            deliveries = patiently(
                lambda: consumer.receive(BATCH, IDLE_WAIT.total_seconds()),
                self._stop,
                "worker.waiting",
            )
            announced = self.read(consumer, deliveries)
            if len(_orders_of(announced)) < BATCH:
                self.handle(consumer, announced)
                self._stop.wait(GATHER.total_seconds())
                return
        self.handle(consumer, announced)

    def read(self, consumer: Consumer, deliveries: Iterable[Delivery]) -> list[Announced]:
        """What these deliveries announce; those that make no sense are parked."""
        announced = []
        for delivery in deliveries:
            try:
                order_ids = decode(delivery.body).order_ids
            except MalformedMessage as error:
                self._park(consumer, delivery, str(error))
                log.error("message.parked", body=repr(delivery.body[:200]), reason=str(error))
            else:
                announced.append(Announced(order_ids, delivery))
        return announced

    def handle(self, consumer: Consumer, announced: Sequence[Announced]) -> None:
        """Fulfil the orders, then settle their deliveries.

        While the storage is away it waits, so nothing more is received. Raises Stopped if told to
        stop: after the batch in hand, or while it waits.
        """
        fresh = [each for each in announced if each.delivery.attempt < SUSPECT]
        suspects = [each for each in announced if each.delivery.attempt >= SUSPECT]
        # One of them may bring down this process, and what is in the same batch comes back with it.
        # Alone, and in another order each time, the others get through before it does so again.
        together = [each for each in suspects if not each.alone]
        self._separate(_orders_of(together))
        self._acknowledge(consumer, together)
        alone = [each for each in suspects if each.alone]
        random.shuffle(alone)
        for batch in (*_batches(fresh), *([each] for each in alone)):
            self._fulfil_batch(consumer, batch)
            if self._stop.is_set():
                raise Stopped

    def _fulfil_batch(self, consumer: Consumer, batch: Sequence[Announced]) -> None:
        outcomes = self._outcomes(list(dict.fromkeys(_orders_of(batch))))
        errors = {key: error for key, error in outcomes.items() if isinstance(error, Exception)}
        done: list[Announced] = []
        failed: list[Announced] = []
        for each in batch:
            # Only an order that is alone in its message can be returned without others.
            (failed if each.alone and each.order_ids[0] in errors else done).append(each)
        self._separate([order_id for order_id in _orders_of(done) if order_id in errors])
        self._acknowledge(consumer, done)
        fulfilled = [
            order_id
            for order_id, outcome in outcomes.items()
            if isinstance(outcome, Order) and outcome.status is OrderStatus.FULFILLED
        ]
        log_orders(log.info, "orders.fulfilled", fulfilled)
        for each in failed:
            [order_id] = each.order_ids
            self._settle_failed(consumer, each.delivery, order_id, errors[order_id])

    def _separate(self, order_ids: Sequence[UUID]) -> None:
        if not order_ids:
            return
        announced = patiently(lambda: self._announce_alone(order_ids), self._stop, "worker.waiting")
        log_orders(log.warning, "orders.separated", announced)

    def _acknowledge(self, consumer: Consumer, announced: Sequence[Announced]) -> None:
        deliveries = [each.delivery for each in announced]
        if deliveries:
            patiently(lambda: consumer.acknowledge(deliveries), self._stop, "worker.waiting")

    def _outcomes(self, order_ids: Sequence[UUID]) -> Mapping[UUID, Outcome]:
        try:
            return patiently(lambda: self._fulfil(order_ids), self._stop, "worker.waiting")
        except Stopped:
            raise
        except Exception as error:
            if len(order_ids) == 1:
                log.exception("order.crashed", order_id=str(order_ids[0]))
                return {order_ids[0]: error}
        # One of them brought the whole batch down: each alone, so that only that one fails.
        outcomes: dict[UUID, Outcome] = {}
        for order_id in order_ids:
            if self._stop.is_set():
                raise Stopped
            outcomes.update(self._outcomes([order_id]))
        return outcomes

    def _settle_failed(
        self,
        consumer: Consumer,
        delivery: Delivery,
        order_id: UUID,
        error: Exception,
    ) -> None:
        reason = storable(f"{type(error).__name__}: {error}")
        said = log.bind(order_id=str(order_id), attempt=delivery.attempt, reason=reason)
        verdict = self._rule.verdict(error, delivery.attempt)
        if verdict is Verdict.RETRY:
            delay = self._rule.delay(delivery.attempt)
            patiently(lambda: consumer.retry(delivery, delay), self._stop, "worker.waiting")
            said.warning("order.returned", retry_in=delay)
        elif verdict is Verdict.FAIL_AND_PARK:
            patiently(lambda: self._fail({order_id: reason}), self._stop, "worker.waiting")
            self._park(consumer, delivery, reason)
            said.error("order.failed")
        elif verdict is Verdict.PARK:
            self._park(consumer, delivery, reason)
            said.error("order.parked")

    def _park(self, consumer: Consumer, delivery: Delivery, reason: str) -> None:
        patiently(lambda: consumer.park(delivery, reason), self._stop, "worker.waiting")


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


def worker_of(container: Container, stop: Event) -> Worker:
    """A worker on this container's parts."""
    settings = container.settings()
    rule = RetryRule(max_attempts=settings.max_attempts, first_delay=settings.retry_delay)
    return Worker(
        bus=container.bus(),
        fulfil=container.fulfil_orders(),
        announce_alone=container.separate_orders(),
        fail=container.fail_orders(),
        rule=rule,
        stop=stop,
    )

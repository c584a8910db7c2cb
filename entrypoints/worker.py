"""Takes accepted orders from the queue and fulfils them, a batch at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from enum import Enum, auto
from threading import Event, Lock
from uuid import UUID

import attrs
import structlog

from ..bootstrap import Container
from ..domain.errors import MalformedMessage, UnknownOrder, VendorShortage
from ..domain.events import decode
from ..domain.order import Order, OrderStatus
from ..domain.ports.message_bus import Consumer, Delivery, MessageBus
from ..domain.values import storable
from .patience import Stopped, patiently

log = structlog.get_logger()

BATCH = 200
# Batches that are in work at a time, where there is much to do: one is read and settled while the
# database is busy with the other.
LANES = 2
# What comes within this time is fulfilled together, where there is not much to do.
GATHER = timedelta(seconds=0.01)
# From this attempt on, an order is tried alone.
SUSPECT = 3
# How long an idle worker takes to notice that it is to stop.
IDLE_WAIT = timedelta(seconds=0.5)

Outcome = Order | Exception
Fulfil = Callable[[Sequence[UUID]], Mapping[UUID, Outcome]]
Fail = Callable[[Mapping[UUID, str]], None]


class Verdict(Enum):
    """What becomes of a delivery."""

    ACKNOWLEDGE = auto()
    RETRY = auto()
    PARK = auto()
    FAIL_AND_PARK = auto()


@attrs.frozen(kw_only=True)
class RetryRule:
    """How often an order is tried, and the pause before the second attempt, doubling each time."""

    max_attempts: int
    first_delay: timedelta

    def verdict(self, outcome: Outcome, attempt: int) -> Verdict:
        """What to do with a delivery that came out so, at this attempt (1 is the first)."""
        match outcome:
            case Order():
                return Verdict.ACKNOWLEDGE
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


class Worker:
    """One consumer of the queue."""

    def __init__(
        self, bus: MessageBus, fulfil: Fulfil, fail: Fail, rule: RetryRule, stop: Event
    ) -> None:
        self._bus = bus
        self._fulfil = fulfil
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
            if len(deliveries) < BATCH:
                self.handle(consumer, deliveries)
                self._stop.wait(GATHER.total_seconds())
                return
        self.handle(consumer, deliveries)

    def handle(self, consumer: Consumer, deliveries: Sequence[Delivery]) -> None:
        """Fulfil the orders of these deliveries, then settle each delivery.

        While the storage is away it waits, so nothing more is received. Raises Stopped if told to
        stop meanwhile.
        """
        readable = list(self._readable(consumer, deliveries))
        fresh = [each for each in readable if each[1].attempt < SUSPECT]
        suspects = [each for each in readable if each[1].attempt >= SUSPECT]
        # One of them may bring down this process, and what is in the same batch comes back with it.
        # Alone, and in another order each time, the others get through before it does so again.
        random.shuffle(suspects)
        for batch in (fresh, *([each] for each in suspects)):
            if batch:
                self._fulfil_batch(consumer, batch)

    def _fulfil_batch(self, consumer: Consumer, readable: Sequence[tuple[UUID, Delivery]]) -> None:
        order_ids = list(dict.fromkeys(order_id for order_id, _ in readable))
        outcomes = self._outcomes(order_ids)
        verdicts = [
            (order_id, delivery, self._rule.verdict(outcomes[order_id], delivery.attempt))
            for order_id, delivery in readable
        ]
        done = [delivery for _, delivery, verdict in verdicts if verdict is Verdict.ACKNOWLEDGE]
        if done:
            patiently(lambda: consumer.acknowledge(done), self._stop, "worker.waiting")
            fulfilled = [
                str(order_id)
                for order_id, outcome in outcomes.items()
                if isinstance(outcome, Order) and outcome.status is OrderStatus.FULFILLED
            ]
            log.info("orders.fulfilled", order_ids=fulfilled)
        for order_id, delivery, verdict in verdicts:
            if verdict is Verdict.ACKNOWLEDGE:
                continue
            self._settle_failed(consumer, delivery, order_id, outcomes[order_id], verdict)

    def _readable(
        self, consumer: Consumer, deliveries: Iterable[Delivery]
    ) -> Iterable[tuple[UUID, Delivery]]:
        for delivery in deliveries:
            try:
                yield decode(delivery.body).order_id, delivery
            except MalformedMessage as error:
                self._park(consumer, delivery, str(error))
                log.error("message.parked", body=repr(delivery.body[:200]), reason=str(error))

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
            outcomes.update(self._outcomes([order_id]))
        return outcomes

    def _settle_failed(
        self,
        consumer: Consumer,
        delivery: Delivery,
        order_id: UUID,
        outcome: Outcome,
        verdict: Verdict,
    ) -> None:
        said = log.bind(order_id=str(order_id), attempt=delivery.attempt, reason=_reason(outcome))
        if verdict is Verdict.RETRY:
            delay = self._rule.delay(delivery.attempt)
            patiently(lambda: consumer.retry(delivery, delay), self._stop, "worker.waiting")
            said.warning("order.returned", retry_in=delay)
        elif verdict is Verdict.FAIL_AND_PARK:
            reasons = {order_id: _reason(outcome)}
            patiently(lambda: self._fail(reasons), self._stop, "worker.waiting")
            self._park(consumer, delivery, _reason(outcome))
            said.error("order.failed")
        elif verdict is Verdict.PARK:
            self._park(consumer, delivery, _reason(outcome))
            said.error("order.parked")

    def _park(self, consumer: Consumer, delivery: Delivery, reason: str) -> None:
        patiently(lambda: consumer.park(delivery, reason), self._stop, "worker.waiting")


def _reason(outcome: Outcome) -> str:
    return storable(f"{type(outcome).__name__}: {outcome}")


def worker_of(container: Container, stop: Event) -> Worker:
    """A worker on this container's parts."""
    settings = container.settings()
    rule = RetryRule(max_attempts=settings.max_attempts, first_delay=settings.retry_delay)
    return Worker(container.bus(), container.fulfil_orders(), container.fail_orders(), rule, stop)

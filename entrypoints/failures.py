"""What becomes of orders that could not be fulfilled, and of their messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import Enum, auto
from itertools import groupby
from threading import Event
from typing import TypeVar
from uuid import UUID

import attrs

from ..adapters.system.log import Log
from ..domain.errors import UnknownOrder, VendorShortage
from ..domain.ports.message_bus import Consumer, Delivery
from ..domain.ports.order_repository import Attempt
from ..domain.values import sanitize
from .monitoring import worker as metrics
from .runtime.retry import ShutdownRequested, retry_until_available

log = Log()
T = TypeVar("T")

# RabbitMQ closes the channel of a consumer that holds a message for 30 minutes.
LONGEST_DELAY = timedelta(seconds=60)

Fail = Callable[[Mapping[UUID, str]], None]
RecordFailures = Callable[[Mapping[UUID, Attempt]], None]


class FailureAction(Enum):
    """What becomes of the message of an order that failed."""

    RETRY = auto()
    PARK = auto()
    FAIL_AND_PARK = auto()


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often an order is tried, and the pause before the second attempt, doubling each time."""

    max_attempts: int
    first_delay: timedelta

    def action(self, error: Exception, attempt: int) -> FailureAction:
        """What to do with a message whose order failed so, at this attempt (1 is the first)."""
        match error:
            case UnknownOrder():
                return FailureAction.PARK
            case _ if attempt < self.max_attempts:
                return FailureAction.RETRY
            case VendorShortage():
                return FailureAction.FAIL_AND_PARK
            case _:
                # Our fault, not the order's: it stays reserved, and is sent again later.
                return FailureAction.PARK

    def delay(self, attempt: int) -> float:
        """Seconds to wait after this attempt: LONGEST_DELAY at most."""
        doubled = self.first_delay.total_seconds() * float(2 ** (attempt - 1))
        return min(doubled, LONGEST_DELAY.total_seconds())


@attrs.frozen(kw_only=True)
class Failure:
    """An order that could not be fulfilled, and the delivery that announced it alone."""

    order_id: UUID
    delivery: Delivery
    error: Exception
    # Whether trying it raised, so that nothing else could be fulfilled in the same transaction.
    crashed: bool

    @property
    def attempt(self) -> int:
        """The number of the delivery."""
        return self.delivery.attempt

    @property
    def reason(self) -> str:
        """The error, as it is logged and stored."""
        return sanitize(f"{type(self.error).__name__}: {self.error}")


class SettleFailures:
    """Retries, fails or parks: a call for many orders, and a line of the log for each."""

    def __init__(
        self, *, fail: Fail, record_failures: RecordFailures, rule: RetryPolicy, stop: Event
    ) -> None:
        self._fail = fail
        self._record_failures = record_failures
        self._rule = rule
        self._stop = stop

    def __call__(self, consumer: Consumer, failures: Sequence[Failure]) -> None:
        """Settle all their deliveries. Raises ShutdownRequested if told to stop while it waits."""
        judged: defaultdict[FailureAction, list[Failure]] = defaultdict(list)
        for failure in failures:
            judged[self._rule.action(failure.error, failure.attempt)].append(failure)
        crashed = self._fail_orders(judged[FailureAction.FAIL_AND_PARK])
        failed = [
            each for each in judged[FailureAction.FAIL_AND_PARK] if each.order_id not in crashed
        ]
        rest = [each for each in judged[FailureAction.FAIL_AND_PARK] if each.order_id in crashed]
        self._park(consumer, failed, "order.failed", metrics.FAILED)
        self._park(consumer, [*judged[FailureAction.PARK], *rest], "order.parked", metrics.PARKED)
        self._retry(consumer, judged[FailureAction.RETRY])

    def _fail_orders(self, failures: Sequence[Failure]) -> Mapping[UUID, Exception]:
        """Fail them together; those that even alone cannot be failed."""
        reasons = {each.order_id: each.reason for each in failures}
        return crashes(
            lambda order_ids: self._fail({key: reasons[key] for key in order_ids}),
            list(reasons),
            self._stop,
        )

    def _park(
        self, consumer: Consumer, failures: Sequence[Failure], event: str, action: str
    ) -> None:
        reasons = [(each.delivery, each.reason) for each in failures]
        if reasons:
            self._patiently(lambda: consumer.park(reasons))
        for each in failures:
            metrics.observe_failure(each.error, action)
            log.error(event, order_id=str(each.order_id), attempt=each.attempt, reason=each.reason)

    def _retry(self, consumer: Consumer, failures: Sequence[Failure]) -> None:
        by_attempt = sorted(failures, key=lambda each: each.attempt)
        # One that crashed stays unrecorded: when it comes again, it is to be tried alone.
        failed = {
            each.order_id: Attempt(number=each.attempt, problem=each.reason)
            for each in by_attempt
            if not each.crashed
        }
        if failed:
            self._patiently(lambda: self._record_failures(failed))
        for attempt, group in groupby(by_attempt, key=lambda each: each.attempt):
            self._return(consumer, list(group), self._rule.delay(attempt))

    def _return(self, consumer: Consumer, failures: Sequence[Failure], delay: float) -> None:
        deliveries = [each.delivery for each in failures]
        self._patiently(lambda: consumer.retry(deliveries, delay))
        for each in failures:
            metrics.observe_failure(each.error, metrics.RETRIED)
            log.warning(
                "order.returned",
                order_id=str(each.order_id),
                attempt=each.attempt,
                reason=each.reason,
                retry_in=delay,
            )

    def _patiently(self, call: Callable[[], T]) -> T:
        return retry_until_available(call, self._stop, "worker.waiting")


def crashes(
    step: Callable[[Sequence[UUID]], None], order_ids: Sequence[UUID], stop: Event
) -> dict[UUID, Exception]:
    """Take a step with all orders together or, if it raises, with each alone.

    The errors of those with which it raises even alone. While it raises Unavailable or Conflict, it
    is repeated. Raises ShutdownRequested once `stop` is set.
    """
    if not order_ids:
        return {}
    try:
        retry_until_available(lambda: step(order_ids), stop, "worker.waiting")
    except ShutdownRequested:
        raise
    except Exception as error:
        if len(order_ids) == 1:
            log.exception("order.crashed", order_id=str(order_ids[0]))
            return {order_ids[0]: error}
    else:
        return {}
    found: dict[UUID, Exception] = {}
    for order_id in order_ids:
        if stop.is_set():
            raise ShutdownRequested
        found |= crashes(step, [order_id], stop)
    return found

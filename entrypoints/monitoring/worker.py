"""What a worker tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Counter, Histogram

from ...domain.errors import InvalidPlan, UnknownOrder, VendorShortage
from ...domain.order import Order
from .histograms import BulkHistogram
from .sampling import Totals, buckets_of, counted

RETRIED = "retried"
FAILED = "failed"
PARKED = "parked"
# Whatever else a failure is, it is a bug.
REASONS = {
    VendorShortage: "vendor_shortage",
    UnknownOrder: "unknown_order",
    InvalidPlan: "invalid_plan",
}
UNEXPECTED = "unexpected"

FULFILLED = Counter("order_worker_fulfilled_orders", "Orders fulfilled.")
SECONDS = BulkHistogram(
    "order_fulfilment_seconds",
    "Time from an order's creation to its fulfilment, in seconds.",
    (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400),
)
BATCH_SIZE = Histogram(
    "order_worker_batch_size",
    "Orders taken into one transaction.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
FAILURES = Counter(
    "order_worker_failures",
    "Attempts at an order that failed, by reason and by what became of its message.",
    labelnames=("reason", "action"),
)
UNREADABLE_MESSAGES = Counter(
    "order_worker_unreadable_messages", "Messages parked because they make no sense."
)


def observe_fulfilled(orders: Iterable[Order]) -> None:
    """Count orders of one transaction, and how long they took."""
    seconds = [(order.updated_at - order.created_at).total_seconds() for order in orders]
    FULFILLED.inc(len(seconds))
    SECONDS.observe_all(seconds)


def observe_failure(error: Exception, action: str) -> None:
    """Count a failed attempt."""
    FAILURES.labels(REASONS.get(type(error), UNEXPECTED), action).inc()


def totals() -> Totals:
    """Orders fulfilled, and attempts at others that were the last."""
    failed = (n for (_, action), n in counted(FAILURES).items() if action != RETRIED)
    return Totals(
        done=sum(counted(FULFILLED).values()), refused=sum(failed), seconds=buckets_of(SECONDS)
    )

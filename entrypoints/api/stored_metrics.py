"""What the storage and the bus know, for Prometheus: the same from each process.

They are asked when somebody looks, but no more often than every few seconds, and are not waited for
if they do not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import UTC, datetime
from threading import Lock, Thread
from time import monotonic
from typing import Generic, TypeVar

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ...adapters.system.log import Log
from ...domain.errors import Conflict, Unavailable
from ...domain.ports.message_bus import QueueDepth
from ...domain.ports.read_model import Pending, VendorStatus, Workload

T = TypeVar("T")
log = Log()

# Seconds that an answer is good for, however many look; and that it is waited for.
KEEP = 5.0
TIMEOUT = 3.0
# The vendors' products are counted for it, and may be a million.
KEEP_VENDORS = 15.0
# Of more vendors there are no figures.
MAX_VENDORS = 1000

_VENDOR_GAUGES: tuple[tuple[str, str, Callable[[VendorStatus], float | None]], ...] = (
    (
        "order_vendor_reported_timestamp_seconds",
        "When the last report was taken in.",
        lambda vendor: vendor.reported_at.timestamp() if vendor.reported_at else None,
    ),
    ("order_vendor_products", "Products of which there are some.", lambda v: v.products),
    ("order_vendor_rejected_rows", "Rows of the last report left out.", lambda v: v.rejected),
    ("order_vendor_failures", "Failed syncs in a row.", lambda v: v.failures),
    (
        "order_vendor_breaker_open",
        "1: it has failed so often that it is asked rarely.",
        lambda v: int(v.breaker == "open"),
    ),
    ("order_vendor_stale", "1: its stock is not sold.", lambda v: int(v.stale)),
    (
        "order_vendor_quarantined",
        "1: its reports wait for approval.",
        lambda v: int(v.quarantined_at is not None),
    ),
    ("order_vendor_enabled", "1: it is synced.", lambda v: int(v.enabled)),
)


class Source(Generic[T]):
    """Asks one question at a time, in a thread of its own, and keeps the answer for a while."""

    def __init__(self, name: str, ask: Callable[[], T], *, keep: float = KEEP) -> None:
        self.name = name
        self._ask = ask
        self._keep = keep
        self._lock = Lock()
        self._asked: Future[T] | None = None
        self._asked_at = 0.0

    def __call__(self, until: float) -> T | None:
        """The answer; None if there is none, or none until then (`monotonic`)."""
        try:
            return self.begin().result(max(0.0, until - monotonic()))
        except FutureTimeoutError:
            log.warning("metrics.incomplete", source=self.name, reason="no answer in time")
        except (Unavailable, Conflict) as error:
            log.warning("metrics.incomplete", source=self.name, reason=str(error))
        except Exception:
            log.exception("metrics.crashed", source=self.name)
        return None

    def begin(self) -> Future[T]:
        """Ask, unless that was done lately."""
        with self._lock:
            asked = self._asked
            if asked is None or (asked.done() and monotonic() > self._asked_at + self._keep):
                asked = self._asked = Future()
                self._asked_at = monotonic()
                Thread(
                    target=self._answer, args=(asked,), name=f"metrics-{self.name}", daemon=True
                ).start()
            return asked

    def _answer(self, asked: Future[T]) -> None:
        try:
            asked.set_result(self._ask())
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            asked.set_exception(error)


class StoredMetrics(Collector):
    """Gauges of what there is, and whether it could be had."""

    def __init__(
        self,
        *,
        workload: Source[Workload],
        vendors: Source[Sequence[VendorStatus]],
        queue: Source[QueueDepth],
        timeout: float = TIMEOUT,
    ) -> None:
        self._workload = workload
        self._vendors = vendors
        self._queue = queue
        self._timeout = timeout

    def collect(self) -> Iterator[Metric]:
        """All that is known. What is not is left out, rather than told as it was."""
        for begin in (self._workload.begin, self._vendors.begin, self._queue.begin):
            begin()
        until = monotonic() + self._timeout
        workload, vendors, queue = self._workload(until), self._vendors(until), self._queue(until)
        answers = {
            self._workload.name: workload,
            self._vendors.name: vendors,
            self._queue.name: queue,
        }
        yield _gauge(
            "order_scrape_error",
            "1: it did not answer, so its figures are left out.",
            "source",
            [(name, int(answer is None)) for name, answer in answers.items()],
        )
        if workload is not None:
            yield from _workload_metrics(workload, datetime.now(UTC))
        if vendors is not None:
            yield from _vendor_metrics(vendors)
        if queue is not None:
            yield from _queue_metrics(queue)


def _workload_metrics(workload: Workload, now: datetime) -> Iterator[Metric]:
    orders = workload.orders.items()
    yield _gauge(
        "order_pending_orders",
        "Orders that wait for something, by status.",
        "status",
        [(status.value, pending.count) for status, pending in orders],
    )
    yield _gauge(
        "order_pending_oldest_age_seconds",
        "Age of the oldest order of a status, in seconds; 0 if there is none.",
        "status",
        [(status.value, _age(pending, now)) for status, pending in orders],
    )
    yield _single("order_outbox_messages", "Messages in the outbox.", workload.outbox.count)
    yield _single(
        "order_outbox_oldest_age_seconds",
        "Age of the oldest message in the outbox, in seconds; 0 if there is none.",
        _age(workload.outbox, now),
    )
    yield _single(
        "order_webhook_waiting_deliveries",
        "Deliveries to webhooks that are still tried.",
        workload.deliveries,
    )
    yield _single(
        "order_webhook_dead_deliveries",
        "Deliveries to webhooks that were given up.",
        workload.dead_deliveries,
    )
    yield _gauge(
        "order_events_behind",
        "Transactions whose events a reader has not read yet.",
        "reader",
        list(workload.unread_events.items()),
    )


def _queue_metrics(queue: QueueDepth) -> Iterator[Metric]:
    yield _single("order_queue_messages", "Messages that wait for a worker.", queue.waiting)
    yield _single("order_queue_parked_messages", "Dead letters.", queue.parked)
    if queue.consumers is not None:
        yield _single("order_queue_consumers", "Workers at the queue.", queue.consumers)


def _vendor_metrics(vendors: Collection[VendorStatus]) -> Iterator[Metric]:
    for name, text, figure in _VENDOR_GAUGES:
        found = [(vendor.vendor_id, figure(vendor)) for vendor in vendors]
        known = [(vendor_id, value) for vendor_id, value in found if value is not None]
        yield _gauge(name, text, "vendor_id", known)
    outdated = CounterMetricFamily(
        "order_vendor_outdated_reports",
        "Reports refused as older than one before.",
        labels=["vendor_id"],
    )
    for vendor in vendors:
        outdated.add_metric([vendor.vendor_id], vendor.outdated)
    yield outdated


def _age(pending: Pending, now: datetime) -> float:
    return 0.0 if pending.since is None else max(0.0, (now - pending.since).total_seconds())


def _single(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _gauge(name: str, text: str, label: str, values: Sequence[tuple[str, float]]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=[label])
    for label_value, value in values:
        gauge.add_metric([label_value], value)
    return gauge

"""What the API tells Prometheus.

With several processes, `PROMETHEUS_MULTIPROC_DIR` must name an empty directory before this module
is imported; then each process's figures lie there, and any of them answers for all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from ... import __version__
from ...domain.ports.read_model import VendorStatus

CONTENT_TYPE = CONTENT_TYPE_LATEST
MULTIPROCESS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Counter(
    "order_api_requests", "Requests answered.", labelnames=("method", "route", "status")
)
SECONDS = Histogram(
    "order_api_request_seconds", "Time to answer, in seconds.", labelnames=("method", "route")
)
ORDERS = Counter("order_api_orders", "Orders decided, by outcome.", labelnames=("outcome",))
BATCH_SIZE = Histogram(
    "order_api_batch_size",
    "Orders placed in one transaction.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
WAITING = Gauge(
    "order_api_orders_waiting",
    "Orders still waiting when the last batch was taken.",
    multiprocess_mode="livesum",
)


_VENDOR_GAUGES: tuple[tuple[str, str, Callable[[VendorStatus], float | None]], ...] = (
    (
        "order_vendor_reported_timestamp_seconds",
        "When the last report was taken in.",
        lambda vendor: vendor.reported_at.timestamp() if vendor.reported_at else None,
    ),
    ("order_vendor_products", "Products of which there are some.", lambda v: v.products),
    ("order_vendor_rejected_rows", "Rows of the last report left out.", lambda v: v.rejected),
    ("order_vendor_failures", "Failed syncs in a row.", lambda v: v.failures),
    ("order_vendor_stale", "1: its stock is not sold.", lambda v: int(v.stale)),
    (
        "order_vendor_quarantined",
        "1: its reports wait for approval.",
        lambda v: int(v.quarantined_at is not None),
    ),
    ("order_vendor_enabled", "1: it is synced.", lambda v: int(v.enabled)),
)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request. `route` is the rule, not the path, so that their number is bounded."""
    requests, durations = _request_metrics(method if method in METHODS else "other", route, status)
    requests.inc()
    durations.observe(seconds)


def observe_refusal(method: str, status: int) -> None:
    """Count a request that was refused before it was looked at."""
    _request_metrics(method if method in METHODS else "other", "refused", status)[0].inc()


@cache
def _request_metrics(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Looked up once: finding a labelled figure costs more than counting."""
    return REQUESTS.labels(method, route, str(status)), SECONDS.labels(method, route)


def vendor_exposition(vendors: Sequence[VendorStatus]) -> bytes:
    """What is stored of each vendor, whichever process has synced it."""
    registry = CollectorRegistry()
    registry.register(_VendorFigures(vendors))
    return generate_latest(registry)


class _VendorFigures(Collector):
    """A gauge or counter for each figure, by vendor."""

    def __init__(self, vendors: Sequence[VendorStatus]) -> None:
        self._vendors = vendors

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        for name, text, figure in _VENDOR_GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=["vendor_id"])
            for vendor in self._vendors:
                if (value := figure(vendor)) is not None:
                    gauge.add_metric([vendor.vendor_id], value)
            yield gauge
        outdated = CounterMetricFamily(
            "order_vendor_outdated_reports",
            "Reports refused as older than one before.",
            labels=["vendor_id"],
        )
        for vendor in self._vendors:
            outdated.add_metric([vendor.vendor_id], vendor.outdated)
        yield outdated


class _Build(Collector):
    """`order_aggregator_build_info`, which is always 1: its label is what it is for."""

    def collect(self) -> Iterator[Metric]:
        """The version that runs."""
        yield InfoMetricFamily(
            "order_aggregator_build", "Which version runs.", {"version": __version__}
        )


REGISTRY.register(_Build())


def exposition() -> bytes:
    """Every figure, in Prometheus' text format."""
    directory = os.environ.get(MULTIPROCESS_DIRECTORY)
    if directory is None:
        return generate_latest(REGISTRY)
    _remove_dead_gauges(Path(directory))
    registry = CollectorRegistry()
    registry.register(_Build())
    MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _remove_dead_gauges(directory: Path) -> None:
    """Drop the gauges of processes that ended; their counters stay, for totals never fall."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in directory.glob("gauge_live*_*.db")}:
        if not _is_alive(pid):
            mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

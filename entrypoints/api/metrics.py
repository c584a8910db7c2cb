"""What the API tells Prometheus.

With several processes, `PROMETHEUS_MULTIPROC_DIR` must name an empty directory before this module
is imported; then each process's figures lie there, and any of them answers for all.
"""

from __future__ import annotations

import os
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
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from ..monitoring.process import BuildInfo, SummedProcesses

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


def exposition(stored: Collector) -> bytes:
    """Every figure, in Prometheus' text format: ours, and what is stored."""
    registry = CollectorRegistry()
    registry.register(BuildInfo())
    directory = os.environ.get(MULTIPROCESS_DIRECTORY)
    if directory is None:
        own = generate_latest(REGISTRY)
    else:
        pids = _remove_dead_gauges(Path(directory))
        MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
        registry.register(SummedProcesses(pids))
        own = b""
    registry.register(stored)
    return own + generate_latest(registry)


def _remove_dead_gauges(directory: Path) -> set[int]:
    """Drop the gauges of processes that ended; their counters stay, for totals never fall.

    The ids of those that live.
    """
    pids = {int(path.stem.rpartition("_")[2]) for path in directory.glob("gauge_live*_*.db")}
    alive = {pid for pid in pids if _is_alive(pid)}
    for pid in pids - alive:
        mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]
    return alive


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

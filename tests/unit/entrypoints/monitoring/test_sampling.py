"""What a process says of the orders since it last said so."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from order_aggregator.domain.errors import StorageUnavailable
from order_aggregator.domain.ports.process_registry import Figures
from order_aggregator.entrypoints.api import metrics, reports
from order_aggregator.entrypoints.monitoring import sampling, worker
from order_aggregator.entrypoints.monitoring.histograms import BulkHistogram
from order_aggregator.entrypoints.monitoring.sampling import (
    BacklogSampler,
    Sampler,
    Totals,
    buckets_of,
    counted,
    quantile,
)
from order_aggregator.testing.shop import Shop

INF = float("inf")


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ({}, 0.5, None),
        ({1.0: 0, INF: 0}, 0.5, None),
        ({1.0: 10, INF: 10}, 0.5, 0.5),
        ({1.0: 5, 2.0: 10, INF: 10}, 0.9, 1.8),
        ({1.0: 0, 2.0: 10, INF: 10}, 0.5, 1.5),
        ({1.0: 5, 2.0: 5, INF: 10}, 0.99, 2.0),
    ],
)
def test_a_quantile_lies_within_its_bucket(
    buckets: dict[float, float], share: float, expected: float | None
) -> None:
    assert quantile(buckets, share) == (expected if expected is None else pytest.approx(expected))


def test_what_prometheus_is_told_is_read_back() -> None:
    registry = CollectorRegistry()
    counter = Counter("c", "-", ("a", "b"), registry=registry)
    counter.labels("x", "y").inc(3)
    assert counted(counter) == {("x", "y"): 3}
    histogram = Histogram("h", "-", ("route",), buckets=(1, 2), registry=registry)
    for route, seconds in (("/a", 0.5), ("/a", 1.5), ("/b", 0.5)):
        histogram.labels(route).observe(seconds)
    assert buckets_of(histogram, route="/a") == {1.0: 1, 2.0: 2, INF: 2}
    bulk = BulkHistogram("b", "-", (1, 2), registry)
    bulk.observe_all([0.5, 1.5, 7])
    assert buckets_of(bulk) == {1.0: 1, 2.0: 2, INF: 3}


def test_each_sample_is_of_the_time_since_the_one_before() -> None:
    told = iter(
        [
            Totals(done=10, refused=1, seconds={1.0: 10, 2.0: 10, INF: 10}),
            Totals(done=20, refused=1, seconds={1.0: 10, 2.0: 20, INF: 20}),
            Totals(done=20, refused=2, seconds={1.0: 10, 2.0: 20, INF: 20}),
        ]
    )
    sample = Sampler(lambda: next(told))
    assert sample() == Figures(done=10, refused=1, p50=0.5, p99=0.99)
    assert sample() == Figures(done=20, refused=1, p50=1.5, p99=1.99)
    assert sample() == Figures(done=20, refused=2)


def test_the_backlog_is_what_is_reserved_and_how_long_nobody_has_tried_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, figures = Shop(), Figures(done=1, refused=0)
    shop.sync("acme", {"BOLT": 10})

    sample = BacklogSampler(lambda: figures, shop.storage.read_model, shop.clock)
    monkeypatch.setattr(sampling, "COUNTING_SHARE", INF)

    def seen() -> tuple[int | None, float | None]:
        found = sample()
        return found.reserved, found.oldest_wait

    assert seen() == (0, 0.0)
    tried = shop.accepted(BOLT=1)
    shop.pass_time(seconds=60)
    shop.accepted(BOLT=1)
    shop.record_failures({tried.id: 1})
    shop.pass_time(seconds=5)
    assert seen() == (2, 5.0)

    def away() -> None:
        raise StorageUnavailable("no route")

    monkeypatch.setattr(shop.storage.read_model, "workload", away)
    assert seen() == (None, None)


def test_what_takes_long_to_count_is_not_counted_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, figures = Shop(), Figures(done=1, refused=0)
    monkeypatch.setattr(sampling, "COUNTING_SHARE", 1e-9)
    sample = BacklogSampler(lambda: figures, shop.storage.read_model, shop.clock)
    assert [sample().reserved for _ in range(2)] == [0, None]


def test_an_api_counts_what_it_accepted_and_refused() -> None:
    before = reports.totals()
    metrics.ORDERS.labels("accepted").inc(2)
    metrics.ORDERS.labels("repeated").inc(3)
    metrics.ORDERS.labels("insufficient_stock").inc(4)
    metrics.observe_request("POST", "/v1/api/order", 202, 0.3)
    metrics.observe_request("POST", "/v1/api/hold", 202, 0.3)
    after = reports.totals()
    assert (after.done - before.done, after.refused - before.refused) == (2, 4)
    assert after.seconds[INF] - before.seconds.get(INF, 0) == 1


def test_a_worker_counts_what_it_fulfilled_and_gave_up() -> None:
    before = worker.totals()
    worker.FULFILLED.inc(2)
    for action in (worker.RETRIED, worker.FAILED, worker.PARKED):
        worker.observe_failure(ValueError("a bug"), action)
    after = worker.totals()
    assert (after.done - before.done, after.refused - before.refused) == (2, 2)

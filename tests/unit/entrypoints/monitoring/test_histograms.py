"""A histogram for many observations at once."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from order_aggregator.entrypoints.monitoring.histograms import BulkHistogram


def test_it_tells_what_the_librarys_own_would() -> None:
    bounds, values = (0.1, 1, 5, 60), [0.0, 0.1, 0.11, 1, 4.5, 5, 59.9, 61]
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    bulk = BulkHistogram("x_seconds", "Text.", bounds, ours)
    single = Histogram("x_seconds", "Text.", buckets=bounds, registry=theirs)
    bulk.observe_all(values[:3])
    bulk.observe_all(values[3:])
    for value in values:
        single.observe(value)
    expected = [line for line in generate_latest(theirs).splitlines() if b"_created" not in line]
    assert generate_latest(ours).splitlines() == expected

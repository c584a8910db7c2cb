"""What a process has done, read from what it tells Prometheus anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import pairwise
from math import inf
from time import monotonic

import attrs
from prometheus_client.registry import Collector

from ...domain.errors import Unavailable
from ...domain.order import OrderStatus
from ...domain.ports.clock import Clock
from ...domain.ports.process_registry import Figures
from ...domain.ports.read_model import ReadModel

# Of the time, at most so much goes into counting what waits.
COUNTING_SHARE = 0.01
# How many took no longer than so many seconds.
Buckets = Mapping[float, float]


@attrs.frozen(kw_only=True)
class Totals:
    """Orders since the start, and how long they took."""

    done: int
    refused: int
    seconds: Buckets


class Sampler:
    """Reads the totals of this process; how long orders took, since it was last called."""

    def __init__(self, read: Callable[[], Totals]) -> None:
        self._read = read
        self._before: Buckets = {}

    def __call__(self) -> Figures:
        """What is to be kept of this moment."""
        totals = self._read()
        since = {key: n - self._before.get(key, 0) for key, n in totals.seconds.items()}
        self._before = totals.seconds
        return Figures(
            done=totals.done,
            refused=totals.refused,
            p50=quantile(since, 0.5),
            p99=quantile(since, 0.99),
        )


class BacklogSampler:
    """What another sampler says, with the orders that wait.

    To count very many takes a while, so that is done less often then.
    """

    def __init__(self, sample: Callable[[], Figures], read_model: ReadModel, clock: Clock) -> None:
        """`clock` is the one that all processes share."""
        self._sample = sample
        self._read_model = read_model
        self._clock = clock
        self._count_at = 0.0

    def __call__(self) -> Figures:
        """Without them while the storage does not tell."""
        figures, began = self._sample(), monotonic()
        if began < self._count_at:
            return figures
        with suppress(Unavailable):
            work, now = self._read_model.workload(), self._clock.now()
            since = work.untried.since or now
            figures = attrs.evolve(
                figures,
                reserved=work.orders[OrderStatus.RESERVED].count,
                oldest_wait=max(0.0, (now - since).total_seconds()),
            )
        ended = monotonic()
        self._count_at = ended + (ended - began) / COUNTING_SHARE
        return figures


def counted(counter: Collector) -> dict[tuple[str, ...], int]:
    """A counter's values by their labels' values."""
    return {
        tuple(sample.labels.values()): int(sample.value)
        for family in counter.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def buckets_of(histogram: Collector, **labels: str) -> Buckets:
    """A histogram's buckets with these labels."""
    return {
        float(sample.labels["le"]): sample.value
        for family in histogram.collect()
        for sample in family.samples
        if sample.name.endswith("_bucket") and labels.items() <= sample.labels.items()
    }


def quantile(buckets: Buckets, share: float) -> float | None:
    """In seconds, interpolated within its bucket as Prometheus' `histogram_quantile` does it.

    The last bound where it lies beyond; None where nothing was observed.
    """
    bounds = sorted(buckets.items())
    total = bounds[-1][1] if bounds else 0
    if total <= 0:
        return None
    rank = share * total
    for (low, before), (high, count) in pairwise([(0.0, 0.0), *bounds]):
        if count >= rank:
            return low if high == inf else low + (high - low) * (rank - before) / (count - before)
    return None

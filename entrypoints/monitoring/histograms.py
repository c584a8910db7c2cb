"""A histogram for many observations at once."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from threading import Lock

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class BulkHistogram(Collector):
    """A histogram of one process. The library's own costs a few microseconds an observation."""

    def __init__(
        self,
        name: str,
        documentation: str,
        bounds: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        """`bounds`: the upper ones of the buckets, in rising order."""
        self._name = name
        self._documentation = documentation
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._lock = Lock()
        registry.register(self)

    def observe_all(self, values: Iterable[float]) -> None:
        """Count these."""
        given = list(values)
        buckets = Counter(map(partial(bisect_left, self._bounds), given))
        with self._lock:
            for bucket, count in buckets.items():
                self._counts[bucket] += count
            self._sum += sum(given)

    def collect(self) -> Iterator[Metric]:
        """As it is now."""
        with self._lock:
            counts, total = list(accumulate(self._counts)), self._sum
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        family = HistogramMetricFamily(self._name, self._documentation)
        family.add_metric([], list(zip(names, map(float, counts), strict=True)), total)
        yield family

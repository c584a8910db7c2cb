"""What every process tells of itself."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from ... import __version__


class BuildInfo(Collector):
    """Which program this is, and what runs it."""

    def collect(self) -> Iterator[Metric]:
        """The value is always 1."""
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("order_aggregator_build", "What runs.", value=build)


class SummedProcesses(Collector):
    """What the library tells of a process, of several that are one service."""

    def __init__(self, pids: Collection[int]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        """The sums; of when they started, the first."""
        families: dict[str, Metric] = {}
        for pid in self._pids:
            collector = ProcessCollector(pid=lambda pid=pid: pid, registry=CollectorRegistry())  # type: ignore[misc]
            for family in collector.collect():
                families.setdefault(family.name, Metric(*_head(family))).samples += family.samples
        for name, family in families.items():
            values = [sample.value for sample in family.samples]
            total = min(values) if name == "process_start_time_seconds" else sum(values)
            family.samples = [family.samples[0]._replace(value=total)]
            yield family


def _head(family: Metric) -> tuple[str, str, str]:
    return family.name, family.documentation, family.type

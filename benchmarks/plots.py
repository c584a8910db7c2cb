"""Plots of what was found, as SVG; the same results always give the same files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results import FOLDER, Results

PLOTS = FOLDER / "plots"
CLIENTS = {
    "echo": "echo, no database",
    "echo-own": "our API, no database",
    "accept-hot": "accepted, one product",
    "accept-uniform": "accepted, 1,000 products",
    "accept-embedded": "accepted, one product, SQLite",
}
LATENCIES = {
    "p50_ms": "p50, answer",
    "p99_ms": "p99, answer",
    "p999_ms": "p99.9, answer",
    "fulfilled_p99_ms": "p99, until fulfilled",
}
GROUPS = ("api", "worker", "relay", "postgresql", "rabbitmq", "load generator")


def plot(results: Results) -> None:
    """Write all plots for which there are figures."""
    mpl.rcParams["svg.hashsalt"] = "order-aggregator"
    PLOTS.mkdir(exist_ok=True)
    if results.rounds:
        _throughput(results)
        _latency(results)
        _costs(results)
    if results.soak:
        _memory(results.soak["memory_mb"])


def _throughput(results: Results) -> None:
    figure, [axes] = _figure(1)
    for arm, label in CLIENTS.items():
        _line(axes, results, arm, {n: f"clients.{n}" for n in results.clients(arm)}, label)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set(xlabel="clients (closed loop)", ylabel="orders/s", ylim=(0, None))
    _write(figure, [axes], "throughput-by-clients")


def _latency(results: Results) -> None:
    figure, panels = _figure(2)
    for axes, arm in zip(panels, ("latency-hot", "latency-uniform"), strict=True):
        for name, label in LATENCIES.items():
            figures = {load: f"load.{load}.{name}" for load in results.loads(arm)}
            _line(axes, results, arm, figures, label)
        axes.set(title=arm, xlabel="load, % of peak (open loop)", ylabel="ms", yscale="log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    _write(figure, panels, "latency-by-load")


def _costs(results: Results) -> None:
    figure, [axes] = _figure(1)
    arms = [arm for arm in sorted(results.arms) if results.spread(arm, "cpu_ms.load generator")]
    left = [0.0] * len(arms)
    for group in GROUPS:
        found = [results.spread(arm, f"cpu_ms.{group}") for arm in arms]
        widths = [spread.middle if spread else 0.0 for spread in found]
        axes.barh(arms, widths, left=left, label=group)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="CPU milliseconds per order")
    _write(figure, [axes], "cost-per-order")


def _memory(samples: Sequence[tuple[float, float]]) -> None:
    figure, [axes] = _figure(1)
    axes.plot([seconds / 60 for seconds, _ in samples], [megabytes for _, megabytes in samples])
    axes.set(
        xlabel="minutes",
        ylabel="MB (PSS), all Python processes",
        ylim=(0, 1.1 * max(megabytes for _, megabytes in samples)),
    )
    _write(figure, [], "memory-over-time")


def _figure(panels: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(5 + 4 * panels, 5), layout="constrained")
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def _line(axes: Axes, results: Results, arm: str, figures: Mapping[int, str], label: str) -> None:
    """Medians of the figures, by where they belong, with bars from minimum to maximum."""
    found = {at: spread for at, name in figures.items() if (spread := results.spread(arm, name))}
    if not found:
        return
    bars = [
        [spread.middle - spread.low for spread in found.values()],
        [spread.high - spread.middle for spread in found.values()],
    ]
    middle = [spread.middle for spread in found.values()]
    axes.errorbar(list(found), middle, yerr=bars, marker="o", capsize=3, label=label)


def _write(figure: Figure, legends: Sequence[Axes], name: str) -> None:
    for axes in legends:
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    metadata: dict[str, Any] = {"Date": None}
    figure.savefig(PLOTS / f"{name}.svg", metadata=metadata)

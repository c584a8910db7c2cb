"""What the product is to reach."""

from __future__ import annotations

import attrs

from results import Results, Round, Spread, spread_of

RATE = "orders_per_second"


@attrs.frozen(kw_only=True)
class Target:
    """A figure, or its ratio to one of the same round, and a bound."""

    measure: str
    arm: str
    figure: str = RATE
    to_arm: str | None = None
    to_figure: str = RATE
    at_least: float | None = None
    at_most: float | None = None

    def found(self, results: Results) -> Spread | None:
        """Over all rounds; None if it was not measured."""
        values = [self._in(figures) for figures in results.rounds]
        return spread_of([value for value in values if value is not None])

    def met(self, found: Spread) -> bool:
        """Judged by the median."""
        if self.at_least is not None:
            return found.middle >= self.at_least
        return self.at_most is None or found.middle <= self.at_most

    @property
    def bound(self) -> str:
        """In words."""
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"

    def _in(self, figures: Round) -> float | None:
        value = figures.get(self.arm, {}).get(self.figure)
        if self.to_arm is None or value is None:
            return value
        base = figures.get(self.to_arm, {}).get(self.to_figure)
        return value / base if base else None


TARGETS = (
    Target(
        measure="accepted/s, hot ÷ pgbench, hot",
        arm="accept-hot",
        to_arm="pgbench-order-hot",
        at_least=2.0,
    ),
    Target(
        measure="accepted/s, hot ÷ uniform", arm="accept-hot", to_arm="accept-uniform", at_least=1.0
    ),
    Target(
        measure="accepted/s, uniform ÷ echo", arm="accept-uniform", to_arm="echo", at_least=0.75
    ),
    Target(
        measure="accepted/s, uniform ÷ pgbench, uniform",
        arm="accept-uniform",
        to_arm="pgbench-order-uniform",
        at_least=0.5,
    ),
    Target(
        measure="accepted → fulfilled/s, uniform ÷ accepted/s, uniform",
        arm="path-uniform",
        to_arm="accept-uniform",
        at_least=0.6,
    ),
    Target(
        measure="drained/s, uniform ÷ pgbench fulfilling, uniform",
        arm="drain-uniform",
        to_arm="pgbench-fulfil-uniform",
        at_least=1.5,
    ),
    Target(
        measure="drained/s, hot ÷ pgbench fulfilling, hot",
        arm="drain-hot",
        to_arm="pgbench-fulfil-hot",
        at_least=5.0,
    ),
    Target(
        measure="commits per order, hot, saturated, all stages",
        arm="path-hot",
        figure="commits",
        at_most=0.10,
    ),
    Target(
        measure="p99 at half of peak, hot ÷ uniform",
        arm="latency-hot",
        figure="p99_ms",
        to_arm="latency-uniform",
        to_figure="p99_ms",
        at_most=1.2,
    ),
    Target(
        measure="p99 accepted → fulfilled at half of peak, uniform, ms",
        arm="latency-uniform",
        figure="fulfilled_p99_ms",
        at_most=100,
    ),
    Target(
        measure="p99 accepted → fulfilled at half of peak, hot, ms",
        arm="latency-hot",
        figure="fulfilled_p99_ms",
        at_most=100,
    ),
    Target(
        measure="accepted/s at twice the peak ÷ peak",
        arm="overload",
        to_arm="accept-uniform",
        at_least=0.9,
    ),
    Target(measure="refused/s, sold out ÷ echo", arm="sold-out", to_arm="echo", at_least=0.7),
    *(
        Target(
            measure=f"{word}/s, {data} ÷ uniform",
            arm=f"{stage}-{arm}",
            to_arm=f"{stage}-uniform",
            at_least=0.9,
        )
        for arm, data in {
            "large": "large data",
            "vendors-300": "300 vendors",
        }.items()
        for stage, word in {"accept": "accepted", "path": "accepted → fulfilled"}.items()
    ),
    Target(
        measure="accepted/s, embedded ÷ PostgreSQL, hot",
        arm="accept-embedded",
        to_arm="accept-hot",
        at_least=0.8,
    ),
    Target(
        measure="memory of all Python processes, MB",
        arm="path-uniform",
        figure="memory_mb",
        at_most=250,
    ),
)

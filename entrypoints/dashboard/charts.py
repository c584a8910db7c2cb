"""The last hour as lines, drawn from what the processes have noted of themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby, pairwise

import attrs

from ...domain.ports.process_registry import Figures, ProcessKind, Sample
from ...domain.use_cases.check_health import SAMPLED, Observed

WIDTH, HEIGHT = 300, 100
# Three digits would need an exponent.
LARGE = 999.5
# Seconds that are one point of a line; they are over before it is drawn.
STEP = 30
STEPS = int(SAMPLED.total_seconds()) // STEP

# By step, the oldest is 0. A step that is not there has no point.
Values = Mapping[int, float]


@attrs.frozen(kw_only=True)
class Line:
    """What is drawn in one colour: the points of each part without a gap."""

    name: str
    parts: Sequence[str]
    last: float | None


@attrs.frozen(kw_only=True)
class Plot:
    """Lines on the same scale, from 0 to `top`."""

    title: str
    top: float
    lines: Sequence[Line]

    @property
    def spoken(self) -> str:
        """What there is to be seen, for those who do not."""
        told = ", ".join(
            f"{line.name} {'none' if line.last is None else figure(line.last)}"
            for line in self.lines
        )
        return f"{self.title}, last: {told}"


@attrs.frozen(kw_only=True)
class Pace:
    """How one process gets on: orders a second, and how long they take, in seconds."""

    rate: float
    p50: float | None
    p99: float | None


def plots(observed: Observed) -> list[Plot]:
    """What a person would rather look at than read."""
    now, of_kind = observed.now, _by_kind(observed.samples)
    api, worker = of_kind[ProcessKind.API], of_kind[ProcessKind.WORKER]
    orders = {
        "accepted": _rates(api, now, lambda figures: figures.done),
        "refused": _rates(api, now, lambda figures: figures.refused),
        "fulfilled": _rates(worker, now, lambda figures: figures.done),
        "failed": _rates(worker, now, lambda figures: figures.refused),
    }
    return [
        _plot("Orders a second", orders),
        _plot("Seconds to answer, of the slowest process", _latencies(api, now)),
        _plot("Seconds to fulfilment, of the slowest process", _latencies(worker, now)),
        _plot(
            "Orders that wait to be fulfilled",
            {"reserved": _most(api, now, lambda figures: figures.reserved)},
        ),
        _plot(
            "Seconds that they wait for a worker",
            {"the oldest": _most(api, now, lambda figures: figures.oldest_wait)},
        ),
    ]


def figure(value: float) -> str:
    """As people read it: three digits, of large ones all."""
    return f"{value:,.0f}" if value >= LARGE else f"{value:.3g}"


def paces(samples: Iterable[Sample]) -> dict[str, Pace]:
    """By process, between its last two samples."""
    found: dict[str, Pace] = {}
    for process_id, its in _by_process(samples).items():
        for before, after in pairwise(its[-2:]):
            seconds = (after.at - before.at).total_seconds()
            rate = (after.figures.done - before.figures.done) / seconds
            found[process_id] = Pace(rate=rate, p50=after.figures.p50, p99=after.figures.p99)
    return found


def _by_kind(samples: Iterable[Sample]) -> Mapping[ProcessKind, list[Sample]]:
    found: dict[ProcessKind, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.kind].append(sample)
    return found


def _by_process(samples: Iterable[Sample]) -> Mapping[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.process_id].append(sample)
    return found


def _step(at: datetime, now: datetime) -> int:
    """Steps lie on the clock, so that a line does not change each time it is drawn."""
    return STEPS - 1 + int(at.timestamp()) // STEP - int(now.timestamp()) // STEP


def _rates(samples: Sequence[Sample], now: datetime, count: Callable[[Figures], int]) -> Values:
    """A second, of all processes together."""
    found: dict[int, float] = {}
    for its in _by_process(samples).values():
        for before, after in pairwise(its):
            done = count(after.figures) - count(before.figures)
            step = _step(after.at, now)
            found[step] = found.get(step, 0.0) + done / STEP
    return _over(found)


def _latencies(samples: Sequence[Sample], now: datetime) -> dict[str, Values]:
    return {
        "p50": _most(samples, now, lambda figures: figures.p50),
        "p99": _most(samples, now, lambda figures: figures.p99),
    }


def _most(
    samples: Sequence[Sample], now: datetime, told: Callable[[Figures], float | None]
) -> Values:
    """The highest that any process has told."""
    found: dict[int, float] = {}
    for sample in samples:
        step, value = _step(sample.at, now), told(sample.figures)
        if value is not None:
            found[step] = max(found.get(step, 0.0), value)
    return _over(found)


def _over(values: Values) -> Values:
    """Without the step that goes on, and what is older than the plot."""
    return {step: value for step, value in sorted(values.items()) if 0 <= step < STEPS - 1}


def _plot(title: str, lines: Mapping[str, Values]) -> Plot:
    top = max((value for values in lines.values() for value in values.values()), default=0.0)
    top = top or 1.0
    return Plot(title=title, top=top, lines=[_line(name, lines[name], top) for name in lines])


def _line(name: str, values: Values, top: float) -> Line:
    parts = []
    for _, part in groupby(enumerate(values.items()), lambda each: each[1][0] - each[0]):
        points = [_point(step, value / top) for _, (step, value) in part]
        # A point alone is a dot.
        parts.append(" ".join(points if len(points) > 1 else [*points, *points]))
    return Line(name=name, parts=parts, last=[None, *values.values()][-1])


def _point(step: int, share: float) -> str:
    return f"{step * WIDTH / (STEPS - 2):.1f},{HEIGHT * (1 - share):.1f}"

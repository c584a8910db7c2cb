"""The last hour as lines."""

from __future__ import annotations

from datetime import timedelta

import attrs

from order_aggregator.domain.ports.process_registry import Figures, ProcessKind, Sample
from order_aggregator.domain.ports.read_model import Pending, Workload
from order_aggregator.domain.use_cases.check_health import Observed
from order_aggregator.entrypoints.dashboard.charts import Pace, Plot, figure, paces, plots
from order_aggregator.testing.shop_work import NOW

NOTHING = Pending(count=0, since=None)
EMPTY = Observed(
    now=NOW,
    processes=(),
    workload=Workload(
        orders={},
        untried=NOTHING,
        retried=0,
        outbox=NOTHING,
        deliveries=0,
        dead_deliveries=0,
        unread_events={},
    ),
)


def sample(seconds_ago: float, kind: str = "api", process: str = "a", **figures: float) -> Sample:
    given = {"done": 0, "refused": 0, **figures}
    return Sample(
        process_id=process,
        kind=ProcessKind(kind),
        at=NOW - timedelta(seconds=seconds_ago),
        figures=Figures(**given),  # type: ignore[arg-type]
    )


def drawn(*samples: Sample) -> list[Plot]:
    return plots(attrs.evolve(EMPTY, samples=samples))


def test_without_samples_nothing_is_drawn() -> None:
    for plot in drawn():
        assert plot.top == 1.0
        assert all(line.parts == [] and line.last is None for line in plot.lines)
        assert "none" in plot.spoken


def test_rates_are_of_all_processes_together() -> None:
    orders, *_ = drawn(
        sample(65, done=100, refused=7, process="a"),
        sample(65, done=0, process="b"),
        sample(50, done=160, refused=7, process="a"),
        sample(50, done=30, process="b"),
        sample(50, "worker", done=5),
    )
    accepted, refused, fulfilled, _ = orders.lines
    assert orders.top == accepted.last == 3.0
    assert accepted.parts == ["297.5,0.0 297.5,0.0"]
    assert refused.last == 0
    assert fulfilled.last is None
    assert orders.spoken == (
        "Orders a second, last: accepted 3, refused 0, fulfilled none, failed none"
    )


def test_latencies_are_of_the_slowest_process_and_have_gaps() -> None:
    _, answers, fulfilments, *_ = drawn(
        sample(110, process="a", p50=0.1, p99=0.5),
        sample(110, process="b", p50=0.2, p99=0.4),
        sample(80, process="a"),
        sample(50, process="a", p50=0.3, p99=1.0),
        sample(50, "worker", p50=7.0, p99=8.0),
    )
    p50, p99 = answers.lines
    assert (p50.last, p99.last, answers.top) == (0.3, 1.0, 1.0)
    assert [part.split()[0].partition(",")[2] for part in p99.parts] == ["50.0", "0.0"]
    assert [line.last for line in fulfilments.lines] == [7.0, 8.0]


def test_the_backlog_is_what_any_api_saw_at_most() -> None:
    *_, reserved, waits = drawn(
        sample(110, process="a", reserved=40, oldest_wait=3.5),
        sample(110, process="b", reserved=50, oldest_wait=2.5),
        sample(80, process="a"),
        sample(50, process="a", reserved=0, oldest_wait=0.0),
        sample(50, "worker", reserved=900, oldest_wait=900.0),
    )
    assert [(plot.top, plot.lines[0].last) for plot in (reserved, waits)] == [(50, 0), (3.5, 0)]
    assert [part.split()[0].partition(",")[2] for part in reserved.lines[0].parts] == [
        "0.0",
        "100.0",
    ]


def test_what_goes_on_or_is_older_than_an_hour_is_not_drawn() -> None:
    _, answers, *_ = drawn(sample(3700, p50=1.0, p99=1.0), sample(0, p50=1.0, p99=1.0))
    assert [line.parts for line in answers.lines] == [[], []]


def test_figures_have_three_digits_and_large_ones_all() -> None:
    given = [0.0, 0.01234, 59.0, 999.4, 999.7, 12_345.6, 1e6]
    told = ["0", "0.0123", "59", "999", "1,000", "12,346", "1,000,000"]
    assert list(map(figure, given)) == told


def test_the_pace_of_a_process_is_between_its_last_two_samples() -> None:
    samples = [
        sample(20, done=0),
        sample(10, done=100),
        sample(5, done=200, p50=0.1, p99=0.2),
        sample(5, done=9, process="new"),
    ]
    assert paces(samples) == {"a": Pace(rate=20.0, p50=0.1, p99=0.2)}

"""Tables of what was found, and RESULTS.md."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from plots import plot
from results import FOLDER, Results, Spread
from targets import RATE, TARGETS

RESULTS = FOLDER / "RESULTS.md"
# Written by hand; comes after the figures.
ANALYSIS = FOLDER / "analysis.md"
GROUPS = ("api", "worker", "relay", "postgresql", "rabbitmq", "load generator")
DETAILS = {
    "accepted/s": "accepted_per_second",
    "fulfilled/s": "fulfilled_per_second",
    "backlog growth/s": "backlog_growth_per_second",
    "memory, MB": "memory_mb",
    "wanted/s": "wanted_per_second",
    "offered/s": "offered_per_second",
    "share of 503": "unavailable_share",
    "202: p50 ms": "p50_202_ms",
    "202: p99 ms": "p99_202_ms",
    "503: p50 ms": "p50_503_ms",
    "503: p99 ms": "p99_503_ms",
}
LATENCIES = {
    "offered/s": "offered_per_second",
    "p50": "p50_ms",
    "p90": "p90_ms",
    "p99": "p99_ms",
    "p99.9": "p999_ms",
    "max": "max_ms",
    "fulfilled p50": "fulfilled_p50_ms",
    "fulfilled p99": "fulfilled_p99_ms",
}
INTRODUCTION = """\
# Benchmark results

`make bench` has made this file; `make bench-quick` measures most of it in three minutes, and
`python benchmarks/bench.py run --arm accept-hot` a single arm. Servers, load generator and product
share one machine. All arms take turns in every round, each round begins with another, and every
figure is a median with its minimum and maximum over the rounds. After each arm, the orders stored
must be the orders promised, and `order-aggregator verify` must find nothing.
"""
ABOUT_RATES = """\
Rates are of orders (of refusals, where sold out). `pgbench` does an order a transaction with 16
clients; `echo` is a POST of the same schemas on the same server without a database, `echo-own` our
own application without one. `accept` is the API alone, `path` the API, RabbitMQ and one worker: the
lower of what is accepted and fulfilled meanwhile. `drain` is a worker that finds the orders in the
queue, each in a message of its own. `hot` is one product, `uniform` 1,000 of three vendors each,
`vendors-300` of 300, `large` 1,000 out of many; `embedded` is one product on SQLite, which needs no
RabbitMQ. Of `accept`, `sold-out` and `echo`, the best number of clients counts, `path` has 256,
`alone` one; milliseconds are of 64, in `latency` of an open loop at half of the peak of `path`.
`step-…` are use cases in one thread, in batches of 100; `events-…` are events a second instead of
orders, `webhooks-delivered` deliveries, each of one order: `heard` is summed over 5,000 listeners.
"""
ABOUT_COSTS = """\
CPU milliseconds an order, by group of processes, from the first order until all are sent or
fulfilled. The relay is a thread of `api`; in `drain` it is a process, and has done its work before.
WAL is of the same time; commits and fsyncs are counted over the whole life of the processes, as
PostgreSQL counts them late.
"""
ABOUT_LATENCY = """\
Open loop: orders come at random moments (Poisson), and their time counts from when they were due.
`fulfilled` is from acceptance to fulfilment, as the database has it. Milliseconds.
"""


def render(results: Results) -> None:
    """Write RESULTS.md and the plots."""
    plot(results)
    machine = [[name, value] for name, value in results.environment.items()]
    settings = ", ".join(f"{name} {value}" for name, value in results.plan.items())
    parts = [
        INTRODUCTION,
        table(["", ""], machine),
        f"Plan: {settings}.\n",
        tables(results),
        *(
            f"![{file.stem.replace('-', ' ')}](plots/{file.name})\n"
            for file in sorted((FOLDER / "plots").glob("*.svg"))
        ),
    ]
    if results.soak:
        made = results.soak["environment"]
        rate = number(results.soak["load"]["offered"])
        when = f"on {made['Date']}, commit {made['Commit']}"
        parts.append(f"Memory over time: at {rate} orders/s, {when}.\n")
    if ANALYSIS.exists():
        parts.append(ANALYSIS.read_text())
    RESULTS.write_text("\n".join(parts))


def tables(results: Results) -> str:
    """Targets, rates, costs and latencies."""
    parts = {
        "## Targets\n": _targets(results),
        f"## Rates\n\n{ABOUT_RATES}": _rates(results),
        "## Details\n": _details(results),
        f"## Costs per order\n\n{ABOUT_COSTS}": _costs(results),
        f"## Latency\n\n{ABOUT_LATENCY}": _latencies(results),
    }
    return "\n".join(f"{title}\n{text}" for title, text in parts.items() if text)


def _targets(results: Results) -> str:
    rows = []
    for target in TARGETS:
        if found := target.found(results):
            verdict = "met" if target.met(found) else "**missed**"
            rows.append([target.measure, _number(found), _range(found), target.bound, verdict])
    rows += _flatness(results)
    return table(["measure", "median", "range", "target", ""], rows)


def _flatness(results: Results) -> list[list[str]]:
    """Memory at the end of the long run, to memory when it had warmed up."""
    if not results.soak:
        return []
    taken = [megabytes for _, megabytes in results.soak["memory_mb"]]
    sixth = max(1, len(taken) // 6)
    early, late = mean(taken[sixth : 2 * sixth] or taken), mean(taken[-sixth:])
    minutes = results.soak["memory_mb"][-1][0] / 60
    measure = f"memory after {minutes:.0f} minutes ÷ after {minutes / 4:.0f}"
    verdict = "met" if late / early <= 1.05 else "**missed**"  # noqa: PLR2004
    return [[measure, f"{late / early:.3f}", f"{early:.0f} → {late:.0f} MB", "flat", verdict]]


def _rates(results: Results) -> str:
    rows = []
    for arm in sorted(results.arms):
        if rate := results.spread(arm, RATE):
            latencies = [_cell(results, arm, figure) for figure in ("p50_ms", "p99_ms")]
            rows.append([arm, _number(rate), _range(rate), *latencies])
    return table(["arm", "orders/s", "range", "p50 ms", "p99 ms"], rows)


def _details(results: Results) -> str:
    rows = []
    for arm in sorted(results.arms):
        if arm.startswith(("path", "overload")):
            rows += [
                [arm, word, _number(found), _range(found)]
                for word, figure in DETAILS.items()
                if (found := results.spread(arm, figure))
            ]
    return table(["arm", "", "median", "range"], rows)


def _costs(results: Results) -> str:
    figures = [*(f"cpu_ms.{group}" for group in GROUPS), "wal_bytes", "fsyncs", "commits"]
    rows = [
        [arm, *cells]
        for arm in sorted(results.arms)
        if any(cells := [_cell(results, arm, figure) for figure in figures])
    ]
    return table(["arm", *GROUPS, "WAL bytes", "fsyncs", "commits"], rows)


def _latencies(results: Results) -> str:
    rows = [
        [arm, f"{load} %", *(_cell(results, arm, f"load.{load}.{f}") for f in LATENCIES.values())]
        for arm in sorted(results.arms)
        for load in results.loads(arm)
    ]
    return table(["arm", "of peak", *LATENCIES], rows)


def _cell(results: Results, arm: str, figure: str) -> str:
    found = results.spread(arm, figure)
    return _number(found) if found else ""


def _number(found: Spread) -> str:
    return number(found.middle)


def _range(found: Spread) -> str:
    return f"{number(found.low)} … {number(found.high)}"


def number(value: float) -> str:
    """With three digits, or all of a large number's."""
    if abs(value) >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown, with columns aligned; empty without rows."""
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        return f"| {' | '.join(padded)} |\n"

    return line(header) + line(["-" * width for width in widths]) + "".join(map(line, rows))

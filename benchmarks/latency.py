"""How long orders take when they come at a given rate."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

from generators import open_loop, open_loop_result
from market import UNIFORM, Bench, Figures, Market
from product import Deployment, WrongAnswer

HALF = 0.5
SAMPLE_EVERY = 10.0  # seconds
FULFILMENT = """
    SELECT percentile_cont({part}) WITHIN GROUP (
        ORDER BY 1000 * extract(epoch FROM updated_at - created_at)
    ) FROM orders WHERE {ours} AND status = 'fulfilled' AND created_at >= '{start}'
"""


def latency(bench: Bench, market: Market, peak: str) -> Figures:
    """At parts of the peak of another arm, each on a fresh database."""
    figures: Figures = {}
    for load in (HALF, *bench.plan.more_loads):
        found = _at(bench, market, load * bench.peak(peak))
        figures |= {f"load.{load * 100:.0f}.{name}": value for name, value in found.items()}
        if load == HALF:
            figures |= found
    return figures


def _at(bench: Bench, market: Market, rate: float) -> Figures:
    with bench.deployed(market, "api", "worker") as product:
        started = product.spent()
        target = market.target(product.port)
        _count(product, open_loop_result(open_loop(target, rate, bench.plan.warm_up)))
        product.wait_until_fulfilled()
        before, start = product.spent(), datetime.now(UTC)
        result = open_loop_result(open_loop(target, rate, bench.plan.seconds))
        accepted = _count(product, result)
        product.wait_until_fulfilled()
        figures = product.spent().per_order(before, accepted, "wal_bytes")
        figures |= _until_fulfilled(product, start)
        product.stop()
        stored = product.stored()
        figures |= product.spent().counted_per_order(started, stored, "commits", "fsyncs")
        product.check()
    return {
        "offered_per_second": result["offered"],
        "orders_per_second": result["achieved"],
        **{f"{name}_ms": value for name, value in result["latency"]["202"].items()},
        **figures,
    }


def _until_fulfilled(product: Deployment, start: datetime) -> Figures:
    """Of the orders since then, as the database has it."""
    return {
        name: float(product.value(FULFILMENT.format(part=part, ours=product.ours, start=start)))
        for name, part in {"fulfilled_p50_ms": 0.5, "fulfilled_p99_ms": 0.99}.items()
    }


def _count(product: Deployment, result: dict[str, Any]) -> int:
    accepted = int(result["answers"].get("202", 0))
    if set(result["answers"]) - {"202", "503"}:
        raise WrongAnswer(f"not every order was answered as it should be: {result['answers']}")
    product.answered += accepted
    product.unseen += result["unanswered"]
    return accepted


def soak(bench: Bench) -> dict[str, Any]:
    """A moderate load that goes on, and the memory that the product takes meanwhile."""
    plan = bench.plan
    samples: list[tuple[float, float]] = []
    with bench.deployed(UNIFORM, "api", "worker") as product:
        start = monotonic()
        load = open_loop(UNIFORM.target(product.port), plan.soak_rate, plan.soak_seconds)
        while load.process.poll() is None:
            samples.append((round(monotonic() - start, 1), round(product.memory_mb(), 2)))
            sleep(SAMPLE_EVERY)
        result = open_loop_result(load)
        _count(product, result)
        product.wait_until_fulfilled()
        product.stop()
        product.check()
    return {"memory_mb": samples, "load": result}

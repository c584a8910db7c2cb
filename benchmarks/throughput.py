"""How many orders the product takes and fulfils when it is given all it can take."""

from __future__ import annotations

from datetime import UTC, datetime

import seeding
from costs import Spent
from generators import best_of, open_loop, open_loop_result
from market import LARGE, SOLD_OUT, UNIFORM, Bench, Figures, Market
from product import Deployment

# Part of a load at whose beginning the queue still fills.
LEAD = 0.2
PROBES_PER_SECOND = 50
DRAINED = """
    SELECT count(*) FILTER (WHERE updated_at > first) / extract(epoch FROM max(last) - min(first))
    FROM orders, (SELECT min(updated_at) AS first, max(updated_at) AS last FROM orders) bounds
"""


def accept(bench: Bench, market: Market) -> Figures:
    """Orders accepted by the API alone: as with pgbench, their messages stay in the outbox."""
    plan = bench.plan
    with bench.deployed(market, "api", broker=False) as product:
        started = product.spent()
        target = market.target(product.port)
        product.order(target, plan.clients, plan.warm_up)
        before = product.spent()
        answers = product.order(target, plan.clients, plan.seconds)
        figures = product.spent().per_order(before, answers.accepted, "wal_bytes")
        more = {n: product.order(target, n, plan.seconds) for n in plan.more_clients}
        figures |= _finish(product, started, market, product.stored())
    return best_of({plan.clients: answers, **more}) | figures


def accept_alone(bench: Bench) -> Figures:
    """The same of one client, so that nothing shares a batch."""
    with bench.deployed(UNIFORM, "api", broker=False) as product:
        started = product.spent()
        target = UNIFORM.target(product.port)
        product.order(target, 1, bench.plan.warm_up)
        before = product.spent()
        answers = product.order(target, 1, bench.plan.seconds)
        figures = product.spent().per_order(before, answers.accepted, "wal_bytes")
        figures |= _finish(product, started, UNIFORM, product.stored())
    return best_of({1: answers}) | figures


def path(bench: Bench, market: Market) -> Figures:
    """Orders accepted and fulfilled by one worker, while as many come as are taken."""
    plan = bench.plan
    with bench.deployed(market, "api", "worker") as product:
        started = product.spent()
        target = market.target(product.port)
        product.order(target, plan.clients, plan.warm_up)
        product.wait_until_fulfilled()
        before = product.spent()
        start = datetime.now(UTC)
        answers = product.order(target, plan.path_clients, plan.seconds)
        end = datetime.now(UTC)
        megabytes = product.memory_mb()
        product.wait_until_fulfilled()
        figures = product.spent().per_order(before, answers.accepted, "wal_bytes")
        fulfilled = fulfilled_per_second(product, start, end)
        figures |= _finish(product, started, market, product.stored())
    accepted = answers.per_second(answers.accepted)
    return {
        "orders_per_second": min(accepted, fulfilled),
        "accepted_per_second": accepted,
        "fulfilled_per_second": fulfilled,
        "backlog_growth_per_second": accepted - fulfilled,
        "memory_mb": megabytes,
        **figures,
    }


def fulfilled_per_second(product: Deployment, start: datetime, end: datetime) -> float:
    """While the load goes on, without its lead."""
    start += (end - start) * LEAD
    count = product.value(
        f"SELECT count(*) FROM orders WHERE {product.ours} AND status = 'fulfilled'"
        f" AND updated_at BETWEEN '{start.isoformat()}' AND '{end.isoformat()}'"
    )
    return float(count / (end - start).total_seconds())


def drain(bench: Bench, market: Market) -> Figures:
    """A worker that finds many orders waiting in the queue; the relay has brought them there."""
    orders = bench.plan.drained_orders
    with bench.deployed(market) as product:
        assert product.stage is not None
        url = product.stage.url(product.database)
        seeding.reserved_orders(url, orders, market.products)
        product.answered = orders
        before = product.spent()
        product.start("relay")
        product.wait_until_sent()
        relayed = product.spent().per_order(before, orders)["cpu_ms.relay"]
        product.stop()
        product.stage.settle_disks()
        before = product.spent()
        product.start("worker")
        product.wait_until_fulfilled()
        figures = product.spent().per_order(before, orders, "wal_bytes")
        rate = _drained_per_second(product)
        figures |= _finish(product, before, market, orders)
    return {"orders_per_second": rate, "cpu_ms.relay": relayed, **figures}


def _drained_per_second(product: Deployment) -> float:
    """From the first fulfilment to the last; what was fulfilled by the first does not count."""
    return float(product.value(DRAINED))


def sold_out(bench: Bench) -> Figures:
    """Refusals of a product that nobody has."""
    plan = bench.plan
    with bench.deployed(SOLD_OUT, "api", broker=False) as product:
        target = SOLD_OUT.target(product.port)
        started = product.spent()
        warm_up = product.order(target, plan.clients, plan.warm_up, sold_out=True)
        before = product.spent()
        answers = product.order(target, plan.clients, plan.seconds, sold_out=True)
        figures = product.spent().per_order(before, answers.refused, "wal_bytes")
        more = {n: product.order(target, n, plan.seconds, sold_out=True) for n in plan.more_clients}
        product.unseen = 0
        refused = sum(each.refused for each in (warm_up, answers, *more.values()))
        figures |= _finish(product, started, SOLD_OUT, refused)
    return best_of({plan.clients: answers, **more}) | figures


def overload(bench: Bench) -> Figures:
    """Twice as much is offered as the API accepts at its peak.

    As there, without the relay. A few more orders measure what becomes of one that comes meanwhile.
    """
    plan = bench.plan
    rate = 2 * bench.peak("accept-uniform")
    with bench.deployed(UNIFORM, "api", broker=False) as product:
        target = UNIFORM.target(product.port)
        started = product.spent()
        product.order(target, plan.clients, plan.warm_up)
        before = product.spent()
        probe = open_loop(target, PROBES_PER_SECOND, plan.seconds)
        answers = product.order(target, plan.overload_clients, plan.seconds, rate)
        probed = open_loop_result(probe)
        product.answered += probed["answers"].get("202", 0)
        product.unseen += probed["unanswered"]
        figures = product.spent().per_order(before, answers.accepted, "wal_bytes")
        figures |= _finish(product, started, UNIFORM, product.stored())
    latencies = {
        f"{name}_{status}_ms": latency[name]
        for status, latency in probed["latency"].items()
        for name in ("p50", "p99")
    }
    return {
        "orders_per_second": answers.per_second(answers.accepted),
        "wanted_per_second": rate,
        "offered_per_second": answers.per_second(answers.sent),
        "unavailable_share": answers.unavailable / answers.total,
        **latencies,
        **figures,
    }


def _finish(product: Deployment, started: Spent, market: Market, orders: int) -> Figures:
    """Stop and check; give what the server has counted since the start, when all is written."""
    product.stop()
    figures = product.spent().counted_per_order(started, orders, "commits", "fsyncs")
    if market.database == LARGE:
        # It is used again: what the API alone has accepted would come back in another arm.
        product.start("worker")
        product.wait_until_fulfilled()
        product.stop()
    product.check(ledger=market.database != LARGE)
    return figures

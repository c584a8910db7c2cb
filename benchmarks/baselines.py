"""What the product is compared with: PostgreSQL alone, and the server alone."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import psycopg

import seeding
from costs import spent
from generators import PGBENCH_CLIENTS, Target, best_of, pgbench, pgbench_alone, wrk
from market import Bench, Figures
from product import Product, WrongAnswer
from service import eventually
from stage import DEFAULTS

ECHO = Path(__file__).parent / "echo.py"
# More than any server fulfils in a second, one at a time.
FULFILLED_PER_SECOND = 20_000


def pgbench_order(bench: Bench, products: int) -> Figures:
    """One order a transaction: guarded stock update, order, outbox message."""
    with bench.stage.database() as database:
        seeding.pgbench_tables(bench.stage.url(database), orders=0)
        figures, _ = _pgbench(bench, database, "pgbench_order.sql", products=products)
    return figures


def pgbench_order_alone(bench: Bench) -> Figures:
    """The same, with one client."""
    with bench.stage.database() as database:
        url = bench.stage.url(database)
        seeding.pgbench_tables(url, orders=0)
        bench.stage.settle_disks()
        took = pgbench_alone(
            url,
            "pgbench_order.sql",
            bench.plan.seconds,
            bench.stage.folder,
            products=seeding.PRODUCTS,
        )
    took.sort()
    return {
        "orders_per_second": len(took) / bench.plan.seconds,
        "p50_ms": took[len(took) // 2],
        "p99_ms": took[len(took) * 99 // 100],
    }


def pgbench_fulfil(bench: Bench, products: int) -> Figures:
    """One order a transaction: central stock, vendor stock, allocation, status."""
    with bench.stage.database() as database:
        url = bench.stage.url(database)
        seeding.pgbench_tables(url, orders=bench.plan.seconds * FULFILLED_PER_SECOND)
        figures, done = _pgbench(
            bench,
            database,
            "pgbench_fulfil.sql",
            products=products,
            clients=PGBENCH_CLIENTS,
            turn=0,
        )
        with psycopg.connect(url) as connection:
            query = "SELECT count(*) FROM bench_orders WHERE status = 'fulfilled'"
            row = connection.execute(query).fetchone()
    if row is None or row[0] != done:
        raise WrongAnswer(f"pgbench fulfilled {row} orders in {done} transactions")
    return figures


def _pgbench(bench: Bench, database: str, script: str, **variables: int) -> tuple[Figures, int]:
    """Figures, and how many transactions there were."""
    bench.stage.settle_disks()
    before = bench.stage.spent(database, {})
    rate, done = pgbench(bench.stage.url(database), script, bench.plan.seconds, **variables)
    after = bench.stage.spent(database, {})
    costs = after.per_order(before, done, "wal_bytes", "fsyncs", "commits")
    return {"orders_per_second": rate, **costs}, done


def echo(bench: Bench, kind: str) -> Figures:
    """The server with an application that needs no database."""
    plan = bench.plan
    folder = bench.stage.folder / kind
    folder.mkdir(exist_ok=True)
    with Product(folder, DEFAULTS) as service:
        pids = {"api": service.start_program(sys.executable, str(ECHO), kind).pid}
        eventually(lambda: _answers(service), 30, "an answer")
        target = Target(port=int(service.environment["PORT"]), products=seeding.PRODUCTS)
        wrk(target, plan.clients, plan.warm_up)
        before = spent(pids)
        answers = wrk(target, plan.clients, plan.seconds)
        costs = spent(pids).per_order(before, answers.accepted)
        more = {clients: wrk(target, clients, plan.seconds) for clients in plan.more_clients}
    if answers.accepted != answers.total:
        raise WrongAnswer(f"not every order was answered as it should be: {answers}")
    return best_of({plan.clients: answers, **more}) | costs


def _answers(service: Product) -> bool:
    try:
        return service.order("sku-0").status_code == httpx.codes.ACCEPTED
    except httpx.HTTPError:
        return False

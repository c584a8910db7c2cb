"""What the product is compared with: PostgreSQL alone, and the server alone."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import psycopg

import seeding
from costs import cpu_seconds, load_generator_seconds
from generators import Target, pgbench, wrk
from market import Bench, Figures
from product import Product, WrongAnswer
from service import eventually
from stage import DEFAULTS

ECHO = Path(__file__).parent / "echo.py"
CLIENTS = 16
# More than any server fulfils in a second, one at a time.
FULFILLED_PER_SECOND = 20_000


def pgbench_order(bench: Bench, products: int) -> Figures:
    """One order a transaction: guarded stock update, order, outbox message."""
    seconds = bench.plan.seconds
    with bench.stage.database() as database:
        url = bench.stage.url(database)
        seeding.pgbench_tables(url, orders=0)
        bench.stage.settle_disks()
        pgbench(url, "pgbench_order.sql", bench.plan.warm_up, products=products)
        rate, _ = pgbench(url, "pgbench_order.sql", seconds, products=products)
    return {"orders_per_second": rate}


def pgbench_fulfil(bench: Bench, products: int) -> Figures:
    """One order a transaction: central stock, vendor stock, allocation, status."""
    seconds = bench.plan.seconds
    with bench.stage.database() as database:
        url = bench.stage.url(database)
        seeding.pgbench_tables(url, orders=seconds * FULFILLED_PER_SECOND)
        bench.stage.settle_disks()
        rate, done = pgbench(
            url, "pgbench_fulfil.sql", seconds, products=products, clients=CLIENTS, turn=0
        )
        with psycopg.connect(url) as connection:
            query = "SELECT count(*) FROM bench_orders WHERE status = 'fulfilled'"
            row = connection.execute(query).fetchone()
    if row is None or row[0] != done:
        raise WrongAnswer(f"pgbench fulfilled {row} orders in {done} transactions")
    return {"orders_per_second": rate}


def echo(bench: Bench, kind: str) -> Figures:
    """The server with an application that needs no database."""
    plan = bench.plan
    folder = bench.stage.folder / kind
    folder.mkdir(exist_ok=True)
    with Product(folder, DEFAULTS) as service:
        process = service.start_program(sys.executable, str(ECHO), kind)
        eventually(lambda: _answers(service), 30, "an answer")
        target = Target(port=int(service.environment["PORT"]), products=seeding.PRODUCTS)
        wrk(target, plan.clients, plan.warm_up)
        used, generator = cpu_seconds(process.pid), load_generator_seconds()
        answers = wrk(target, plan.clients, plan.seconds)
        cpu = {
            "cpu_ms.api": cpu_seconds(process.pid) - used,
            "cpu_ms.load generator": load_generator_seconds() - generator,
        }
        rates = {plan.clients: answers.per_second(answers.accepted)}
        for clients in plan.more_clients:
            more = wrk(target, clients, plan.seconds)
            rates[clients] = more.per_second(more.accepted)
    if answers.accepted != answers.total:
        raise WrongAnswer(f"not every order was answered as it should be: {answers}")
    return {
        "orders_per_second": max(rates.values()),
        **{f"clients.{clients}": rate for clients, rate in rates.items()},
        "p50_ms": answers.p50,
        "p99_ms": answers.p99,
        **{name: seconds * 1000 / answers.accepted for name, seconds in cpu.items()},
    }


def _answers(service: Product) -> bool:
    try:
        return service.order("sku-0").status_code == httpx.codes.ACCEPTED
    except httpx.HTTPError:
        return False

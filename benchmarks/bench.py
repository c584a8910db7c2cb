"""Measures the product: `python benchmarks/bench.py --help`."""

from __future__ import annotations

import time
from collections.abc import Sequence

import attrs
import click

from arms import NEEDS, arms
from generators import find_pgbench, find_wrk
from market import Bench, Figures
from plan import FULL, QUICK, Plan
from stage import stage

Round = dict[str, Figures]


@click.group()
def cli() -> None:
    """Measure the product, on private PostgreSQL and RabbitMQ servers."""


@cli.command()
@click.option("--arm", "names", multiple=True, help="Which arms; all, unless given.")
@click.option("--rounds", default=1)
@click.option("--seconds", default=5)
@click.option("--quick", is_flag=True)
def run(names: tuple[str, ...], rounds: int, seconds: int, *, quick: bool) -> None:
    """Measure some arms and print a table."""
    plan = attrs.evolve(QUICK if quick else FULL, rounds=rounds, seconds=seconds, more_clients=())
    measured = measure(plan, names or tuple(arms(plan)))
    for number, figures in enumerate(measured):
        for arm, found in figures.items():
            click.echo(f"{number} {arm}")
            for name, value in found.items():
                click.echo(f"    {name:30} {value:12.3f}")


def measure(plan: Plan, names: Sequence[str]) -> list[Round]:
    """All rounds; each begins with another arm."""
    find_wrk()
    find_pgbench()
    known = arms(plan)
    with stage() as servers:
        bench = Bench(stage=servers, plan=plan)
        calibrate(bench, names)
        rounds: list[Round] = []
        for number in range(plan.rounds):
            first = number * len(names) // plan.rounds
            rounds.append({})
            for name in (*names[first:], *names[:first]):
                started = time.monotonic()
                rounds[-1][name] = found = known[name](bench)
                bench.peaks.setdefault(name, []).append(found["orders_per_second"])
                click.echo(
                    f"{number + 1}/{plan.rounds} {name}: {found['orders_per_second']:.0f}/s"
                    f" ({time.monotonic() - started:.0f} s)",
                    err=True,
                )
    return rounds


def calibrate(bench: Bench, names: Sequence[str]) -> None:
    """Find out the peaks of which these arms take a part."""
    plan = attrs.evolve(bench.plan, more_clients=())
    for needed in sorted({NEEDS[name] for name in names if name in NEEDS}):
        found = arms(plan)[needed](attrs.evolve(bench, plan=plan))
        bench.peaks.setdefault(needed, []).append(found["orders_per_second"])


if __name__ == "__main__":
    cli()

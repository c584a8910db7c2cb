"""Measures the product: `python benchmarks/bench.py --help`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import attrs
import click

# Where the throwaway servers are.
sys.path.append(str(Path(__file__).parents[1] / "tests"))


@click.group()
def cli() -> None:
    """Measure the product, on private PostgreSQL and RabbitMQ servers."""
    # Like Ctrl-C: what was started is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@cli.command()
@click.option("--arm", "names", multiple=True, help="Which; all, unless given.")
@click.option("--rounds", default=1)
@click.option("--seconds", default=5, help="Of each load.")
@click.option("--full", is_flag=True, help="All numbers of clients, all loads, all data.")
def run(names: tuple[str, ...], rounds: int, seconds: int, *, full: bool) -> None:
    """Measure some arms, and print what was found."""
    from measuring import measure
    from plan import FULL, QUICK
    from report import tables

    plan = attrs.evolve(FULL if full else QUICK, rounds=rounds, seconds=seconds)
    click.echo(tables(measure(plan, names)))


@cli.command()
def quick() -> None:
    """Measure most arms once and briefly, and print what was found."""
    from measuring import measure
    from plan import QUICK, QUICK_ARMS
    from report import tables

    click.echo(tables(measure(QUICK, QUICK_ARMS)))


@cli.command()
def full() -> None:
    """Measure everything; write RESULTS.md, results.json and the plots."""
    from measuring import measure
    from plan import FULL
    from report import render, tables
    from results import load, save

    measured = attrs.evolve(measure(FULL, ()), soak=load().soak)
    save(measured)
    render(measured)
    click.echo(tables(measured))


@cli.command()
@click.option("--seconds", default=1_800)
@click.option("--rate", default=500, help="Orders a second.")
def soak(seconds: int, rate: int) -> None:
    """Watch the memory under a moderate load; add it to what `full` has found."""
    from measuring import measure_soak
    from plan import FULL
    from report import render
    from results import load, save

    plan = attrs.evolve(FULL, soak_seconds=seconds, soak_rate=rate)
    measured = attrs.evolve(load(), soak=measure_soak(plan))
    save(measured)
    render(measured)


@cli.command()
def report() -> None:
    """Write RESULTS.md and the plots again, from results.json."""
    from report import render, tables
    from results import load

    render(load())
    click.echo(tables(load()))


if __name__ == "__main__":
    cli()

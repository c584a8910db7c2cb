"""`verify` on many orders: how long it takes, and how much memory at its highest.

Run it as `.venv/bin/python benchmarks/verify.py postgresql://user@host/empty_database`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import click

# What the seeding needs of the throwaway servers.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

COMMAND = [sys.executable, "-m", "order_aggregator.entrypoints.cli"]


def _run(url: str, *command: str) -> tuple[float, float]:
    """Seconds, and megabytes at the highest."""
    began = time.perf_counter()
    process = subprocess.Popen([*COMMAND, *command], env={**os.environ, "DATABASE_URL": url})
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, command
    return time.perf_counter() - began, used.ru_maxrss / 1024


@click.command()
@click.argument("url")
@click.option("--orders", default=1_000_000)
def main(url: str, orders: int) -> None:
    """Measure on an empty database."""
    import seeding

    _run(url, "migrate")
    seeding.stock(url, seeding.PRODUCTS, seeding.VENDORS)
    seeding.fulfilled_orders(url, orders, seeding.PRODUCTS)
    for _ in range(3):
        seconds, megabytes = _run(url, "verify")
        click.echo(f"{orders:,} orders verified in {seconds:.1f} s, {megabytes:.0f} MB")


if __name__ == "__main__":
    main()

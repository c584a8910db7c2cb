"""Load generators, each a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from server_programs import PATH, find_postgresql, install

SCRIPTS = Path(__file__).parent / "scripts"
OPEN_LOOP = Path(__file__).parent / "open_loop.py"
PGBENCH_CLIENTS = 16
# Seconds beyond those of the load itself.
GRACE = 60


@attrs.frozen(kw_only=True)
class Target:
    """Where orders go, and of what: `products` products whose numbers are `stride` apart."""

    port: int
    products: int
    stride: int = 1
    first: int = 0


@attrs.frozen(kw_only=True)
class Answers:
    """What wrk was answered. Latencies in milliseconds, from when a request was sent."""

    sent: int
    accepted: int
    refused: int
    unavailable: int
    other: int
    errors: int
    seconds: float
    p50: float
    p99: float

    @property
    def total(self) -> int:
        """All answers."""
        return self.accepted + self.refused + self.unavailable + self.other

    @property
    def decided(self) -> int:
        """Orders accepted, and those refused because nothing was left."""
        return self.accepted + self.refused

    def per_second(self, count: int) -> float:
        """A count as a rate."""
        return count / self.seconds


def best_of(found: Mapping[int, Answers]) -> dict[str, float]:
    """Of several numbers of clients: all rates, the best of them, and the first one's latencies."""
    rates = {clients: answers.per_second(answers.decided) for clients, answers in found.items()}
    first = next(iter(found.values()))
    return {
        "orders_per_second": max(rates.values()),
        **{f"clients.{clients}": rate for clients, rate in rates.items()},
        "p50_ms": first.p50,
        "p99_ms": first.p99,
    }


@attrs.frozen
class Running:
    """A load generator at work."""

    process: subprocess.Popen[str]
    seconds: float

    def result(self) -> str:
        """What it printed, once it has ended."""
        try:
            output, _ = self.process.communicate(timeout=self.seconds + GRACE)
        except BaseException:
            self.process.kill()
            raise
        if self.process.returncode:
            raise click.ClickException(f"{self.process.args!r} failed:\n{output}")
        return output


def run(command: Sequence[str], seconds: float) -> Running:
    """Start a load generator, which ends by itself after so long."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    return Running(process, seconds)


def wrk(target: Target, clients: int, seconds: int, rate: float = 0) -> Answers:
    """Order as fast as answers come, or at a rate if one is given."""
    command = [find_wrk(), "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout=30s"]
    command += ["-s", str(SCRIPTS / "orders.lua"), f"http://127.0.0.1:{target.port}/v1/api/order"]
    command += ["--", "1", str(target.products), str(target.stride), str(rate), str(target.first)]
    output = run(command, seconds).result()
    return Answers(**json.loads(output.splitlines()[-1]))


def open_loop(target: Target, rate: float, seconds: float) -> Running:
    """Order at a rate, and measure latency from when each order was due."""
    command = [sys.executable, str(OPEN_LOOP), f"--port={target.port}", f"--rate={rate}"]
    command += [f"--seconds={seconds}", f"--products={target.products}"]
    return run(command, seconds)


def open_loop_result(running: Running) -> dict[str, Any]:
    """Its JSON."""
    result: dict[str, Any] = json.loads(running.result().splitlines()[-1])
    return result


def pgbench(url: str, script: str, seconds: int, **variables: int) -> tuple[float, int]:
    """Transactions a second, and how many there were, of 16 clients."""
    clients = [f"-c{PGBENCH_CLIENTS}", "-j2"]
    output = _pgbench(url, script, seconds, clients, variables)
    rate = re.search(r"tps = ([\d.]+)", output)
    count = re.search(r"actually processed: (\d+)", output)
    if rate is None or count is None:
        raise click.ClickException(f"pgbench did not say how fast it was:\n{output}")
    return float(rate[1]), int(count[1])


def pgbench_alone(
    url: str, script: str, seconds: int, folder: Path, **variables: int
) -> list[float]:
    """Milliseconds of each transaction of one client; `folder` is for pgbench's log."""
    for old in folder.glob("pgbench.*"):
        old.unlink()
    log = ["-c1", "-j1", "--log", f"--log-prefix={folder / 'pgbench'}"]
    _pgbench(url, script, seconds, log, variables)
    [file] = folder.glob("pgbench.*")
    # Its third column is microseconds (postgresql.org/docs/current/pgbench.html).
    return [int(line.split()[2]) / 1000 for line in file.read_text().splitlines()]


def _pgbench(
    url: str, script: str, seconds: int, options: Sequence[str], variables: Mapping[str, int]
) -> str:
    command = [find_pgbench(), "-n", "-M", "prepared", *options]
    command += [f"-T{seconds}", "-f", str(SCRIPTS / script)]
    for name, value in variables.items():
        command.append(f"-D{name}={value}")
    return run([*command, url], seconds).result()


def find_wrk() -> str:
    """Return the path of wrk; as root on Debian, install it first where it is missing."""
    found = shutil.which("wrk", path=PATH)
    if found is None and install("wrk"):
        found = shutil.which("wrk", path=PATH)
    if found is None:
        raise click.ClickException("the benchmark needs wrk: install it (package wrk)")
    return found


def find_pgbench() -> str:
    """Return the path of pgbench, which comes with PostgreSQL's server."""
    places = [PATH] if (folder := find_postgresql()) is None else [str(folder), PATH]
    found = shutil.which("pgbench", path=os.pathsep.join(places))
    if found is None:
        raise click.ClickException("the benchmark needs pgbench: install PostgreSQL's programs")
    return found

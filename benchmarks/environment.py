"""Where and with what was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from json import loads
from pathlib import Path

import psutil
import psycopg

from generators import find_wrk
from order_aggregator.adapters.system.settings import read_settings
from stage import Stage

PACKAGES = (
    "gunicorn",
    "uvloop",
    "httptools",
    "flask",
    "flask-smorest",
    "psycopg",
    "pika",
    "sqlalchemy",
)
POSTGRESQL_SETTINGS = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
)
ROOT = Path(__file__).parents[1]


def describe(stage: Stage) -> dict[str, str]:
    """The machine, the versions and the settings."""
    settings = read_settings({})
    broker = loads(stage.broker.api.call("GET", "/overview"))
    with psycopg.connect(stage.maintenance_url) as connection:
        postgresql = {
            name: str(connection.execute(f"SHOW {name}".encode()).fetchall()[0][0])
            for name in ("server_version", *POSTGRESQL_SETTINGS)
        }
    chosen = ", ".join(f"{name} {postgresql[name]}" for name in POSTGRESQL_SETTINGS)
    return {
        "Date": datetime.now(UTC).date().isoformat(),
        "Commit": _commit(),
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "Memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "System": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": f"{postgresql['server_version']} ({chosen})",
        "RabbitMQ": f"{broker['rabbitmq_version']}, quorum queue on one node",
        "Packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "wrk": _wrk_version(),
        "Settings": (
            f"defaults: {settings.api_processes} API processes of {settings.api_threads} threads,"
            f" log level {settings.log_level}, one worker"
        ),
    }


def _commit() -> str:
    commit = _output("git", "rev-parse", "--short=12", "HEAD")
    changed = _output("git", "status", "--porcelain", "--untracked-files=no")
    return f"{commit}, with changes" if changed else commit


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2] if names else platform.processor()


def _wrk_version() -> str:
    # It says so, and then that it was used wrongly.
    return _output(find_wrk(), "-v").splitlines()[0].removeprefix("wrk ").split(" [")[0]


def _output(*command: str) -> str:
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip()

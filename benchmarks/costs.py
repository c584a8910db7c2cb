"""What orders cost: CPU by group of processes, WAL, fsyncs and commits."""

from __future__ import annotations

import resource
from collections.abc import Iterable, Mapping

import attrs
import psutil
import psycopg

from server_processes import Program, Server

WAL = "SELECT pg_current_wal_lsn() - '0/0'"
COMMITS = "SELECT coalesce(sum(xact_commit), 0) FROM pg_stat_database WHERE datname = %s"
SYNCS = "SELECT wal_sync FROM pg_stat_wal"
# From PostgreSQL 18 on.
SYNCS_18 = "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"
VERSION_18 = 180_000


@attrs.frozen(kw_only=True)
class Spent:
    """Counters that only grow; what was spent is the difference of two of them."""

    cpu: Mapping[str, float]
    wal_bytes: float
    syncs: float
    commits: float

    def per_order(self, before: Spent, orders: int) -> dict[str, float]:
        """Figures of an arm."""
        cpu = {
            f"cpu_ms.{group}": (seconds - before.cpu.get(group, 0.0)) * 1000 / orders
            for group, seconds in self.cpu.items()
        }
        return {
            **cpu,
            "wal_bytes": (self.wal_bytes - before.wal_bytes) / orders,
            "fsyncs": (self.syncs - before.syncs) / orders,
        }


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all that descend from it, also of those that have ended."""
    process = psutil.Process(pid)
    return sum(map(_own_and_reaped, [process, *process.children(recursive=True)]))


def _own_and_reaped(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def memory(pids: Iterable[int]) -> float:
    """Bytes that these processes and their descendants take, what they share counted once (PSS)."""
    processes = [psutil.Process(pid) for pid in pids]
    everyone = {p.pid: p for root in processes for p in (root, *root.children(recursive=True))}
    return float(sum(process.memory_full_info().pss for process in everyone.values()))


def load_generator_seconds() -> float:
    """CPU time of our own children that have ended: during a measurement, load generators only."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pid_of(server: Server) -> int | None:
    """None if it runs in a container, where its processes are not ours to look at."""
    return server.runner.pid if isinstance(server.runner, Program) else None


def database_counters(maintenance_url: str, database: str) -> tuple[float, float, float]:
    """WAL bytes and syncs of the server, commits of the database."""
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        new = connection.info.server_version >= VERSION_18
        cursor = connection.cursor()
        wal = cursor.execute(WAL).fetchone()
        syncs = cursor.execute(SYNCS_18 if new else SYNCS).fetchone()
        commits = cursor.execute(COMMITS, (database,)).fetchone()
    assert wal
    assert syncs
    assert commits
    return float(wal[0]), float(syncs[0]), float(commits[0])

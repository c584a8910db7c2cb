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

    # Seconds, by group of processes.
    cpu: Mapping[str, float]
    # What the database server counts. What it does not write at once, as `commits` and `fsyncs`,
    # is complete when the connections are closed.
    counted: Mapping[str, float] = attrs.field(factory=dict)

    def per_order(self, before: Spent, orders: int, *names: str) -> dict[str, float]:
        """CPU milliseconds; and of what the server counts, these."""
        cpu = {
            f"cpu_ms.{group}": (seconds - before.cpu.get(group, 0.0)) * 1000 / orders
            for group, seconds in self.cpu.items()
        }
        return cpu | self.counted_per_order(before, orders, *names)

    def counted_per_order(self, before: Spent, orders: int, *names: str) -> dict[str, float]:
        """Of what the server counts, these; a file counts nothing."""
        if not self.counted:
            return {}
        return {n: (self.counted[n] - before.counted[n]) / orders for n in names}


def spent(pids: Mapping[str, int], counted: Mapping[str, float] | None = None) -> Spent:
    """What these processes have spent so far, and our load generators."""
    cpu = {group: cpu_seconds(pid) for group, pid in pids.items()}
    cpu["load generator"] = load_generator_seconds()
    return Spent(cpu=cpu, counted=counted or {})


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


def database_counters(maintenance_url: str, database: str) -> dict[str, float]:
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
    return {
        "wal_bytes": float(wal[0]),
        "fsyncs": float(syncs[0]),
        "commits": float(commits[0]),
    }

"""What a process tells of its connections to the database, and of what it commits there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from prometheus_client import Counter, Gauge
from sqlalchemy import Engine, QueuePool

from ...adapters.sql.commits import take_commits
from ...adapters.sql.engine import POOL_OVERFLOW, POOL_SIZE

# Seconds. Asking costs nothing; processes that share their metrics cannot be asked by one another.
LOOK_EVERY = 1.0

IN_USE = Gauge(
    "order_database_connections_in_use",
    "Connections to the database in use.",
    multiprocess_mode="livesum",
)
LIMIT = Gauge(
    "order_database_connections_limit",
    "Connections to the database that there may be.",
    multiprocess_mode="livesum",
)

COMMITS = Counter("order_aggregator_commits", "Transactions committed to the database.")


@contextmanager
def database_watched(engine: Engine) -> Iterator[None]:
    """Tell of the engine's pool, and of commits, meanwhile."""
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        yield
        return
    LIMIT.set(POOL_SIZE + POOL_OVERFLOW)
    stop = Event()

    def look() -> None:
        while not stop.wait(LOOK_EVERY):
            IN_USE.set(pool.checkedout())
            COMMITS.inc(take_commits())

    thread = Thread(target=look, name="pool", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        COMMITS.inc(take_commits())

"""The servers, their databases, and the product on them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import attrs
import psycopg

from costs import Spent, database_counters, pid_of, spent
from server_processes import Server
from servers import Broker, postgres, rabbitmq
from service import Service

# Empty is unset: the product runs with its defaults, whatever the caller's shell has set.
DEFAULTS = dict.fromkeys(
    (
        "API_PROCESSES",
        "API_THREADS",
        "ALLOCATION_POLICY",
        "BROKER_URL",
        "HOST",
        "LOG_LEVEL",
        "MAX_ATTEMPTS",
        "RESEND_AFTER",
        "RETRY_DELAY",
        "VENDORS_FILE",
    ),
    "",
)


@attrs.define(kw_only=True)
class Stage:
    """PostgreSQL and RabbitMQ, and the databases that were made on them."""

    postgres: Server
    broker: Broker
    folder: Path
    made: set[str] = attrs.field(factory=set)
    _count: int = 0

    def url(self, database: str) -> str:
        """For libpq."""
        plain = self.postgres.url.replace("+psycopg", "", 1)
        return urlunsplit(urlsplit(plain)._replace(path=f"/{database}"))

    @property
    def maintenance_url(self) -> str:
        """Of a database that no arm uses."""
        return self.url("postgres")

    def once(self, name: str, fill: Callable[[str], None]) -> str:
        """A database with the product's tables, made and filled when it is first asked for."""
        if name not in self.made:
            self._administer(f"CREATE DATABASE {name}")
            self._migrate(name)
            fill(self.url(name))
            self.made.add(name)
        return name

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """A database that begins as a copy; gives its name."""
        self._count += 1
        name = f"arm_{self._count}"
        self._administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    def spent(self, database: str, pids: Mapping[str, int]) -> Spent:
        """By both servers and by these processes."""
        servers = {"postgresql": self.postgres, "rabbitmq": self.broker}
        found = {name: pid for name, server in servers.items() if (pid := pid_of(server))}
        return spent({**pids, **found}, database_counters(self.maintenance_url, database))

    def settle_disks(self) -> None:
        """Write out what was written so far, so that the next arm does not have to."""
        self._administer("CHECKPOINT")
        os.sync()

    def _migrate(self, database: str) -> None:
        with Service(self.folder, self.settings(database)) as service:
            migrated = service.call("migrate")
            assert migrated.returncode == 0, migrated.stdout + migrated.stderr

    def settings(self, database: str, broker_url: str = "") -> dict[str, str]:
        """Of the product on this database."""
        url = self.url(database).replace("postgresql", "postgresql+psycopg", 1)
        return {**DEFAULTS, "DATABASE_URL": url, "BROKER_URL": broker_url}

    def _administer(self, statement: str) -> None:
        with psycopg.connect(self.maintenance_url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def stage() -> Iterator[Stage]:
    """Start the servers; end them."""
    with (
        postgres() as database_server,
        rabbitmq() as broker,
        tempfile.TemporaryDirectory(prefix="order-aggregator-bench-") as folder,
    ):
        yield Stage(postgres=database_server, broker=broker, folder=Path(folder))

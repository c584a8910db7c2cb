"""The product as its users run it, with what a measurement needs to know of it."""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import click
import psycopg

from costs import Spent, memory, spent
from generators import Answers, Target, wrk
from service import COMMAND, Service, eventually
from stage import DEFAULTS, Stage

SETTLE_WITHIN = 300.0
VERIFY_WITHIN = 1_200.0


class WrongAnswer(click.ClickException):
    """The product was fast but wrong."""


class Product(Service):
    """A service whose log is long."""

    def said(self) -> str:
        """The end of what the processes have written."""
        return super().said()[-2_000:]


@attrs.define(kw_only=True)
class Deployment:
    """Processes of the product on a database of which it can be asked what is stored."""

    service: Product
    # The first column of the first row of a query's result.
    value: Callable[[str], Any]
    # Without these, only the processes' CPU is counted.
    stage: Stage | None = None
    database: str = ""
    # Which of the stored orders were placed here.
    ours: str = "true"
    processes: dict[str, subprocess.Popen[bytes]] = attrs.field(factory=dict)
    answered: int = 0
    # Orders that may have been accepted without our having seen the answer.
    unseen: int = 0

    @property
    def port(self) -> int:
        """Of the API."""
        return int(self.service.environment["PORT"])

    def start(self, *commands: str) -> None:
        """Start commands of the product as users do, and wait for its API."""
        for command in commands:
            self.processes[command] = self.service.start_program(*COMMAND, command)
        if "api" in commands:
            self.service.wait_until_ready()

    def order(
        self, target: Target, clients: int, seconds: int, rate: float = 0, *, sold_out: bool = False
    ) -> Answers:
        """Have wrk order, and remember what it was promised."""
        answers = wrk(target, clients, seconds, rate)
        decided = answers.refused if sold_out else answers.accepted
        if answers.errors or decided + answers.unavailable != answers.total:
            raise WrongAnswer(f"not every order was answered as it should be: {answers}")
        self.answered += answers.accepted
        self.unseen += clients
        return answers

    def spent(self) -> Spent:
        """What has been spent so far."""
        pids = {name: process.pid for name, process in self.processes.items()}
        return self.stage.spent(self.database, pids) if self.stage else spent(pids)

    def memory_mb(self) -> float:
        """Of all processes of the product."""
        return memory(process.pid for process in self.processes.values()) / 1e6

    def stored(self) -> int:
        """Orders placed here."""
        return int(self.value(f"SELECT count(*) FROM orders WHERE {self.ours}"))

    def wait_until_sent(self) -> None:
        """Wait until the outbox is empty."""
        self._wait("SELECT count(*) FROM outbox")

    def wait_until_fulfilled(self) -> None:
        """Wait until no order is reserved any more."""
        # In the words of the index.
        self._wait(f"SELECT count(*) FROM orders WHERE status <> 'fulfilled' AND {self.ours}")

    def _wait(self, count: str) -> None:
        eventually(lambda: self.value(count) == 0, SETTLE_WITHIN, count)

    def stop(self) -> None:
        """End all processes; none of them may have ended before."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise WrongAnswer(f"{name} ended with status {process.returncode}")
            process.terminate()
        for process in self.processes.values():
            process.wait(60)
        self.processes.clear()

    def check(self, *, ledger: bool = True) -> None:
        """Raise WrongAnswer unless what is stored is what was promised."""
        unanswered = self.stored() - self.answered
        if not 0 <= unanswered <= self.unseen:
            raise WrongAnswer(f"{self.answered} orders were accepted, but {self.stored()} stored")
        oversold = "SELECT count(*) FROM central_stock WHERE reserved > on_hand OR on_hand < 0"
        if self.value(oversold):
            raise WrongAnswer("more was sold than there was")
        if ledger:
            verify(self.service)


def verify(service: Service) -> None:
    """Raise WrongAnswer unless every balance agrees with the ledger."""
    verified = service.call("verify", timeout=VERIFY_WITHIN)
    if verified.returncode:
        raise WrongAnswer(f"verify found:\n{verified.stdout[:4_000]}{verified.stderr[-4_000:]}")


@contextmanager
def on_postgresql(
    stage: Stage, database: str, *, in_place: bool, broker: bool
) -> Iterator[Deployment]:
    """A deployment on this database, and on an empty virtual host; nothing runs yet."""
    folder = stage.folder / database
    folder.mkdir(exist_ok=True)
    ours = f"id >= '{_lowest_id_from_now()}'" if in_place else "true"
    with (
        stage.broker.virtual_host() as broker_url,
        # In a transaction it would keep a snapshot, and PostgreSQL every old version of a row.
        psycopg.connect(stage.url(database), autocommit=True) as connection,
        Product(folder, stage.settings(database, broker_url if broker else "")) as service,
    ):
        yield Deployment(
            service=service,
            value=lambda query: _first(connection.execute(query.encode()).fetchone()),
            stage=stage,
            database=database,
            ours=ours,
        )


@contextmanager
def on_sqlite(parent: Path, fill: Callable[[Path], None]) -> Iterator[Deployment]:
    """A deployment on a new SQLite file without a broker; nothing runs yet."""
    with tempfile.TemporaryDirectory(prefix="embedded-", dir=parent) as name:
        folder = Path(name)
        file = folder / "orders.db"
        with Product(folder, {**DEFAULTS, "DATABASE_URL": f"sqlite:///{file}"}) as service:
            migrated = service.call("migrate")
            assert migrated.returncode == 0, migrated.stderr
            fill(file)
            with closing(sqlite3.connect(file)) as connection:
                yield Deployment(
                    service=service,
                    value=lambda query: _first(connection.execute(query).fetchone()),
                )


def _first(row: tuple[Any, ...] | None) -> Any:
    assert row is not None
    return row[0]


def _lowest_id_from_now() -> str:
    """What every UUIDv7 made from now on is above."""
    digits = f"{int(time.time() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"

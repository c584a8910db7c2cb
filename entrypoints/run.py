"""Everything in one command: mock vendors and sync in this process, API and worker in their own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from ssl import SSLContext
from threading import Event
from time import monotonic

import attrs
import click

from ..adapters.system.log import Log
from ..adapters.system.settings import Settings, masked
from ..domain.access import EVENTS_READ, ORDERS_WRITE, STOCK_READ
from ..domain.errors import Conflict, OrderAggregatorError, StorageUnavailable, Unavailable
from ..domain.ports.read_model import ReadModel, StockLevel
from ..domain.use_cases.token_actions import TokenActions
from .demo.serving import mock_vendors
from .runtime.retry import retry_until_available
from .runtime.signals import PARENT
from .runtime.tls import own_address, own_trust

log = Log()

READY_WITHIN = 30.0
STOP_WITHIN = 20.0
RESTART_DELAY = 1.0
STOP_CHECK = 0.2
# Seconds that the welcome waits for something that can be ordered.
EXAMPLE_WITHIN = 3.0
# Products among which one is looked for to be shown.
EXAMPLES = 1000
# Of the demo's own token: what its mock vendors ask for, and a buyer. Should it be left behind by
# what was killed, it ends by itself.
DEMO_SCOPES = (ORDERS_WRITE, STOCK_READ, EVENTS_READ)
DEMO_LIFETIME = timedelta(days=30)


class StartFailed(OrderAggregatorError):
    """The service did not come up."""


@attrs.define
class ChildProcess:
    """One of this program's other commands, run as a process and restarted when it dies."""

    command: str
    # Variables beside those that we have ourselves.
    environment: Mapping[str, str] = attrs.field(factory=dict)
    _process: subprocess.Popen[bytes] = attrs.field(init=False)
    _restart_at: float | None = attrs.field(init=False, default=None)

    def start(self) -> None:
        """Start it in a session of its own: a Ctrl-C reaches it through us, in good order."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "order_aggregator.entrypoints.cli", self.command],
            env={**os.environ, **self.environment, PARENT: str(os.getpid())},
            start_new_session=True,
        )

    def require_alive(self) -> None:
        """Raise StartFailed if it has ended: what cannot start even once, no restart mends."""
        status = self._process.poll()
        if status is not None:
            raise StartFailed(f"{self.command} ended with status {status} before all was ready")

    def keep_alive(self) -> None:
        """Start it again, a little later, if it has died."""
        status = self._process.poll()
        if status is None:
            return
        if self._restart_at is None:
            log.error("process.died", command=self.command, status=status)
            self._restart_at = monotonic() + RESTART_DELAY
        elif monotonic() >= self._restart_at:
            self._restart_at = None
            self.start()

    def stop(self) -> None:
        """Ask it to end; end it if it does not."""
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            log.error("process.killed", command=self.command, after_seconds=STOP_WITHIN)
            self._process.kill()
            self._process.wait()


@contextmanager
def children(commands: list[str], environment: Mapping[str, str]) -> Iterator[list[ChildProcess]]:
    """These commands as processes, stopped in the same order at the end."""
    started: list[ChildProcess] = []
    try:
        for command in commands:
            child = ChildProcess(command, environment)
            child.start()
            started.append(child)
        yield started
    finally:
        for child in started:
            child.stop()


@contextmanager
def _demo_token(tokens: TokenActions, stop: Event) -> Iterator[str]:
    """A token that the demo has while it runs. Where the API is open, it stays so."""
    made = retry_until_available(
        lambda: tokens.create("demo", DEMO_SCOPES, DEMO_LIFETIME, of_demo=True),
        stop,
        "demo.waiting",
    )
    try:
        yield made[1]
    finally:
        with suppress(Unavailable, Conflict):
            tokens.remove_of_demo()


def run(
    settings: Settings,
    tokens: TokenActions,
    sync_loop: AbstractContextManager[None],
    read_model: ReadModel,
    stop: Event,
    *,
    options: Mapping[str, str],
) -> None:
    """Run everything until told to stop. The storage is migrated already.

    `options`: by variable, what was set on the command line, for the other processes, too.
    Orders are accepted at once, while the vendors are synced.
    """
    address = own_address(settings)
    is_demo = settings.vendors_file is None
    with (
        _demo_token(tokens, stop) if is_demo else nullcontext() as token,
        mock_vendors(settings, api=address, token=token) if is_demo else nullcontext(),
        children(["api", "worker"], options) as processes,
        sync_loop,
    ):
        _wait_until_ready(address, own_trust(settings), processes, stop)
        if not stop.is_set():
            example = _first_stock(read_model, stop)
            click.echo(_welcome(address, settings, read_model, example, token))
        while not stop.wait(STOP_CHECK):
            for process in processes:
                process.keep_alive()
    click.echo("Stopped.")


def _wait_until_ready(
    address: str, trust: SSLContext | None, processes: Iterable[ChildProcess], stop: Event
) -> None:
    end = monotonic() + READY_WITHIN
    while not stop.wait(STOP_CHECK):
        for process in processes:
            process.require_alive()
        try:
            urllib.request.urlopen(f"{address}/readyz", timeout=5, context=trust).close()  # noqa: S310
        except OSError as error:
            if monotonic() > end:
                raise StartFailed(f"the API at {address} is not ready: {error}") from error
        else:
            return


def _first_stock(read_model: ReadModel, stop: Event) -> StockLevel | None:
    """An example from what the first vendors report, if they do so soon."""
    end = monotonic() + EXAMPLE_WITHIN
    while True:
        try:
            example = _in_stock(read_model)
        except StorageUnavailable:
            example = None
        if example or monotonic() > end or stop.wait(STOP_CHECK):
            return example


def _in_stock(read_model: ReadModel) -> StockLevel | None:
    """Of the first products, the one of which most can be ordered."""
    levels = read_model.stock(offset=0, limit=EXAMPLES).items
    best = max(levels, key=lambda level: level.available, default=None)
    return best if best and best.available > 0 else None


def _welcome(
    address: str,
    settings: Settings,
    read_model: ReadModel,
    example: StockLevel | None,
    token: str | None,
) -> str:
    storage = masked(settings.database_url).rpartition("@")[2].removeprefix("sqlite:///")
    queue = "RabbitMQ" if settings.broker_url else "its outbox table is the queue"
    order = f"\n  Order       {_order_call(address, example)}" if example else ""
    its_token = f"\n  Token       {token} (while this runs)" if token else ""
    return f"""
Order Aggregator is running. Data: {storage} ({queue}).
Syncing {_vendor_count(read_model)} every {settings.sync_interval.total_seconds():g} seconds.

  Dashboard   {address}/dashboard
  Swagger UI  {address}/v1/api/swagger
  See stock   curl -s {address}/v1/api/stock{order}{its_token}

Ctrl-C stops it."""


def _vendor_count(read_model: ReadModel) -> str:
    try:
        count = read_model.vendors(0, 1).total
    except StorageUnavailable:
        return "vendors"
    return "1 vendor" if count == 1 else f"{count} vendors"


def _order_call(address: str, example: StockLevel) -> str:
    body = {"product_id": example.product_id, "quantity": min(2, example.available)}
    headers = "-H 'Content-Type: application/json'"
    return f"curl -s {address}/v1/api/order {headers} -d {shlex.quote(json.dumps(body))}"

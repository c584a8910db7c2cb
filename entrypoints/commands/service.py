"""Commands that run the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING

import attrs
import click

from ...adapters.system.log import Log
from ...adapters.system.settings import InvalidSetting, Settings, seconds
from ...domain.errors import Conflict, Unavailable
from ...domain.ports.process_registry import ProcessKind
from ..runtime.gc_tuning import reduce_gc
from ..runtime.listening import is_loopback, require_free_port
from ..runtime.logs import configure_logs
from ..runtime.retry import retry_until_available
from ..runtime.signals import exit_with_parent, stop_on_signals
from ..runtime.tls import server_context
from ..runtime.tracing import tracing
from .base import YES, chosen_settings, cli, options_here, recorded, set_up, settings_options, start
from .database import migrate_up
from .vendors import take_off_sale

if TYPE_CHECKING:
    from ...bootstrap import Container
    from ..sync import Vendors


log = Log()


class _Seconds(click.ParamType[timedelta]):
    """A span of time, with the limits that settings have."""

    name = "seconds"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        try:
            return seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _preflight(container: Container) -> None:
    """Say here, once, what each process that is to be started would else say."""
    container.storage()
    container.bus()
    container.event_publisher()
    container.vendor_gateways()
    container.policy()
    container.identity_provider()
    server_context(container.settings())


def _is_open(settings: Settings, container: Container) -> bool:
    """Whether anyone may call the API. Raises InvalidSetting where nobody has said that they may.

    A storage that is away does not keep us from starting: nobody is let in before it answers.
    """
    if container.identity_provider() is not None:
        return False
    may_be_open = settings.open_to_everybody or is_loopback(settings.host)
    try:
        tokens = container.storage().access_tokens.all()
    except (Unavailable, Conflict):
        return may_be_open
    if any(not token.of_demo for token in tokens):
        return False
    if may_be_open:
        return True
    raise InvalidSetting(
        "HOST",
        f"{settings.host} can be reached from other machines, and nobody has a token yet: make one "
        "(order-aggregator token create --name me --scope admin), set JWT_ISSUER, or say "
        "OPEN_TO_EVERYBODY=yes",
    )


@contextmanager
def _sync_loop(
    container: Container, vendors: Vendors, every: timedelta, stop: Event
) -> Iterator[None]:
    from ..sync import syncing

    with (
        syncing(container.sync_vendor(), vendors, every, stop, container.plan_sync()),
        container.heartbeat(ProcessKind.SYNC, stop).running(),
    ):
        try:
            yield
        finally:
            stop.set()


@contextmanager
def _monitored(settings: Settings, container: Container) -> Iterator[None]:
    """Serve the metrics of this process meanwhile, if that is set."""
    from ..monitoring.server import serving_metrics

    with (
        serving_metrics(settings.metrics_host, settings.metrics_port),
        container.database_watch(),
    ):
        yield


def _mock_ports(settings: Settings) -> range:
    from ..demo.feeds import MOCK_FEEDS

    first = settings.mock_vendors_port
    return range(first, first + len(MOCK_FEEDS))


def _refuse_mock_port_of_api(settings: Settings) -> None:
    """Nobody listens yet, so each of them would find the port free."""
    ports = _mock_ports(settings)
    if settings.port in ports:
        raise InvalidSetting(
            "MOCK_VENDORS_PORT",
            f"the mock vendors take {ports[0]} to {ports[-1]}, but {settings.port} is PORT",
        )


def _metrics_port_of_run(settings: Settings) -> int:
    """Where `run` serves its own: the port after that of its worker. Raises InvalidSetting."""
    first = settings.metrics_port
    if first == 0:
        return 0
    taken = {settings.port}
    if settings.vendors_file is None:
        taken.update(_mock_ports(settings))
    if found := taken.intersection((first, first + 1)):
        raise InvalidSetting(
            "METRICS_PORT", f"`run` takes {first} and {first + 1}, but {min(found)} is taken"
        )
    require_free_port(settings.metrics_host, first, "METRICS_HOST", "METRICS_PORT")
    return first + 1


def _refuse_taken_mock_ports(settings: Settings, host: str, host_setting: str) -> None:
    for port in _mock_ports(settings):
        require_free_port(host, port, host_setting, "MOCK_VENDORS_PORT")


@cli.command()
@settings_options(
    "host",
    "port",
    "tls_cert",
    "tls_key",
    "log_level",
    "api_processes",
    "rate_limit",
    "sync_interval",
    "vendors_file",
)
def run() -> None:
    """Run everything: mock vendors, sync, API, relay and worker."""
    from ..run import run

    settings, container, stop = start()
    require_free_port(settings.host, settings.port)
    _preflight(container)
    container.gateways()
    if settings.vendors_file is None:
        _refuse_mock_port_of_api(settings)
        _refuse_taken_mock_ports(settings, settings.mock_vendors_host, "MOCK_VENDORS_HOST")
    metrics_port = _metrics_port_of_run(settings)
    migrate_up(container, stop)
    _is_open(settings, container)
    with _monitored(attrs.evolve(settings, metrics_port=metrics_port), container):
        run(
            settings,
            container.token_actions(),
            _sync_loop(container, container.vendor_gateways(), settings.sync_interval, stop),
            container.read_model(),
            stop,
            options=options_here(),
        )


@cli.command()
@settings_options(
    "host",
    "port",
    "tls_cert",
    "tls_key",
    "log_level",
    "api_processes",
    "api_threads",
    "rate_limit",
    "metrics_dir",
    "trusted_proxies",
    "backlog_limit",
)
def api() -> None:
    """Serve the HTTP API; also relays what it accepts."""
    from ..serving.processes import serve

    # Until the server itself hears signals, they end the process as they end any other.
    settings, container = set_up()
    _preflight(container)
    require_free_port(settings.host, settings.port)
    if _is_open(settings, container):
        log.warning("api.open", until="a token is made: order-aggregator token create")
    serve(settings)


@cli.command()
@settings_options("log_level", "allocation_policy", "max_attempts", "retry_delay")
def worker() -> None:
    """Fulfil accepted orders from the queue. Run any number."""
    settings, container, stop = start()
    ready = container.worker(stop=stop)
    reduce_gc()
    with tracing("worker"), _monitored(settings, container):
        ready.run()


@cli.command()
@settings_options("log_level", "events_exchange", "resend_after")
def relay() -> None:
    """Send accepted orders to the broker. Run any number."""
    settings, container, stop = start()
    if settings.broker_url is None:
        raise InvalidSetting("BROKER_URL", "must be set; without a broker nothing is relayed")
    ready = container.relay(stop=stop)
    with tracing("relay"), _monitored(settings, container):
        ready.run()


@cli.command()
@settings_options("log_level", "vendors_file")
@click.option("--every", type=_Seconds(), help="Go on, at this interval in seconds.")
@click.option("--vendor", "vendor_id", help="Only this vendor.")
@click.option("--retire", "retired_id", help="Take a former vendor's stock off sale, instead.")
@YES
def sync(
    *, every: timedelta | None, vendor_id: str | None, retired_id: str | None, yes: bool
) -> None:
    """Pull the vendors' stock; exit status 1 if a feed could not be had, or was an older one."""
    from ..sync import OneVendor, is_well, sync_each

    if vendor_id is not None and retired_id is not None:
        raise click.UsageError("--vendor and --retire each name the only vendor: give one of them")
    settings, container, stop = start()
    # What is wrong with the mock vendors is said before the database is waited for.
    container.gateways()
    vendors: Vendors = container.vendor_gateways()
    if vendor_id is not None:
        gateways = retry_until_available(vendors.enabled, stop, "sync.waiting")
        if vendor_id not in gateways:
            raise click.BadParameter(f"must be one of {', '.join(gateways)}", param_hint="--vendor")
        vendors = OneVendor(vendors, vendor_id)
    if retired_id is not None:
        with recorded(retired_id):
            take_off_sale(container, retired_id, yes=yes)
        return
    if every is not None:
        with _monitored(settings, container), _sync_loop(container, vendors, every, stop):
            stop.wait()
        return
    outcomes = retry_until_available(
        lambda: sync_each(container.sync_vendor(), vendors.enabled().values(), stop),
        stop,
        "sync.waiting",
    )
    if not all(map(is_well, outcomes.values())):
        raise SystemExit(1)


@cli.command("mock-vendors")
@settings_options(
    "host", "log_level", "mock_vendors_port", "mock_vendors_lively", "mock_vendors_api"
)
def mock_vendors() -> None:
    """Serve three vendors' stock feeds, each in its own shape."""
    from ..demo import serving

    settings = chosen_settings()
    configure_logs(settings.log_level, settings.log_format)
    stop = stop_on_signals()
    exit_with_parent()
    _refuse_taken_mock_ports(settings, settings.host, "HOST")
    with serving.mock_vendors(settings, settings.host) as vendors:
        click.echo("\n".join(vendors.urls.values()))
        stop.wait()

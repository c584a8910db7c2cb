"""The command line: `order-aggregator <command>`."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from uuid import UUID

import attrs
import click

from ..adapters.system.settings import InvalidSetting, Settings, read_settings, seconds
from ..domain.errors import OrderAggregatorError
from ..domain.order import OrderStatus
from ..domain.webhooks import EVERYTHING
from .runtime.gc_tuning import reduce_gc
from .runtime.listening import require_free_port
from .runtime.logs import configure_logs
from .runtime.retry import ShutdownRequested, retry_until_available
from .runtime.signals import exit_with_parent, stop_on_signals

_STATUSES = [status.value for status in OrderStatus]

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..bootstrap import Container
    from ..domain.order import Order
    from .sync import Vendors


class _Commands(click.Group):
    """Turns the errors that a user can mend into one clear line."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ShutdownRequested:
            ctx.exit(0)
        except (OrderAggregatorError, OSError) as error:
            raise click.ClickException(str(error)) from error


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


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="order-aggregator")
def cli() -> None:
    """Sell many vendors' stock as one. Settings are environment variables: see the README."""


def _start() -> tuple[Settings, Container, Event]:
    stop = stop_on_signals()
    settings, container = _set_up()
    return settings, container, stop


def _set_up() -> tuple[Settings, Container]:
    settings = read_settings()
    configure_logs(settings.log_level)
    exit_with_parent()
    from ..bootstrap import bootstrap

    return settings, bootstrap(settings)


def _preflight(container: Container) -> None:
    """Say here, once, what each process that is to be started would else say."""
    container.storage()
    container.bus()
    container.vendor_gateways()
    container.policy()


def _sync_loop(
    container: Container, vendors: Vendors, every: timedelta, stop: Event
) -> AbstractContextManager[None]:
    from .sync import syncing

    return syncing(container.sync_vendor(), vendors, every, stop, container.plan_sync())


def _mock_ports(settings: Settings) -> range:
    from .demo.feeds import MOCK_FEEDS

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


def _refuse_taken_mock_ports(settings: Settings, host: str, host_setting: str) -> None:
    for port in _mock_ports(settings):
        require_free_port(host, port, host_setting, "MOCK_VENDORS_PORT")


@cli.command()
def run() -> None:
    """Run everything: mock vendors, sync, API, relay and worker."""
    from .run import run

    settings, container, stop = _start()
    require_free_port(settings.host, settings.port)
    _preflight(container)
    container.gateways()
    if settings.vendors_file is None:
        _refuse_mock_port_of_api(settings)
        _refuse_taken_mock_ports(settings, settings.mock_vendors_host, "MOCK_VENDORS_HOST")
    retry_until_available(container.migrate, stop, "migrate.waiting")
    run(
        settings,
        _sync_loop(container, container.vendor_gateways(), settings.sync_interval, stop),
        container.read_model(),
        stop,
    )


@cli.command()
def api() -> None:
    """Serve the HTTP API; also relays what it accepts."""
    from .serving.processes import serve

    # Until the server itself hears signals, they end the process as they end any other.
    settings, container = _set_up()
    _preflight(container)
    serve(settings)


@cli.command()
def worker() -> None:
    """Fulfil accepted orders from the queue. Run any number."""
    _, container, stop = _start()
    ready = container.worker(stop=stop)
    reduce_gc()
    ready.run()


@cli.command()
def relay() -> None:
    """Send accepted orders to the broker. Run any number."""
    settings, container, stop = _start()
    if settings.broker_url is None:
        raise InvalidSetting("BROKER_URL", "must be set; without a broker nothing is relayed")
    container.relay(stop=stop).run()


@cli.command()
@click.option("--every", type=_Seconds(), help="Go on, at this interval in seconds.")
@click.option("--vendor", "vendor_id", help="Only this vendor.")
@click.option("--retire", "retired_id", help="Take a former vendor's stock off sale, instead.")
def sync(every: timedelta | None, vendor_id: str | None, retired_id: str | None) -> None:
    """Pull the vendors' stock; exit status 1 if a feed could not be had, or was an older one."""
    from .sync import OneVendor, is_well, sync_each

    if vendor_id is not None and retired_id is not None:
        raise click.UsageError("--vendor and --retire each name the only vendor: give one of them")
    _, container, stop = _start()
    # What is wrong with the mock vendors is said before the database is waited for.
    container.gateways()
    vendors: Vendors = container.vendor_gateways()
    if vendor_id is not None:
        gateways = retry_until_available(vendors.enabled, stop, "sync.waiting")
        if vendor_id not in gateways:
            raise click.BadParameter(f"must be one of {', '.join(gateways)}", param_hint="--vendor")
        vendors = OneVendor(vendors, vendor_id)
    if retired_id is not None:
        _retire(container, retired_id, "--retire")
        return
    if every is not None:
        with _sync_loop(container, vendors, every, stop):
            stop.wait()
        return
    outcomes = retry_until_available(
        lambda: sync_each(container.sync_vendor(), vendors.enabled().values(), stop),
        stop,
        "sync.waiting",
    )
    if not all(map(is_well, outcomes.values())):
        raise SystemExit(1)


def _retire(container: Container, vendor_id: str, hint: str) -> None:
    if vendor_id in container.gateways():
        raise click.BadParameter("is one of the program's own", param_hint=hint)
    # What a vendors file says now counts.
    container.vendor_gateways().all()
    container.retire_vendor()(vendor_id)


@cli.group()
def vendor() -> None:
    """Look after vendors and their feeds."""


@vendor.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def vendor_check(file: Path) -> None:
    """Fetch the feeds of a vendors FILE, and say what they mean and would change.

    Nothing is changed. Exit status 1 if a feed could not be read.
    """
    from ..adapters.vendors.config import gateway_of, read_declared
    from .vendors import check

    _, container = _set_up()
    found, mistakes = read_declared(file)
    for mistake in mistakes:
        click.echo(mistake.expected, err=True)
    well = not mistakes
    for declared in found:
        lines, readable = check(gateway_of(declared), container.sync_vendor())
        click.echo("\n".join(lines))
        well = well and readable
    if not well:
        raise SystemExit(1)


@vendor.command("list")
def vendor_list() -> None:
    """Say how each vendor's reports are getting on."""
    from .vendors import status_lines

    _, container = _set_up()
    for line in status_lines(container.read_model()):
        click.echo(line)


@vendor.command("show")
@click.argument("vendor_id")
def vendor_show(vendor_id: str) -> None:
    """Say how one vendor's reports are getting on, and which rows were left out."""
    from .vendors import details

    _, container = _set_up()
    for line in details(container.read_model(), vendor_id):
        click.echo(line)


@vendor.command("retire")
@click.argument("vendor_id")
def vendor_retire(vendor_id: str) -> None:
    """Take a former vendor's stock off sale."""
    _, container = _set_up()
    _retire(container, vendor_id, "VENDOR_ID")
    click.echo(f"{vendor_id} has nothing any more")


@vendor.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def vendor_add(file: Path) -> None:
    """Add the vendors of a FILE, or replace how they are read; a running sync does so at once.

    The file is one like VENDORS_FILE names. Unless each entry is well, nothing is changed.
    """
    from ..adapters.vendors.config import read_declared

    _, container = _set_up()
    declared, mistakes = read_declared(file)
    if mistakes:
        raise click.ClickException("\n".join(mistake.expected for mistake in mistakes))
    added = [attrs.evolve(each, from_file=False) for each in declared]
    container.vendor_actions().declare(added)
    for each in added:
        click.echo(f"{each.vendor.id} is added")


@vendor.command("disable")
@click.argument("vendor_id")
def vendor_disable(vendor_id: str) -> None:
    """Sync a vendor no longer; what it reported stays on sale."""
    _, container = _set_up()
    container.vendor_actions().enable(vendor_id, enabled=False)
    click.echo(f"{vendor_id} is disabled")


@vendor.command("enable")
@click.argument("vendor_id")
def vendor_enable(vendor_id: str) -> None:
    """Sync a vendor again."""
    _, container = _set_up()
    container.vendor_actions().enable(vendor_id, enabled=True)
    click.echo(f"{vendor_id} is enabled")


@vendor.command("approve")
@click.argument("vendor_id")
def vendor_approve(vendor_id: str) -> None:
    """Believe the next report of a vendor though it takes away much."""
    _, container = _set_up()
    container.approve_report()(vendor_id)
    click.echo(f"the next report of {vendor_id} is believed")


@cli.group()
def order() -> None:
    """Place orders, look at them, cancel them, take them back."""


_JSON = click.option("--json", "is_json", is_flag=True, help="For programs: as the API has it.")


def _show(order: Order, *, is_json: bool) -> None:
    from .orders import as_json, details

    click.echo(as_json(order) if is_json else "\n".join(details(order)))


@order.command("place")
@click.argument("lines", nargs=-1, required=True, metavar="PRODUCT=QUANTITY...")
@click.option("--key", help="Of an idempotency key: the same order again, if it was placed.")
@click.option("--reference", help="Your own name for it.")
@_JSON
def order_place(
    lines: tuple[str, ...], key: str | None, reference: str | None, *, is_json: bool
) -> None:
    """Place an order of one product or of several."""
    from uuid_utils.compat import uuid7

    from .orders import parse_lines, place

    _, container = _set_up()
    told = parse_lines(lines)
    placed = place(container.place_orders(), told, uuid7, key=key, reference=reference)
    _show(placed, is_json=is_json)


@order.command("show")
@click.argument("order_id", type=click.UUID)
@_JSON
def order_show(order_id: UUID, *, is_json: bool) -> None:
    """Show an order, and who supplies it."""
    from .orders import show

    _, container = _set_up()
    _show(show(container.read_model(), order_id), is_json=is_json)


@order.command("list")
@click.option("--status", type=click.Choice(_STATUSES), help="Orders that are so now.")
@click.option("--product", help="Orders with a line of it.")
@click.option("--vendor", "vendor_id", help="Orders that it supplies a part of.")
@click.option("--reference", help="Orders with this reference.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@_JSON
def order_list(
    status: str | None,
    product: str | None,
    vendor_id: str | None,
    reference: str | None,
    limit: int,
    *,
    is_json: bool,
) -> None:
    """List orders, newest first."""
    from ..domain.ports.read_model import OrderFilter
    from .orders import as_json, listing, table

    _, container = _set_up()
    wanted = OrderFilter(
        status=None if status is None else OrderStatus(status),
        product_id=product,
        vendor_id=vendor_id,
        reference=reference,
    )
    found = list(listing(container.read_model(), wanted, limit))
    for line in map(as_json, found) if is_json else table(found):
        click.echo(line)


@order.command("cancel")
@click.argument("order_id", type=click.UUID)
@_JSON
def order_cancel(order_id: UUID, *, is_json: bool) -> None:
    """Withdraw an order that is not fulfilled yet."""
    from .orders import cancel

    _, container = _set_up()
    _show(cancel(container.order_actions(), order_id), is_json=is_json)


@order.command("return")
@click.argument("order_id", type=click.UUID)
@click.argument("lines", nargs=-1, metavar="[PRODUCT=QUANTITY...]")
@click.option("--no-restock", is_flag=True, help="Do not put the units on sale again.")
@_JSON
def order_return(
    order_id: UUID, lines: tuple[str, ...], *, no_restock: bool, is_json: bool
) -> None:
    """Take units of a fulfilled order back: these, or all."""
    from .orders import give_back, parse_lines

    _, container = _set_up()
    actions, told = container.order_actions(), parse_lines(lines)
    returned = give_back(actions, container.read_model(), order_id, told, restock=not no_restock)
    _show(returned, is_json=is_json)


@cli.group()
def webhook() -> None:
    """Have programs told what happens to orders and stock."""


def _show_webhook(container: Container, webhook_id: UUID, *, is_json: bool) -> None:
    from .webhooks import as_json, details, show

    status = show(container.webhook_actions().directory, str(webhook_id))
    click.echo(as_json(status) if is_json else "\n".join(details(status)))


@webhook.command("add")
@click.argument("url")
@click.option("--type", "types", multiple=True, help='Such as "order.*"; may stand several times.')
@_JSON
def webhook_add(url: str, types: tuple[str, ...], *, is_json: bool) -> None:
    """Send events to a URL from now on; says the secret, this once."""
    from .webhooks import added_as_json

    _, container = _set_up()
    added = container.webhook_actions().add(url, types or EVERYTHING)
    text = f"webhook {added.id} is added\n  secret {added.secret}"
    click.echo(added_as_json(added) if is_json else text)


@webhook.command("list")
@_JSON
def webhook_list(*, is_json: bool) -> None:
    """List webhooks, and how they are getting on."""
    from .webhooks import as_json, listing, table

    _, container = _set_up()
    found = list(listing(container.webhook_actions().directory))
    for line in map(as_json, found) if is_json else table(found):
        click.echo(line)


@webhook.command("show")
@click.argument("webhook_id", type=click.UUID)
@_JSON
def webhook_show(webhook_id: UUID, *, is_json: bool) -> None:
    """Show a webhook, and how it is getting on."""
    _, container = _set_up()
    _show_webhook(container, webhook_id, is_json=is_json)


@webhook.command("remove")
@click.argument("webhook_id", type=click.UUID)
def webhook_remove(webhook_id: UUID) -> None:
    """Tell a webhook nothing more, what waits included."""
    _, container = _set_up()
    container.webhook_actions().remove(str(webhook_id))
    click.echo(f"webhook {webhook_id} is removed")


@webhook.command("replay")
@click.argument("webhook_id", type=click.UUID)
@click.argument("message_ids", nargs=-1, metavar="[MESSAGE_ID...]")
@_JSON
def webhook_replay(webhook_id: UUID, message_ids: tuple[str, ...], *, is_json: bool) -> None:
    """Try dead deliveries anew: these, or all. A disabled webhook is enabled again."""
    _, container = _set_up()
    replayed = container.webhook_actions().replay(str(webhook_id), message_ids or None)
    click.echo(f'{{"replayed": {replayed}}}' if is_json else f"{replayed} deliveries are replayed")


@cli.command("mock-vendors")
def mock_vendors() -> None:
    """Serve three vendors' stock feeds, each in its own shape."""
    from .demo import serving

    settings = read_settings()
    configure_logs(settings.log_level)
    stop = stop_on_signals()
    exit_with_parent()
    _refuse_taken_mock_ports(settings, settings.host, "HOST")
    with serving.mock_vendors(settings, settings.host) as vendors:
        click.echo("\n".join(vendors.urls.values()))
        stop.wait()


@cli.command()
def migrate() -> None:
    """Create the database's tables, or bring them up to date."""
    _, container, stop = _start()
    retry_until_available(container.migrate, stop, "migrate.waiting")
    click.echo("the database is up to date")


@cli.command()
def seed() -> None:
    """Load example stock of three vendors, the same that the mock vendors serve."""
    from .sync import sync_each

    _, container, stop = _start()
    retry_until_available(
        lambda: sync_each(container.sync_vendor(), container.seed_gateways().values(), stop),
        stop,
        "seed.waiting",
    )


@cli.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(*, yes: bool) -> None:
    """Delete all stock, orders and messages of the database, to begin anew."""
    _, container = _set_up()
    engine = container.engine()
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked: say --yes")
        # The URL without its password.
        click.confirm(f"Delete everything in {engine.url!r}?", abort=True)
    from ..adapters.sql.reset import reset as delete_everything

    delete_everything(engine)
    click.echo("everything is deleted")


@cli.command()
def verify() -> None:
    """Recompute every balance from the ledger; exit status 1 if anything differs."""
    # It may take long and changes nothing: a signal simply ends it.
    _, container = _set_up()
    count = 0
    for found in container.ledger().discrepancies():
        count += 1
        click.echo(
            f"{found.figure} of {found.subject}: expected {found.expected}, found {found.found}"
        )
    if count:
        click.echo("1 discrepancy" if count == 1 else f"{count} discrepancies")
        raise SystemExit(1)
    click.echo("every balance agrees with the ledger")


def main() -> None:
    """The console script."""
    cli(prog_name="order-aggregator")


if __name__ == "__main__":
    main()

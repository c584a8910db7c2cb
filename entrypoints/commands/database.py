"""Commands about what is stored."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

import click

from ...adapters.system.settings import masked
from ...domain.errors import InvalidValue
from ..runtime.retry import retry_until_available
from .base import YES, cli, confirm, recorded, set_up, start

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ...bootstrap import Container
    from ...domain.use_cases.repair_balances import RepairBalances


# Of orders, before they may be removed.
_LONGEST_KEPT = timedelta(days=36_500)


@cli.command()
@click.option("--down-to", "revision", help="Undo the migrations after this one, such as 0010.")
@YES
def migrate(*, revision: str | None, yes: bool) -> None:
    """Create the database's tables, or bring them up to date."""
    _, container, stop = start()
    if revision is not None:
        _migrate_down(container.engine(), revision, yes=yes)
        return
    migrate_up(container, stop)
    click.echo("the database is up to date")


def migrate_up(container: Container, stop: Event) -> None:
    """Wait for the database, and bring it up to date. Refuses one of a newer version."""
    from ...adapters.sql.revision import SchemaTooNew

    def migrate() -> None:
        try:
            container.migrate()
        except SchemaTooNew as error:
            # Waiting does not mend that.
            raise click.ClickException(str(error)) from error

    retry_until_available(migrate, stop, "migrate.waiting")


def _migrate_down(engine: Engine, revision: str, *, yes: bool) -> None:
    from ...adapters.sql.migrations import downgrade, undone_by

    try:
        undone = undone_by(engine, revision)
        confirm("\n".join(["These migrations are undone:", *undone, "Go on?"]), yes=yes)
        downgrade(engine, revision)
    except InvalidValue as error:
        raise click.BadParameter(error.expected, param_hint="--down-to") from error
    click.echo(f"the database is at {revision}: run no newer version on it")


@cli.command()
@YES
def seed(*, yes: bool) -> None:
    """Load example stock of three vendors, the same that the mock vendors serve.

    It asks first where other vendors' stock is sold already.
    """
    from ..sync import sync_each
    from ..vendors import vendor_ids

    _, container, stop = start()
    known = retry_until_available(partial(vendor_ids, container.read_model()), stop, "seed.waiting")
    if others := known - container.seed_gateways().keys():
        example = f"Sell example stock beside that of {len(others)} other vendors"
        confirm(f"{example}, {min(others)} among them?", yes=yes)
    retry_until_available(
        lambda: sync_each(container.sync_vendor(), container.seed_gateways().values(), stop),
        stop,
        "seed.waiting",
    )


@cli.command()
@YES
@recorded()
def reset(*, yes: bool) -> None:
    """Delete all stock, orders and messages of the database, to begin anew."""
    _, container = set_up()
    engine = container.engine()
    url = masked(engine.url.render_as_string(hide_password=True))
    confirm(f"Delete everything in {url}?", yes=yes)
    from ...adapters.sql.reset import reset as delete_everything

    delete_everything(engine)
    click.echo("everything is deleted")


@cli.command()
@click.option("--older-than", required=True, metavar="DURATION", help="Such as 90d.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@YES
@recorded()
def prune(*, older_than: str, dry_run: bool, yes: bool) -> None:
    """Remove orders that ended, and have not changed for so long; stock stays as it is."""
    from ...domain.counting import parse_duration

    span = parse_duration(older_than, "--older-than", longest=_LONGEST_KEPT)
    _, container = set_up()
    prune_orders = container.prune_orders()
    if dry_run or not yes:
        count = prune_orders.count(span)
        if dry_run:
            click.echo(f"{_orders(count)} to remove; nothing was changed")
            return
        confirm(f"Remove {_orders(count)}?", yes=yes)
    pruned = prune_orders(span)
    click.echo(f"{_orders(pruned.orders)} removed; transactions: {pruned.bites}")
    if pruned.keys:
        click.echo(f"{pruned.keys} idempotency keys forgotten")


def _orders(count: int) -> str:
    return "1 order" if count == 1 else f"{count} orders"


@cli.command()
@click.option("--repair", is_flag=True, help="Make the balances right, and say what was written.")
@click.option("--dry-run", is_flag=True, help="With --repair: only say what would be written.")
@click.option("--json", "is_json", is_flag=True, help="For programs: an object a line.")
@YES
def verify(*, repair: bool, dry_run: bool, is_json: bool, yes: bool) -> None:
    """Recompute every balance from the ledger; exit status 1 if anything differs."""
    if dry_run and not repair:
        raise click.UsageError("--dry-run is for --repair")
    # It may take long and is safe to stop anywhere: a signal simply ends it.
    _, container = set_up()
    if repair and not dry_run and not yes:
        _confirm_repair(container.repair_balances())
    with recorded() if repair and not dry_run else nullcontext():
        _verify(container, repair=repair, dry_run=dry_run, is_json=is_json)


def _verify(container: Container, *, repair: bool, dry_run: bool, is_json: bool) -> None:
    from ...domain.use_cases.repair_balances import Repair
    from ..balances import as_json, differs, needs_person, repaired, summary

    if repair:
        entries = container.repair_balances()(keep=not dry_run)
    else:
        entries = container.ledger().discrepancies()
    repairs = remaining = 0
    for entry in entries:
        if isinstance(entry, Repair):
            repairs += 1
            line = repaired(entry)
        else:
            remaining += 1
            line = needs_person(entry) if repair else differs(entry)
        click.echo(as_json(entry) if is_json else line)
    if not is_json:
        for line in summary(repairs, remaining, keep=not dry_run):
            click.echo(line)
    if remaining or (repairs and dry_run):
        raise SystemExit(1)


def _confirm_repair(repair_balances: RepairBalances) -> None:
    from ...domain.use_cases.repair_balances import Repair

    figures = sum(isinstance(entry, Repair) for entry in repair_balances(keep=False))
    if figures:
        confirm(f"Write {figures} figures anew? (--dry-run shows them)", yes=False)

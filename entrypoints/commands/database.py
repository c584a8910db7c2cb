"""Commands about what is stored."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from ..runtime.retry import retry_until_available
from .base import cli, confirm, recorded, set_up, start

if TYPE_CHECKING:
    from ...bootstrap import Container


# Of orders, before they may be removed.
_LONGEST_KEPT = timedelta(days=36_500)


@cli.command()
def migrate() -> None:
    """Create the database's tables, or bring them up to date."""
    _, container, stop = start()
    retry_until_available(container.migrate, stop, "migrate.waiting")
    click.echo("the database is up to date")


@cli.command()
def seed() -> None:
    """Load example stock of three vendors, the same that the mock vendors serve."""
    from ..sync import sync_each

    _, container, stop = start()
    retry_until_available(
        lambda: sync_each(container.sync_vendor(), container.seed_gateways().values(), stop),
        stop,
        "seed.waiting",
    )


@cli.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@recorded()
def reset(*, yes: bool) -> None:
    """Delete all stock, orders and messages of the database, to begin anew."""
    _, container = set_up()
    engine = container.engine()
    # The URL without its password.
    confirm(f"Delete everything in {engine.url!r}?", yes=yes)
    from ...adapters.sql.reset import reset as delete_everything

    delete_everything(engine)
    click.echo("everything is deleted")


@cli.command()
@click.option("--older-than", required=True, metavar="DURATION", help="Such as 90d.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@click.option("--yes", is_flag=True, help="Do not ask.")
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
def verify(*, repair: bool, dry_run: bool, is_json: bool) -> None:
    """Recompute every balance from the ledger; exit status 1 if anything differs."""
    if dry_run and not repair:
        raise click.UsageError("--dry-run is for --repair")
    # It may take long and is safe to stop anywhere: a signal simply ends it.
    _, container = set_up()
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

"""Commands about vendors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from ...domain.audit import about_vendor
from .base import YES, cli, confirm, recorded, set_up, tell_change

if TYPE_CHECKING:
    from ...bootstrap import Container


def take_off_sale(container: Container, vendor_id: str, *, yes: bool) -> None:
    """Retire a former vendor, unless somebody who is asked does not agree."""
    for vendor in container.read_model().vendors(0, 1, vendor_id).items:
        confirm(f"Take what {vendor_id} has of {vendor.products} products off sale?", yes=yes)
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
    from ...adapters.vendors.config import gateway_of, read_declared
    from ..vendors import check

    _, container = set_up()
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
    from ..vendors import status_lines

    _, container = set_up()
    for line in status_lines(container.read_model()):
        click.echo(line)


@vendor.command("show")
@click.argument("vendor_id")
def vendor_show(vendor_id: str) -> None:
    """Say how one vendor's reports are getting on, and which rows were left out."""
    from ..vendors import details

    _, container = set_up()
    for line in details(container.read_model(), vendor_id):
        click.echo(line)


@vendor.command("retire")
@click.argument("vendor_id")
@YES
@recorded()
def vendor_retire(vendor_id: str, *, yes: bool) -> None:
    """Take a former vendor's stock off sale."""
    _, container = set_up()
    take_off_sale(container, vendor_id, yes=yes)
    click.echo(f"{vendor_id} has nothing any more")


@vendor.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@recorded()
def vendor_add(file: Path) -> None:
    """Add the vendors of a FILE, or replace how they are read; a running sync does so at once.

    The file is one like VENDORS_FILE names. Unless each entry is well, nothing is changed.
    """
    from ...adapters.vendors.config import read_declared

    _, container = set_up()
    declared, mistakes = read_declared(file)
    if mistakes:
        raise click.ClickException("\n".join(mistake.expected for mistake in mistakes))
    added = [attrs.evolve(each, from_file=False) for each in declared]
    container.vendor_actions().declare(added)
    tell_change(", ".join(each.vendor.id for each in added), "; ".join(map(about_vendor, added)))
    for each in added:
        click.echo(f"{each.vendor.id} is added")


@vendor.command("disable")
@click.argument("vendor_id")
@recorded()
def vendor_disable(vendor_id: str) -> None:
    """Sync a vendor no longer; what it reported stays on sale."""
    _, container = set_up()
    container.vendor_actions().enable(vendor_id, enabled=False)
    click.echo(f"{vendor_id} is disabled")


@vendor.command("enable")
@click.argument("vendor_id")
@recorded()
def vendor_enable(vendor_id: str) -> None:
    """Sync a vendor again."""
    _, container = set_up()
    container.vendor_actions().enable(vendor_id, enabled=True)
    click.echo(f"{vendor_id} is enabled")


@vendor.command("approve")
@click.argument("vendor_id")
@recorded()
def vendor_approve(vendor_id: str) -> None:
    """Believe the next report of a vendor though it takes away much."""
    _, container = set_up()
    container.approve_report()(vendor_id)
    click.echo(f"the next report of {vendor_id} is believed")

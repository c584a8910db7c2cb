"""Commands about dead letters and events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from .base import JSON, YES, cli, confirm, recorded, set_up, start

if TYPE_CHECKING:
    pass


@cli.group("dead-letters")
def dead_letters() -> None:
    """Look at messages that were given up; replay or discard them."""


_IDS = click.argument("ids", nargs=-1, metavar="[ID...]")


def _require_ids_or_all(ids: tuple[str, ...], *, everything: bool) -> None:
    if bool(ids) == everything:
        raise click.UsageError("name messages by their ids, or say --all")


@dead_letters.command("list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@JSON
def dead_letters_list(limit: int, *, is_json: bool) -> None:
    """List messages that were given up, oldest first, with the orders that they announce."""
    from ..dead_letters import listing, table
    from ..documents import dead_letter_text

    _, container = set_up()
    found = listing(container.bus(), limit)
    for line in map(dead_letter_text, found) if is_json else table(found):
        click.echo(line)


@dead_letters.command("show")
@click.argument("dead_letter_id", metavar="ID")
@JSON
def dead_letters_show(dead_letter_id: str, *, is_json: bool) -> None:
    """Show one of them, and all its orders."""
    from ..dead_letters import details, show
    from ..documents import dead_letter_text

    _, container = set_up()
    letter = show(container.bus(), dead_letter_id)
    click.echo(dead_letter_text(letter) if is_json else "\n".join(details(letter)))


@dead_letters.command("replay")
@_IDS
@click.option("--all", "everything", is_flag=True, help="All that are there now.")
@recorded()
def dead_letters_replay(ids: tuple[str, ...], *, everything: bool) -> None:
    """Return messages to the queue, as if they were new.

    Orders that are fulfilled, failed or cancelled stay as they are.
    """
    from ..dead_letters import settle, settle_all

    _require_ids_or_all(ids, everything=everything)
    _, container = set_up()
    bus = container.bus()
    done = settle_all(bus, bus.replay) if everything else settle(bus, bus.replay, ids)
    click.echo(f"replayed: {len(done)}")


@dead_letters.command("discard")
@_IDS
@click.option("--all", "everything", is_flag=True, help="All that are there now.")
@YES
@recorded()
def dead_letters_discard(ids: tuple[str, ...], *, everything: bool, yes: bool) -> None:
    """Delete messages for good. Their orders stay as they are."""
    from ..dead_letters import settle, settle_all

    _require_ids_or_all(ids, everything=everything)
    _, container = set_up()
    bus = container.bus()
    what = "all dead letters" if everything else ", ".join(ids)
    confirm(f"Delete {what} for good?", yes=yes)
    done = settle_all(bus, bus.discard) if everything else settle(bus, bus.discard, ids)
    click.echo(f"discarded: {len(done)}")


@cli.group("events")
def events_() -> None:
    """Look at what happens to orders, stock and vendors."""


@events_.command("tail")
@click.option("--type", "types", multiple=True, metavar="PATTERN", help="Such as 'order.*'.")
@click.option("--product", "product_id", help="Events of this product, and of orders with it.")
@click.option("--after", metavar="PLACE", help="From after this place on, rather than from now on.")
@click.option("--json", "is_json", is_flag=True, help="For programs: a CloudEvent a line.")
def events_tail(
    types: tuple[str, ...], product_id: str | None, after: str | None, *, is_json: bool
) -> None:
    """Show what happens, as it happens; Ctrl-C ends it."""
    from ..events import EventFilter, as_json, as_line, listening, tail

    _, container, stop = start()
    wanted = EventFilter(types=types, product_id=product_id)
    if sys.stderr.isatty():
        click.echo(listening(wanted, after), err=True)
    for event, place in tail(container.storage().event_feed, after, wanted, stop):
        click.echo(as_json(event, place) if is_json else as_line(event))

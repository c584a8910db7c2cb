"""Commands about webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click

from ...domain.audit import about_webhook, without_secrets
from ...domain.webhooks import EVERYTHING
from .base import JSON, YES, cli, confirm, recorded, set_up, tell_change

if TYPE_CHECKING:
    from ...bootstrap import Container


@cli.group()
def webhook() -> None:
    """Have programs told what happens to orders and stock."""


def _show_webhook(container: Container, webhook_id: UUID, *, is_json: bool) -> None:
    from ..webhooks import as_json, details, show

    status = show(container.webhook_actions().directory, str(webhook_id))
    click.echo(as_json(status) if is_json else "\n".join(details(status)))


@webhook.command("add")
@click.argument("url")
@click.option("--type", "types", multiple=True, help='Such as "order.*"; may stand several times.')
@JSON
def webhook_add(url: str, types: tuple[str, ...], *, is_json: bool) -> None:
    """Send events to a URL from now on; says the secret, this once."""
    from ..webhooks import added_as_json

    _, container = set_up()
    with recorded(without_secrets(url)):
        added = container.webhook_actions().add(url, types or EVERYTHING)
        tell_change(added.id, about_webhook(added.url, added.types))
    text = f"webhook {added.id} is added\n  secret {added.secret}"
    click.echo(added_as_json(added) if is_json else text)


@webhook.command("list")
@JSON
def webhook_list(*, is_json: bool) -> None:
    """List webhooks, and how they are getting on."""
    from ..webhooks import as_json, listing, table

    _, container = set_up()
    found = list(listing(container.webhook_actions().directory))
    for line in map(as_json, found) if is_json else table(found):
        click.echo(line)


@webhook.command("show")
@click.argument("webhook_id", type=click.UUID)
@JSON
def webhook_show(webhook_id: UUID, *, is_json: bool) -> None:
    """Show a webhook, and how it is getting on."""
    _, container = set_up()
    _show_webhook(container, webhook_id, is_json=is_json)


@webhook.command("remove")
@click.argument("webhook_id", type=click.UUID)
@YES
@recorded()
def webhook_remove(webhook_id: UUID, *, yes: bool) -> None:
    """Tell a webhook nothing more, what waits included."""
    from ..webhooks import show

    _, container = set_up()
    status = show(container.webhook_actions().directory, str(webhook_id))
    lost = f"{status.waiting} deliveries that wait and {status.dead} dead ones"
    confirm(f"Remove the webhook of {status.webhook.url}, with {lost}?", yes=yes)
    container.webhook_actions().remove(str(webhook_id))
    click.echo(f"webhook {webhook_id} is removed")


@webhook.command("replay")
@click.argument("webhook_id", type=click.UUID)
@click.argument("message_ids", nargs=-1, metavar="[MESSAGE_ID...]")
@JSON
@recorded()
def webhook_replay(webhook_id: UUID, message_ids: tuple[str, ...], *, is_json: bool) -> None:
    """Try dead deliveries anew: these, or all. A disabled webhook is enabled again."""
    _, container = set_up()
    replayed = container.webhook_actions().replay(str(webhook_id), message_ids or None)
    click.echo(f'{{"replayed": {replayed}}}' if is_json else f"{replayed} deliveries are replayed")

"""Commands about who may call the API, and what was changed by whom."""

from __future__ import annotations

from datetime import timedelta

import click

from .base import JSON, cli, recorded, set_up, tell_change

_LONGEST = timedelta(days=36_500)


@cli.group()
def token() -> None:
    """Make, list and revoke API tokens. The first one closes an API that was open."""


@token.command("create")
@click.option("--name", required=True, help="Whose it is, or what for.")
@click.option("--scope", "scopes", multiple=True, required=True, help="May stand several times.")
@click.option("--expires", metavar="DURATION", help="Such as 90d; unless told, never.")
@click.option("--rate-limit", metavar="RATE", help="Such as 100/60, instead of RATE_LIMIT.")
@click.option("--daily-quota", metavar="N", type=int, help="Requests a day, of UTC.")
@JSON
def token_create(
    name: str,
    scopes: tuple[str, ...],
    expires: str | None,
    rate_limit: str | None,
    daily_quota: int | None,
    *,
    is_json: bool,
) -> None:
    """Make a token; says it, this once.

    Scopes: orders:write, orders:read, stock:read, events:read, vendor:<id>, operate, admin.
    """
    from ...domain.audit import about_token
    from ...domain.counting import parse_duration
    from ...domain.rate import parse_rate
    from ..tokens import as_json

    lifetime = None if expires is None else parse_duration(expires, "--expires", longest=_LONGEST)
    rate = None if rate_limit is None else parse_rate(rate_limit, "--rate-limit")
    _, container = set_up()
    with recorded(name):
        made, text = container.token_actions().create(
            name, scopes, lifetime, rate_limit=rate, daily_quota=daily_quota
        )
        tell_change(made.id, about_token(made))
    said = f"token {made.id} is made; it is shown this once\n  {text}"
    click.echo(as_json(made, made.created_at, secret=text) if is_json else said)


@token.command("list")
@JSON
def token_list(*, is_json: bool) -> None:
    """List tokens, oldest first: their limits, requests today and last use."""
    from ..tokens import as_json, table

    _, container = set_up()
    found, now = container.storage().access_tokens.all(), container.clock().now()
    for line in (as_json(each, now) for each in found) if is_json else table(found, now):
        click.echo(line)


@token.command("revoke")
@click.argument("token_id")
@recorded()
def token_revoke(token_id: str) -> None:
    """Have a token mean nothing any more, within 5 seconds."""
    _, container = set_up()
    container.token_actions().revoke(token_id)
    click.echo(f"token {token_id} is revoked")


@cli.group()
def audit() -> None:
    """Look at what was changed by whom."""


@audit.command("list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1_000_000))
@JSON
def audit_list(limit: int, *, is_json: bool) -> None:
    """List changes, newest first."""
    from ..tokens import audit_as_json, audit_table, entries

    _, container = set_up()
    found = entries(container.storage().audit_trail, limit)
    for line in map(audit_as_json, found) if is_json else audit_table(list(found)):
        click.echo(line)

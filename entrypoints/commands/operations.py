"""Commands for whoever runs it."""

from __future__ import annotations

import json

import attrs
import click

from ...adapters.system.settings import parse_settings
from ..runtime.tables import aligned
from .base import cli, given_here, set_up


@cli.command()
@click.option("--json", "is_json", is_flag=True, help="For programs: an object.")
def status(*, is_json: bool) -> None:
    """Show how everything is, and what to do; exit status 1 if something needs a person."""
    from ...domain.use_cases.check_health import findings
    from ..status import as_json, screen

    _, container = set_up()
    check_health = container.check_health()
    observed = check_health()
    found = findings(observed, check_health.backlog_limit)
    click.echo(as_json(observed, found) if is_json else "\n".join(screen(observed, found)))
    if found:
        raise SystemExit(1)


@cli.command()
@click.option("--json", "is_json", is_flag=True, help="For programs: an object by variable.")
def config(*, is_json: bool) -> None:
    """Show the settings in effect, and where each is from; no passwords."""
    from ..configuration import as_json, in_effect, rows

    given = given_here()
    parse_settings(given)
    settings = in_effect(given)
    click.echo(as_json(settings) if is_json else "\n".join(aligned(rows(settings))))


@cli.command()
@click.option("--json", "is_json", is_flag=True, help="For programs: an object a line.")
def doctor(*, is_json: bool) -> None:
    """Look at everything around the service; exit status 1 if it cannot run here."""
    from ...adapters.system.diagnosis import Verdict
    from ..doctor import examine, line

    settings, container = set_up()
    failed = False
    for diagnosis in examine(settings, container.engine):
        failed = failed or diagnosis.verdict is Verdict.FAIL
        click.echo(json.dumps(attrs.asdict(diagnosis)) if is_json else line(diagnosis))
    if failed:
        raise SystemExit(1)

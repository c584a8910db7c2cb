"""What all commands have in common."""

from __future__ import annotations

import sys
from threading import Event
from typing import TYPE_CHECKING

import click

from ...adapters.system.settings import Settings, read_settings
from ...domain.errors import OrderAggregatorError
from ..runtime.logs import configure_logs
from ..runtime.retry import ShutdownRequested
from ..runtime.signals import exit_with_parent, stop_on_signals

if TYPE_CHECKING:
    from ...bootstrap import Container


JSON = click.option("--json", "is_json", is_flag=True, help="For programs: as the API has it.")


class _Commands(click.Group):
    """Turns the errors that a user can mend into one clear line."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ShutdownRequested:
            ctx.exit(0)
        except (OrderAggregatorError, OSError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="order-aggregator")
def cli() -> None:
    """Sell many vendors' stock as one. Settings are environment variables: see the README."""


def start() -> tuple[Settings, Container, Event]:
    """What `set_up` makes, and an event that a signal sets."""
    stop = stop_on_signals()
    settings, container = set_up()
    return settings, container, stop


def set_up() -> tuple[Settings, Container]:
    """The settings of the environment, and what is built from them. Raises InvalidSetting."""
    settings = read_settings()
    configure_logs(settings.log_level)
    exit_with_parent()
    from ...bootstrap import bootstrap

    return settings, bootstrap(settings)


YES = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless that is answered already; end the program on anything but yes."""
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked: say --yes")
        click.confirm(question, abort=True)

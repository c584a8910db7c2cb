"""What all commands have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getuser
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click
from dotenv import dotenv_values

from ...adapters.system.log import Log
from ...adapters.system.settings import (
    Given,
    Settings,
    given_settings,
    option_of,
    parse_settings,
)
from ...domain.access import ADMIN, Principal, permitted_by
from ...domain.errors import Conflict, OrderAggregatorError, Unavailable
from ..runtime.logs import configure_logs
from ..runtime.retry import ShutdownRequested
from ..runtime.signals import exit_with_parent, stop_on_signals

if TYPE_CHECKING:
    from ...bootstrap import Container


log = Log()
Command = TypeVar("Command", bound=Callable[..., Any])
# Where the values of these options are kept while a command runs, and what it says it changes.
_OPTIONS = "order_aggregator.settings"
_CHANGE = "order_aggregator.change"

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


def options_here() -> dict[str, str]:
    """By variable, what the command's options say."""
    options: dict[str, str] = click.get_current_context().meta.get(_OPTIONS, {})
    return options


def given_here() -> dict[str, Given]:
    """What the command's options, the environment and a `.env` file say. Raises InvalidSetting."""
    return given_settings(options=options_here(), dotenv=dotenv_values(".env"))


def chosen_settings() -> Settings:
    """The settings that this means. Raises InvalidSetting."""
    return parse_settings(given_here())


def settings_options(*names: str) -> Callable[[Command], Command]:
    """Give a command an option for each of these fields of Settings."""

    def decorate(command: Command) -> Command:
        fields = attrs.fields_dict(Settings)
        for name in reversed(names):
            command = _option(fields[name])(command)
        return command

    return decorate


def _option(field: attrs.Attribute[Any]) -> Callable[[Command], Command]:
    variable = field.metadata["variable"]

    def note(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.meta.setdefault(_OPTIONS, {})[variable] = value

    return click.option(
        option_of(variable),
        metavar="VALUE",
        expose_value=False,
        callback=note,
        help=f"Instead of {variable}.",
    )


def set_up() -> tuple[Settings, Container]:
    """The chosen settings, and what is built from them. Raises InvalidSetting."""
    settings = chosen_settings()
    configure_logs(settings.log_level, settings.log_format)
    exit_with_parent()
    from ...bootstrap import bootstrap

    container = bootstrap(settings)
    if (context := click.get_current_context(silent=True)) is not None:
        context.find_root().obj = container
    return settings, container


@contextmanager
def recorded(target: str | None = None) -> Iterator[None]:
    """Record that somebody called the command to change something, and how it ended.

    What it changes is what it tells by `tell_change`, else the `target`, else what its arguments
    name.
    """
    status = 1
    try:
        yield
        status = 0
    finally:
        _record(status, target)


def tell_change(target: str, detail: str) -> None:
    """Say what the command has changed, and what that is like now: no secrets."""
    click.get_current_context().meta[_CHANGE] = (target, detail)


def _record(status: int, target: str | None) -> None:
    context = click.get_current_context()
    container: Container | None = context.find_root().obj
    if container is None:
        # It was called in a way that makes no sense.
        return
    operation = context.command_path.partition(" ")[2]
    named = target or " ".join(_arguments(context)) or None
    named, detail = context.meta.get(_CHANGE, (named, None))
    record = container.record_change()
    try:
        record(operator(), operation, status=status, target=named, detail=detail)
    except (Unavailable, Conflict) as error:
        log.error("audit.not_recorded", operation=operation, status=status, reason=str(error))


def _arguments(context: click.Context) -> Iterator[str]:
    for each in context.command.params:
        if isinstance(each, click.Argument):
            value = context.params.get(each.name or "")
            yield from map(str, value if isinstance(value, tuple) else [value])


def operator() -> Principal:
    """Whoever may run our commands may do everything: the database is in reach."""
    try:
        user = getuser()
    except (KeyError, OSError):
        # It has no name on this machine, as in some containers.
        user = str(os.getuid())
    return Principal(id=f"cli:{user}", permitted=permitted_by([ADMIN]))


YES = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless that is answered already; end the program on anything but yes."""
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked: say --yes")
        click.confirm(question, abort=True)

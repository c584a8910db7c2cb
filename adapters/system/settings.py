"""Settings from environment variables. Each is described in the README's table."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

import environ

from ...domain.allocation import AllocationPolicy, parse_policy
from ...domain.errors import InvalidValue

T = TypeVar("T")

SECONDS_PER_DAY = 86_400
LOG_LEVELS = ("debug", "info", "warning", "error")


class InvalidSetting(InvalidValue):
    """An environment variable has a value that makes no sense."""


def _int_between(minimum: int, maximum: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not minimum <= int(text) <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return convert


def seconds(text: str) -> timedelta:
    """A span of time above 0, up to a day; raises ValueError that says so."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    span = timedelta(seconds=number) if 0 < number <= SECONDS_PER_DAY else None
    # Below a microsecond it comes to nothing, and a loop would go on without a pause.
    if not span:
        raise ValueError(f"must be a number of seconds above 0, up to {SECONDS_PER_DAY}")
    return span


def _url(*forms: str) -> Callable[[str], str]:
    """The start of each form is checked; the rest, by the part that is built from it."""

    def convert(text: str) -> str:
        if not text.startswith(tuple(form.partition("<")[0] for form in forms)):
            raise ValueError(f"must be {' or '.join(forms)}")
        return text

    return convert


def _optional(convert: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: convert(text) if text else None


def _log_level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return text.lower()


def _policy(text: str) -> AllocationPolicy:
    try:
        return parse_policy(text)
    except InvalidValue as error:
        raise ValueError(error.expected) from error


def _named(name: str, convert: Callable[[str], T]) -> Callable[[str], T]:
    """The converter, with the variable's name in its complaint."""

    def convert_named(text: str) -> T:
        try:
            return convert(text)
        except ValueError as error:
            # The value itself is not shown: a URL may hold a password.
            raise InvalidSetting(name, str(error)) from error

    return convert_named


def _var(name: str, default: str, convert: Callable[[str], T]) -> T:
    variable: T = environ.var(default=default, name=name, converter=_named(name, convert))
    return variable


@environ.config(prefix="", frozen=True)
class Settings:
    """Everything that can be set from outside."""

    database_url: str = _var(
        "DATABASE_URL",
        "sqlite:///data/order_aggregator.db",
        _url("sqlite:///<file>", "postgresql+psycopg://<user>:<password>@<host>:<port>/<database>"),
    )
    # None: the outbox table is the queue.
    broker_url: str | None = _var(
        "BROKER_URL",
        "",
        _optional(_url("amqp://<host>/<vhost>", "amqps://<host>/<vhost>")),
    )
    host: str = _var("HOST", "127.0.0.1", str)
    port: int = _var("PORT", "3000", _int_between(1, 65535))
    log_level: str = _var("LOG_LEVEL", "info", _log_level)
    api_processes: int = _var("API_PROCESSES", "2", _int_between(1, 64))
    # Where the processes share their metrics; None: in the folder for temporary files.
    metrics_dir: str | None = _var("METRICS_DIR", "", _optional(str))
    # Orders need none.
    api_threads: int = _var("API_THREADS", "16", _int_between(1, 1000))
    allocation_policy: AllocationPolicy = _var("ALLOCATION_POLICY", "highest_then_even", _policy)
    max_attempts: int = _var("MAX_ATTEMPTS", "8", _int_between(1, 20))
    # Before the second attempt; it doubles with each one after.
    retry_delay: timedelta = _var("RETRY_DELAY", "0.5", seconds)
    resend_after: timedelta = _var("RESEND_AFTER", "300", seconds)
    sync_interval: timedelta = _var("SYNC_INTERVAL", "60", seconds)
    # None: the three mock vendors.
    vendors_file: str | None = _var("VENDORS_FILE", "", _optional(str))
    mock_vendors_host: str = _var("MOCK_VENDORS_HOST", "127.0.0.1", str)
    mock_vendors_port: int = _var("MOCK_VENDORS_PORT", "4001", _int_between(1, 65533))


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in these variables; an empty one counts as unset. Raises InvalidSetting."""
    given = {name: text for name, text in environment.items() if text}
    settings: Settings = environ.to_config(Settings, given)
    return settings

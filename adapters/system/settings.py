"""Settings, made in code or read from environment variables. The README's table describes each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from ...domain.allocation import AllocationPolicy, highest_then_even, parse_policy
from ...domain.errors import InvalidValue
from ...domain.rate import Rate, parse_rate
from ...domain.values import MAX_QUANTITY, whole_number
from .plugins import (
    BUS_PLUGINS,
    POLICY_PLUGINS,
    STORAGE_PLUGINS,
    is_plugin,
    load_object,
    plugin,
    scheme_of,
)

SECONDS_PER_DAY = 86_400
# Of a name, in AMQP.
MAX_NAME_BYTES = 255
# As a browser sends it (RFC 6454, 6.2).
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:-]+")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("console", "json", "logfmt")


class InvalidSetting(InvalidValue):
    """A setting has a value that makes no sense. `field` is its environment variable."""


def seconds(text: str) -> timedelta:
    """A span of time above 0, up to a day; raises ValueError that says so."""
    try:
        span = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        span = timedelta()
    _check_span(span)
    return span


def rate(text: str) -> Rate:
    """A rate such as 50 (a second) or 100/60; raises ValueError."""
    try:
        return parse_rate(text, "rate")
    except InvalidValue as error:
        raise ValueError(error.expected) from error


def policy(text: str) -> AllocationPolicy:
    """The policy of this name, ours or a plug-in's, or the object at `package.module:name`.

    Raises ValueError.
    """
    try:
        return parse_policy(text)
    except InvalidValue as error:
        if text.startswith("priority:"):
            raise ValueError(error.expected) from error
        expected = error.expected
    found = load_object(text) if ":" in text else plugin(POLICY_PLUGINS, text)
    if found is None:
        raise ValueError(f"{expected}, or <package.module>:<name>")
    _check_policy(found)
    chosen: AllocationPolicy = found
    return chosen


def _between(minimum: int, maximum: int) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if type(value) is not int or not minimum <= value <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")

    return check


def _check_rate(value: Any) -> None:
    if not isinstance(value, Rate):
        raise ValueError("must be a Rate")  # noqa: TRY004 - as every other complaint


def _check_span(value: Any) -> None:
    # Below a microsecond it comes to nothing, and a loop would go on without a pause.
    if not isinstance(value, timedelta) or not 0 < value.total_seconds() <= SECONDS_PER_DAY:
        raise ValueError(f"must be a number of seconds above 0, up to {SECONDS_PER_DAY}")


def _flag(text: str) -> bool | None:
    return {"yes": True, "no": False}.get(text.lower())


def _check_flag(value: Any) -> None:
    if type(value) is not bool:
        raise ValueError("must be yes or no")


def _check_text(value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - as every other complaint


def _url(plugins: str, *forms: str) -> Callable[[Any], None]:
    """The start of each form is checked; the rest, by the part that is built from it."""

    def check(value: Any) -> None:
        _check_text(value)
        is_ours = value.startswith(tuple(form.partition("<")[0] for form in forms))
        if not is_ours and not is_plugin(plugins, scheme_of(value)):
            raise ValueError(f"must be {' or '.join(forms)}")

    return check


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in re.split("[, ]+", text) if part)


def _check_origins(value: Any) -> None:
    expected = "must be * or origins such as https://shop.example, with commas between"
    if not isinstance(value, tuple):
        raise ValueError(expected)  # noqa: TRY004 - as every other complaint
    if value != ("*",) and not all(isinstance(x, str) and _ORIGIN.fullmatch(x) for x in value):
        raise ValueError(expected)


def _check_exchange(value: Any) -> None:
    _check_text(value)
    if not 1 <= len(value.encode()) <= MAX_NAME_BYTES or value.startswith("amq."):
        raise ValueError(f"must be 1 to {MAX_NAME_BYTES} bytes that do not begin with amq.")


def _check_http_url(value: Any) -> None:
    _check_text(value)
    if not value.startswith(("http://", "https://")):
        raise ValueError("must be http://<host>:<port>, or https://<…>")


def _check_level(value: Any) -> None:
    if value not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")


def _check_format(value: Any) -> None:
    if value not in LOG_FORMATS:
        raise ValueError(f"must be one of {', '.join(LOG_FORMATS)}")


def _check_id_case(value: Any) -> None:
    if value not in ("keep", "lower"):
        raise ValueError("must be keep or lower")


def _check_policy(value: Any) -> None:
    if not callable(value):
        raise ValueError("must be a policy, which can be called")  # noqa: TRY004 - as above


def _setting(
    variable: str,
    default: Any,
    check: Callable[[Any], None],
    parse: Callable[[str], Any] = str,
    *,
    optional: bool = False,
    secret: bool = False,
) -> Any:
    """A field with its variable. `optional`: it may be None. `secret`: it may hold a password."""

    def validate(_settings: object, _attribute: object, value: Any) -> None:
        if value is None and optional:
            return
        try:
            check(value)
        except ValueError as error:
            # The value itself is not shown: a URL may hold a password.
            raise InvalidSetting(variable, str(error)) from error

    return attrs.field(
        default=default,
        validator=validate,
        metadata={"variable": variable, "parse": parse, "secret": secret},
    )


@attrs.frozen(kw_only=True)
class Settings:
    """Everything that can be set. Raises InvalidSetting."""

    database_url: str = _setting(
        "DATABASE_URL",
        "sqlite:///data/order_aggregator.db",
        _url(
            STORAGE_PLUGINS,
            "sqlite:///<file>",
            "postgresql://<user>:<password>@<host>:<port>/<database>",
            "postgresql+psycopg://<…>",
            "postgres://<…>",
        ),
        secret=True,
    )
    # Of PostgreSQL; None: that of the user or the URL.
    database_schema: str | None = _setting("DATABASE_SCHEMA", None, _check_text, optional=True)
    # None: the outbox table is the queue.
    broker_url: str | None = _setting(
        "BROKER_URL",
        None,
        _url(BUS_PLUGINS, "amqp://<host>/<vhost>", "amqps://<host>/<vhost>"),
        optional=True,
        secret=True,
    )
    # The topic exchange that events are published on; None: they are not.
    events_exchange: str | None = _setting("EVENTS_EXCHANGE", None, _check_exchange, optional=True)
    host: str = _setting("HOST", "127.0.0.1", _check_text)
    port: int = _setting("PORT", 3000, _between(1, 65535), whole_number)
    # Files in PEM, which go together; None: without TLS.
    tls_cert: str | None = _setting("TLS_CERT", None, _check_text, optional=True)
    tls_key: str | None = _setting("TLS_KEY", None, _check_text, optional=True)
    log_level: str = _setting("LOG_LEVEL", "info", _check_level, str.lower)
    # None: for people on a terminal, else for programs.
    log_format: str | None = _setting("LOG_FORMAT", None, _check_format, str.lower, optional=True)
    api_processes: int = _setting("API_PROCESSES", 2, _between(1, 64), whole_number)
    # Of a worker, a relay, or a process that syncs; 0: they are not served. The API has its own.
    metrics_host: str = _setting("METRICS_HOST", "127.0.0.1", _check_text)
    metrics_port: int = _setting("METRICS_PORT", 0, _between(0, 65534), whole_number)
    # Where the API's processes share their metrics; None: in the folder for temporary files.
    metrics_dir: str | None = _setting("METRICS_DIR", None, _check_text, optional=True)
    # For requests other than placing an order.
    api_threads: int = _setting("API_THREADS", 16, _between(1, 1000), whole_number)
    # How many proxies stand before the API, whose X-Forwarded headers are believed.
    trusted_proxies: int = _setting("TRUSTED_PROXIES", 0, _between(0, 10), whole_number)
    allocation_policy: AllocationPolicy = _setting(
        "ALLOCATION_POLICY", highest_then_even, _check_policy, policy
    )
    max_attempts: int = _setting("MAX_ATTEMPTS", 8, _between(1, 20), whole_number)
    # Before the second attempt; it doubles with each one after.
    retry_delay: timedelta = _setting("RETRY_DELAY", timedelta(seconds=0.5), _check_span, seconds)
    resend_after: timedelta = _setting("RESEND_AFTER", timedelta(seconds=300), _check_span, seconds)
    # Older orders that nobody has tried to fulfil are a reason to worry.
    backlog_limit: timedelta = _setting(
        "BACKLOG_LIMIT", timedelta(seconds=60), _check_span, seconds
    )
    # So long requests are remembered by their idempotency keys.
    idempotency_days: int = _setting("IDEMPOTENCY_DAYS", 7, _between(1, 365), whole_number)
    # So long it is kept what happened, for those who are told late.
    events_days: int = _setting("EVENTS_DAYS", 7, _between(1, 3650), whole_number)
    # So long it is kept who has changed what.
    audit_days: int = _setting("AUDIT_DAYS", 365, _between(1, 3650), whole_number)
    # Who vouches for callers by JWTs; None: nobody. The three go together.
    jwt_issuer: str | None = _setting("JWT_ISSUER", None, _check_text, optional=True)
    jwt_audience: str | None = _setting("JWT_AUDIENCE", None, _check_text, optional=True)
    jwt_jwks_url: str | None = _setting(
        "JWT_JWKS_URL", None, _check_http_url, optional=True, secret=True
    )
    # Whether anyone may call from other machines, too, while no token was made and nobody vouches.
    open_to_everybody: bool = _setting("OPEN_TO_EVERYBODY", False, _check_flag, _flag)
    # The sites whose scripts may ask from a browser; none: those of no other site.
    cors_origins: tuple[str, ...] = _setting("CORS_ORIGINS", (), _check_origins, _listed)
    # How often each caller may ask the API, all its processes together; None: as it likes.
    rate_limit: Rate | None = _setting("RATE_LIMIT", None, _check_rate, rate, optional=True)
    # Of one order, all its lines together; None: as many as there are.
    max_order_units: int | None = _setting(
        "MAX_ORDER_UNITS", None, _between(1, MAX_QUANTITY), whole_number, optional=True
    )
    # Held, waiting or reserved orders with one reference; None: as many as there are.
    max_open_per_reference: int | None = _setting(
        "MAX_OPEN_PER_REFERENCE", None, _between(1, MAX_QUANTITY), whole_number, optional=True
    )
    # Whether the case of ids counts. To be set before the first sync.
    id_case: str = _setting("ID_CASE", "keep", _check_id_case, str.lower)
    # Whether webhooks may be at addresses that only we can reach.
    webhooks_private: bool = _setting("WEBHOOKS_PRIVATE", False, _check_flag, _flag)
    sync_interval: timedelta = _setting(
        "SYNC_INTERVAL", timedelta(seconds=60), _check_span, seconds
    )
    # None: the three mock vendors.
    vendors_file: str | None = _setting("VENDORS_FILE", None, _check_text, optional=True)
    mock_vendors_host: str = _setting("MOCK_VENDORS_HOST", "127.0.0.1", _check_text)
    # Whether their other customers buy, deliveries come, and requests fail.
    mock_vendors_lively: bool = _setting("MOCK_VENDORS_LIVELY", True, _check_flag, _flag)
    # Where they learn of our orders; None: in `run` from its own API if they are lively, else not.
    mock_vendors_api: str | None = _setting(
        "MOCK_VENDORS_API", None, _check_http_url, optional=True
    )
    # What they show there; None: in `run` the demo's own, else nothing.
    mock_vendors_token: str | None = _setting(
        "MOCK_VENDORS_TOKEN", None, _check_text, optional=True, secret=True
    )
    mock_vendors_port: int = _setting("MOCK_VENDORS_PORT", 4001, _between(1, 65533), whole_number)


@attrs.frozen
class Given:
    """The text of a setting, and where it is from: what to blame if it is wrong."""

    text: str
    source: str
    place: str


def given_settings(
    environment: Mapping[str, str] = os.environ,
    *,
    options: Mapping[str, str] | None = None,
    dotenv: Mapping[str, str | None] | None = None,
) -> dict[str, Given]:
    """By variable, those that are not left to their defaults. Raises InvalidSetting.

    An option of the command counts first, then the environment, then what a `.env` file says. Each
    of the two may name a file with a secret instead: `DATABASE_URL_FILE`. Empty ones are unset.
    """
    given: dict[str, Given] = {}
    for field in attrs.fields(Settings):
        variable = field.metadata["variable"]
        if text := (options or {}).get(variable):
            option = option_of(variable)
            given[variable] = Given(text=text, source="option", place=option)
            continue
        for source, layer in (("environment", environment), (".env", dotenv or {})):
            is_secret = field.metadata["secret"]
            found = _look(variable, source, layer, may_be_file=is_secret)
            if found is not None:
                given[variable] = found
                break
    return given


def option_of(variable: str) -> str:
    """How a command names it: --database-url."""
    return "--" + variable.lower().replace("_", "-")


def _look(
    variable: str, source: str, layer: Mapping[str, str | None], *, may_be_file: bool
) -> Given | None:
    text = layer.get(variable)
    name = f"{variable}_FILE"
    file = layer.get(name) if may_be_file else None
    if text and file:
        raise InvalidSetting(name, f"cannot be set where {variable} is")
    if file:
        return Given(text=_content(name, file), source=f"file {file}", place=name)
    return Given(text=text, source=source, place=variable) if text else None


def _content(name: str, file: str) -> str:
    try:
        content = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not text"
        raise InvalidSetting(name, f"cannot read {file}: {problem}") from error
    if not content:
        raise InvalidSetting(name, f"{file} is empty")
    return content


def parse_settings(given: Mapping[str, Given]) -> Settings:
    """The settings that these texts mean. Raises InvalidSetting, which names where each is from."""
    values: dict[str, Any] = {}
    for field in attrs.fields(Settings):
        told = given.get(field.metadata["variable"])
        if told is None:
            continue
        try:
            values[field.name] = field.metadata["parse"](told.text)
        except ValueError as error:
            raise InvalidSetting(told.place, str(error)) from error
    try:
        return Settings(**values)
    except InvalidSetting as error:
        place = given[error.field].place if error.field in given else error.field
        raise InvalidSetting(place, error.expected) from error


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in these variables; an empty one counts as unset. Raises InvalidSetting."""
    return parse_settings(given_settings(environment))


# What is between the user and the host; and the values of options that are passwords.
_PASSWORD = re.compile(r"(?<=://)([^:/?#]*):.*@")
_PASSWORD_OPTION = re.compile(r"((?:password|passfile|secret|token)[^=&]*=)[^&]*", re.IGNORECASE)


def masked(url: str) -> str:
    """The URL without its passwords; a secret that is none, not at all."""
    if "://" not in url:
        return "***"
    return _PASSWORD_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))

"""Listeners that are told what happened, and what waits to be told to them."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import attrs

from .errors import InvalidValue
from .values import check_text

MAX_URL_LENGTH = 2000
MAX_TYPES = 50
EVERYTHING = ("*",)
SECRET_PREFIX = "whsec_"  # noqa: S105 - by which such a secret is known
# In bytes: what the Standard Webhooks specification asks for.
SECRET_LENGTHS = range(24, 65)

MAX_ATTEMPTS = 12
FIRST_DELAY = timedelta(seconds=5)
LAST_DELAY = timedelta(hours=1)
MAX_PROBLEM_LENGTH = 500

IpAddress = IPv4Address | IPv6Address
_PATTERN = re.compile(r"\*|[a-z_]+(\.[a-z_]+)*(\.\*)?")
_PATTERN_RULE = 'must be a type such as "order.fulfilled", or "order.*", or "*"'
# IPv4 addresses as an IPv6 network sees them (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")


def check_url(value: object, *, private: bool) -> None:
    """Raise InvalidValue unless `value` is an address to send to.

    `private`: it may be one of this machine, or of a network that only we can reach.
    """
    check_text(value, "url", MAX_URL_LENGTH)
    try:
        parts = urlsplit(str(value))
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidValue("url", f"must be an address: {error}") from error
    if parts.scheme not in ("http", "https") or not host or " " in str(value):
        raise InvalidValue("url", "must begin with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise InvalidValue("url", "must not hold a user or a password")
    if port == 0:
        raise InvalidValue("url", "must have a port from 1 to 65535")
    if not private and _is_private_literal(host):
        raise InvalidValue("url", f"must not be a private address: {host}")


def _is_private_literal(host: str) -> bool:
    try:
        return not is_public(ip_address(host))
    except ValueError:
        # A name: it is looked up, and what it stands for is checked, whenever something is sent.
        return False


def is_public(address: IpAddress) -> bool:
    """Whether anybody on the internet would reach the same machine by it."""
    if isinstance(address, IPv6Address) and (inner := _embedded(address)) is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def check_secret(value: object) -> None:
    """Raise InvalidValue unless `value` is a secret of the Standard Webhooks form."""
    rule = f"must be {SECRET_PREFIX} and 24 to 64 bytes in Base64"
    if not isinstance(value, str) or not value.startswith(SECRET_PREFIX):
        raise InvalidValue("secret", rule)
    try:
        key = b64decode(value.removeprefix(SECRET_PREFIX), validate=True)
    except (Base64Error, ValueError) as error:
        raise InvalidValue("secret", rule) from error
    if len(key) not in SECRET_LENGTHS:
        raise InvalidValue("secret", rule)


def check_types(value: object) -> None:
    """Raise InvalidValue unless `value` is a list of types of events, or of patterns of them."""
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_TYPES:
        raise InvalidValue("types", f"must be a list of 1 to {MAX_TYPES} types of events")
    for each in value:
        check_text(each, "types")
        if not _PATTERN.fullmatch(str(each)):
            raise InvalidValue("types", _PATTERN_RULE)


def _types(_instance: object, _attribute: Any, value: Any) -> None:
    check_types(value)


def _secret(_instance: object, _attribute: Any, value: Any) -> None:
    check_secret(value)


@attrs.frozen(kw_only=True)
class Webhook:
    """A listener: where it is, and what it wants to be told."""

    id: str
    url: str
    secret: str = attrs.field(repr=False, validator=_secret)
    types: tuple[str, ...] = attrs.field(default=EVERYTHING, validator=_types)
    enabled: bool = True
    created_at: datetime
    # It is told what happened after this position of the feed.
    position: int = 0

    def wants(self, type_: str) -> bool:
        """Whether it is told of events of this type."""
        return any(_matches(pattern, type_) for pattern in self.types)


def _matches(pattern: str, type_: str) -> bool:
    if pattern.endswith("*"):
        return type_.startswith(pattern.removesuffix("*"))
    return pattern == type_


@attrs.frozen(kw_only=True)
class Message:
    """An event as it is sent: its id, what it is about, and the CloudEvent in JSON."""

    id: str
    type: str
    subject: str
    body: str


@attrs.frozen(kw_only=True)
class Delivery:
    """A message that a webhook has not taken yet."""

    id: int
    webhook_id: str
    message_id: str
    subject: str
    body: str = attrs.field(repr=False)
    attempts: int = 0
    # When it is tried next; None: it is dead, and tried no more.
    due_at: datetime | None
    # Why the last attempt failed.
    problem: str | None = None

    def failed(self, problem: str, now: datetime, chance: float) -> Delivery:
        """After one more attempt that failed. `chance`: from 0 to 1, for the jitter."""
        attempts = self.attempts + 1
        due_at = None if attempts >= MAX_ATTEMPTS else now + backoff(attempts, chance)
        return attrs.evolve(
            self, attempts=attempts, due_at=due_at, problem=problem[:MAX_PROBLEM_LENGTH]
        )


def backoff(attempts: int, chance: float) -> timedelta:
    """How long to wait after so many attempts: doubling, and by chance up to a quarter less."""
    longest = min(FIRST_DELAY * (1 << (attempts - 1)), LAST_DELAY)
    return longest * (1 - chance / 4)


def lanes(deliveries: Sequence[Delivery], count: int) -> list[list[Delivery]]:
    """So many lists at most, each in order; what is about the same subject is in the same one."""
    lists: list[list[Delivery]] = [[] for _ in range(count)]
    subjects: dict[str, int] = {}
    for each in deliveries:
        lists[subjects.setdefault(each.subject, len(subjects) % count)].append(each)
    return [lane for lane in lists if lane]

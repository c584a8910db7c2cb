"""Who may do what: scopes, and the tokens and subjects that hold them."""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from hashlib import sha256
from zlib import crc32

import attrs

from .errors import InvalidValue, OrderAggregatorError
from .rate import Rate, daily_quota
from .values import check_id, clean_id, name, timestamp

ORDERS_WRITE = "orders:write"
ORDERS_READ = "orders:read"
STOCK_READ = "stock:read"
EVENTS_READ = "events:read"
OPERATE = "operate"
ADMIN = "admin"
# Followed by a vendor's id: that vendor's stock, sync and pages.
VENDOR = "vendor:"

# What else each scope allows. Whoever may operate may also do what any vendor may.
IMPLIED: Mapping[str, frozenset[str]] = {
    ORDERS_READ: frozenset(),
    STOCK_READ: frozenset(),
    EVENTS_READ: frozenset(),
    ORDERS_WRITE: frozenset({ORDERS_READ}),
    OPERATE: frozenset({ORDERS_READ, STOCK_READ, EVENTS_READ}),
    ADMIN: frozenset({ORDERS_WRITE, ORDERS_READ, STOCK_READ, EVENTS_READ, OPERATE}),
}
SCOPE_RULE = f"must be one of {', '.join(IMPLIED)}, or {VENDOR}<id>"

# By which secret scanners know a token: the prefix, random characters, and a checksum of both.
TOKEN_PREFIX = "oat_"  # noqa: S105 - no token yet
TOKEN_CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
# 178 bits: nobody guesses them, so a plain SHA-256 is all that has to be kept.
RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6


class Unauthenticated(OrderAggregatorError):
    """Nobody is known by the credentials, or there are none."""

    def __init__(self, problem: str, *, given: bool = True) -> None:
        """`given`: there were some."""
        super().__init__(problem)
        self.given = given


class InsufficientScope(OrderAggregatorError):
    """The caller is known, and may not do this."""

    def __init__(self, scopes: Collection[str]) -> None:
        super().__init__(f"needs the scope {' or '.join(scopes)}")
        self.scopes = tuple(scopes)


def parse_scope(text: str) -> str:
    """A scope as it counts; raises InvalidValue."""
    if text.startswith(VENDOR):
        vendor_id = clean_id(text.removeprefix(VENDOR))
        check_id(vendor_id, "scope")
        return f"{VENDOR}{vendor_id}"
    if text not in IMPLIED:
        raise InvalidValue("scope", SCOPE_RULE)
    return text


def parse_scopes(texts: Iterable[str]) -> tuple[str, ...]:
    """Scopes as they count, each once; raises InvalidValue, also where there are none."""
    scopes = tuple(dict.fromkeys(map(parse_scope, texts)))
    if not scopes:
        raise InvalidValue("scope", SCOPE_RULE)
    return scopes


def permitted_by(scopes: Iterable[str]) -> frozenset[str]:
    """These scopes with all that they imply; what is no scope of ours means nothing."""
    found: set[str] = set()
    for scope in scopes:
        if scope.startswith(VENDOR):
            found.add(f"{VENDOR}{clean_id(scope.removeprefix(VENDOR))}")
        elif scope in IMPLIED:
            found |= {scope, *IMPLIED[scope]}
    return frozenset(found)


@attrs.frozen(kw_only=True)
class Principal:
    """Who calls: "token:<id>", "jwt:<subject>", "cli:<user>" or "anyone", and its name."""

    id: str
    name: str = ""
    permitted: frozenset[str]
    # None: for good.
    expires_at: datetime | None = None
    # Its own; None: that of all.
    rate_limit: Rate | None = None

    def may(self, scope: str) -> bool:
        """Whether it has this scope, or one that implies it."""
        permitted = self.permitted
        return scope in permitted or (scope.startswith(VENDOR) and OPERATE in permitted)

    def has_expired(self, now: datetime) -> bool:
        """Whether it is nobody any more."""
        return self.expires_at is not None and self.expires_at <= now


# Who calls an API that is open.
ANYONE = Principal(id="anyone", permitted=permitted_by([ADMIN]))


def _tuple(scopes: Iterable[str]) -> tuple[str, ...]:
    return tuple(scopes)


@attrs.frozen(kw_only=True)
class AccessToken:
    """An API token as it is kept: not itself, but its digest."""

    id: str
    name: str = attrs.field(validator=name)
    digest: str
    # One that a later version gave may mean nothing here.
    scopes: tuple[str, ...] = attrs.field(converter=_tuple)
    created_at: datetime = attrs.field(validator=timestamp)
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    # In place of that of all callers.
    rate_limit: Rate | None = None
    # Requests in a day of UTC; None: as many as it likes.
    daily_quota: int | None = attrs.field(default=None, validator=daily_quota)
    # The last day on which requests were counted, and how many.
    used_on: date | None = None
    used: int = 0
    # Made by the demo for itself: it does not close an API that is open until there is a token.
    of_demo: bool = False

    def is_valid(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)

    @property
    def principal_id(self) -> str:
        """The id of its principal."""
        return f"token:{self.id}"

    def principal(self) -> Principal:
        """Who calls with it."""
        return Principal(
            id=self.principal_id,
            name=self.name,
            permitted=permitted_by(self.scopes),
            expires_at=self.expires_at,
            rate_limit=self.rate_limit,
        )

    def requests_on(self, day: date) -> int:
        """How many of that day are counted."""
        return self.used if self.used_on == day else 0


def token_text(random: str) -> str:
    """A token of these random characters."""
    body = TOKEN_PREFIX + random
    return body + _base62(crc32(body.encode()), CHECKSUM_LENGTH)


def is_token(text: str) -> bool:
    """Whether it has the form and the checksum of a token: no typing error, and no other secret."""
    random = text[len(TOKEN_PREFIX) : -CHECKSUM_LENGTH]
    return len(random) == RANDOM_LENGTH and text.isascii() and token_text(random) == text


def digest_of(token: str) -> str:
    """What is kept of a token.

    A password needs a slow hash, because it can be guessed; a random token cannot.
    """
    return sha256(token.encode()).hexdigest()


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(TOKEN_CHARACTERS))
        digits.append(TOKEN_CHARACTERS[digit])
    return "".join(reversed(digits))

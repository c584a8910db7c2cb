"""What was changed by whom."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime

import attrs

from .access import AccessToken
from .ports.vendor_directory import DeclaredVendor
from .stock import ProductLimits
from .values import sanitize, timestamp, timestamp_text

MAX_LENGTH = 500
_AFTER_HOST = re.compile(r"[/?#].*", re.DOTALL)


def _bounded(text: str | None) -> str | None:
    return None if text is None else sanitize(text[:MAX_LENGTH])


def _text(text: str) -> str:
    return sanitize(text[:MAX_LENGTH])


@attrs.frozen(kw_only=True)
class AuditEntry:
    """A change that somebody asked for, and what came of it."""

    at: datetime = attrs.field(validator=timestamp)
    # As `Principal` has them.
    actor: str = attrs.field(converter=_text)
    actor_name: str = attrs.field(default="", converter=_text)
    # The name of an operation of the API, or a command.
    operation: str = attrs.field(converter=_text)
    path: str | None = attrs.field(default=None, converter=_bounded)
    # What was changed: an order, a vendor, a token.
    target: str | None = attrs.field(default=None, converter=_bounded)
    # What it is like from then on.
    detail: str | None = attrs.field(default=None, converter=_bounded)
    # Of HTTP, or the exit status of the command.
    status: int
    request_id: str | None = None


def without_secrets(url: str) -> str:
    """The URL's scheme and host: there may be secrets in all the rest."""
    scheme, separator, rest = url.partition("://")
    if not separator or "@" in rest:
        # Where the host begins is not certain, if a password has a slash in it.
        return f"{scheme}://…" if separator else "…"
    return f"{scheme}://{_AFTER_HOST.sub('', rest)}"


def about_webhook(url: str, types: Iterable[str]) -> str:
    """Where it is, and what it is told."""
    return f"{without_secrets(url)} {','.join(types)}"


def about_token(token: AccessToken) -> str:
    """Whose it is, and what it may do."""
    parts = [token.name, ",".join(token.scopes)]
    if token.rate_limit is not None:
        parts.append(f"rate {token.rate_limit}")
    if token.daily_quota is not None:
        parts.append(f"{token.daily_quota} a day")
    if token.expires_at is not None:
        parts.append(f"until {timestamp_text(token.expires_at)[:16]}")
    return "; ".join(parts)


def about_vendor(declared: DeclaredVendor) -> str:
    """What it is called, and where its feed is."""
    entry = json.loads(declared.entry)
    place = str(entry.get("url") or entry.get("path") or "")
    if "://" in place:
        place = without_secrets(place)
    return f"{declared.vendor.name}: {entry.get('type')} {place}".rstrip()


def about_product(name: str | None, limits: ProductLimits) -> str:
    """Its name, if one was set, and its limits."""
    told = {} if name is None else {"name": name}
    for field, value in attrs.asdict(limits).items():
        told[field] = "as usual" if value is None else str(value)
    return ", ".join(f"{field} {value}" for field, value in told.items())

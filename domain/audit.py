"""What was changed by whom."""

from __future__ import annotations

from datetime import datetime

import attrs

from .values import sanitize, timestamp

MAX_LENGTH = 500


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
    # Of HTTP, or the exit status of the command.
    status: int
    request_id: str | None = None

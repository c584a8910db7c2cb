"""What an operator is told of API tokens, and of what was changed by whom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ..domain.access import AccessToken
from ..domain.audit import AuditEntry
from ..domain.ports.audit_log import AuditTrail
from ..domain.values import timestamp_text
from .api.audit import AuditSchema
from .runtime.tables import aligned

PAGE = 500


def table(tokens: Sequence[AccessToken], now: datetime) -> Iterator[str]:
    """A line a token, in columns."""
    rows = [("TOKEN", "NAME", "STATE", "LAST USED", "EXPIRES", "RATE", "QUOTA", "TODAY", "SCOPES")]
    rows += [
        (
            token.id,
            token.name,
            _state(token, now),
            _moment(token.last_used_at),
            _moment(token.expires_at),
            str(token.rate_limit or "-"),
            str(token.daily_quota or "-"),
            str(token.requests_on(now.date())),
            ",".join(token.scopes),
        )
        for token in tokens
    ]
    return aligned(rows)


def as_json(token: AccessToken, now: datetime, secret: str | None = None) -> str:
    """All that is known of it, and itself where it was just made."""
    document: dict[str, Any] = {"id": token.id, "name": token.name, "scopes": token.scopes}
    for field in ("created_at", "expires_at", "last_used_at", "revoked_at"):
        moment = getattr(token, field)
        document[field] = None if moment is None else timestamp_text(moment)
    document["rate_limit"] = None if token.rate_limit is None else str(token.rate_limit)
    document["daily_quota"] = token.daily_quota
    document["requests_today"] = token.requests_on(now.date())
    shown = {} if secret is None else {"token": secret}
    return json.dumps(document | {"of_demo": token.of_demo} | shown)


def _state(token: AccessToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if not token.is_valid(now):
        return "expired"
    return "valid"


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else timestamp_text(moment)[:16]


def entries(trail: AuditTrail, limit: int) -> Iterator[AuditEntry]:
    """So many, newest first."""
    offset = 0
    while page := trail.page(offset, min(PAGE, limit - offset)).items:
        yield from page
        offset += len(page)
        if offset >= limit:
            return


def audit_table(found: Sequence[AuditEntry]) -> Iterator[str]:
    """A line an entry, in columns."""
    rows = [("AT", "WHO", "WHAT", "TARGET", "STATUS", "REQUEST", "DETAIL")]
    rows += [
        (
            timestamp_text(entry.at)[:19],
            f"{entry.actor} ({entry.actor_name})" if entry.actor_name else entry.actor,
            entry.operation,
            entry.target or "-",
            str(entry.status),
            entry.request_id or "-",
            entry.detail or "-",
        )
        for entry in found
    ]
    return aligned(rows)


def audit_as_json(entry: AuditEntry) -> str:
    """As the API has it."""
    return json.dumps(AuditSchema().dump(entry))

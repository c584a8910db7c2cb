"""API tokens in SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import attrs
from sqlalchemy import (
    BigInteger,
    Dialect,
    Engine,
    Text,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from ...domain.access import AccessToken
from ...domain.rate import Rate
from .errors import read_errors_translated
from .schema import TIMESTAMP, access_tokens
from .transaction import Transaction

_COLUMNS = access_tokens.c.keys()
# A flag is no parameter: the driver is spoken to by passing SQLAlchemy, which would convert it.
_TOLD = [name for name in _COLUMNS if name != "of_demo"]


class TokenStatements:
    """The statements about tokens, built once for a database."""

    def __init__(self, _dialect: Dialect) -> None:
        column = access_tokens.c
        this = column.id == bindparam("this", type_=Text)
        at = bindparam("at_", type_=TIMESTAMP)
        day, more = bindparam("day", type_=Text), bindparam("more", type_=BigInteger)
        told = {name: bindparam(f"_{name}", type_=column[name].type) for name in _TOLD}
        self.add = {
            of_demo: insert(access_tokens).values(**told, of_demo=true() if of_demo else false())
            for of_demo in (True, False)
        }
        self.revoke = (
            update(access_tokens)
            .values(revoked_at=func.coalesce(column.revoked_at, at))
            .where(this)
            .returning(column.id)
        )
        earlier = case((column.used_on == day, column.used), else_=0)
        self.note_uses = (
            update(access_tokens)
            .values(last_used_at=at, used_on=day, used=earlier + more)
            .where(this, or_(column.used_on.is_(None), column.used_on <= day))
            .returning(column.used)
        )
        self.remove_of_demo = delete(access_tokens).where(column.of_demo)


class SqlAccessTokens:
    """AccessTokens on SQL; an index guards that each digest is there once."""

    def __init__(self, transaction: Transaction, statements: TokenStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    def add(self, token: AccessToken) -> None:
        """Insert."""
        rate, day = token.rate_limit, token.used_on
        columns = attrs.asdict(token, recurse=False) | {
            "scopes": json.dumps(token.scopes),
            "rate_requests": None if rate is None else rate.requests,
            "rate_seconds": None if rate is None else rate.seconds,
            "used_on": None if day is None else day.isoformat(),
        }
        row = {f"_{name}": columns[name] for name in _TOLD}
        self._transaction.enqueue(self._statements.add[token.of_demo], row)

    def revoke(self, token_id: str, at: datetime) -> bool:
        """One statement."""
        parameters = {"this": token_id, "at_": at}
        return bool(self._transaction.fetch_all(self._statements.revoke, parameters))

    def note_uses(self, requests: Mapping[str, int], at: datetime) -> dict[str, int]:
        """A statement for each, in the order of their ids: several processes do this at once."""
        day, totals = at.date().isoformat(), {}
        for token_id, more in sorted(requests.items()):
            parameters = {"this": token_id, "at_": at, "day": day, "more": more}
            for (total,) in self._transaction.fetch_all(self._statements.note_uses, parameters):
                totals[token_id] = total
        return totals

    def remove_of_demo(self) -> None:
        """One statement."""
        self._transaction.enqueue(self._statements.remove_of_demo)


class SqlTokenDirectory:
    """TokenDirectory on SQL."""

    def __init__(self, engine: Engine) -> None:
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        column = access_tokens.c
        self._all = select(*column).order_by(column.created_at, column.id)

    def all(self) -> list[AccessToken]:
        """Read the table: tokens are few."""
        with read_errors_translated(), self._reader.connect() as connection:
            return [_token(row) for row in connection.execute(self._all)]


def _token(row: Sequence[Any]) -> AccessToken:
    fields = dict(zip(_COLUMNS, row, strict=True))
    fields["scopes"] = json.loads(fields["scopes"])
    requests, seconds = fields.pop("rate_requests"), fields.pop("rate_seconds")
    fields["rate_limit"] = None if requests is None else Rate(requests, seconds)
    if fields["used_on"] is not None:
        fields["used_on"] = date.fromisoformat(fields["used_on"])
    fields["of_demo"] = bool(fields["of_demo"])
    return AccessToken(**fields)

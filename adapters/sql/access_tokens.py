"""API tokens in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Dialect,
    Engine,
    Text,
    bindparam,
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
        since = bindparam("since", type_=TIMESTAMP)
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
        self.note_use = (
            update(access_tokens)
            .values(last_used_at=at)
            .where(this, or_(column.last_used_at.is_(None), column.last_used_at < since))
        )
        self.remove_of_demo = delete(access_tokens).where(column.of_demo)


class SqlAccessTokens:
    """AccessTokens on SQL; an index guards that each digest is there once."""

    def __init__(self, transaction: Transaction, statements: TokenStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    def add(self, token: AccessToken) -> None:
        """Insert."""
        row = {f"_{name}": getattr(token, name) for name in _TOLD}
        row["_scopes"] = json.dumps(token.scopes)
        self._transaction.enqueue(self._statements.add[token.of_demo], row)

    def revoke(self, token_id: str, at: datetime) -> bool:
        """One statement."""
        parameters = {"this": token_id, "at_": at}
        return bool(self._transaction.fetch_all(self._statements.revoke, parameters))

    def note_use(self, token_id: str, at: datetime, unless_since: datetime) -> None:
        """One statement."""
        parameters = {"this": token_id, "at_": at, "since": unless_since}
        self._transaction.enqueue(self._statements.note_use, parameters)

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
    fields["of_demo"] = bool(fields["of_demo"])
    return AccessToken(**fields)

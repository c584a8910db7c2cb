"""Requests that were carried out, in SQL."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Dialect, bindparam, delete, insert, select, tuple_, update

from ...domain.ports.idempotency_keys import Remembered
from .schema import TIMESTAMP, idempotency_keys
from .transaction import Transaction


class KeyStatements:
    """The statements of the idempotency keys, built once for a database."""

    def __init__(self, _dialect: Dialect) -> None:
        keys = idempotency_keys.c
        this = (keys.scope == bindparam("_scope"), keys.key == bindparam("_key"))
        at = bindparam("at", type_=TIMESTAMP)
        self.find = select(keys.digest, keys.answer).where(*this)
        self.remember = insert(idempotency_keys)
        self.touch = update(idempotency_keys).values(used_at=at).where(*this)
        old = (
            select(keys.scope, keys.key)
            .where(keys.used_at < at)
            .order_by(keys.used_at)
            .limit(bindparam("limit", type_=BigInteger))
        )
        self.forget = (
            delete(idempotency_keys)
            .where(tuple_(keys.scope, keys.key).in_(old))
            .returning(keys.key)
        )


class SqlIdempotencyKeys:
    """IdempotencyKeys on SQL; the primary key guards that each is used once."""

    def __init__(self, transaction: Transaction, statements: KeyStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    def find(self, scope: str, key: str) -> Remembered | None:
        """By the primary key."""
        rows = self._transaction.fetch_all(self._statements.find, {"_scope": scope, "_key": key})
        found = (Remembered(digest=digest, answer=answer) for digest, answer in rows)
        return next(found, None)

    def remember(self, scope: str, key: str, request: Remembered, at: datetime) -> None:
        """Insert."""
        row = {
            "scope": scope,
            "key": key,
            "digest": request.digest,
            "answer": request.answer,
            "used_at": at,
        }
        self._transaction.enqueue(self._statements.remember, row)

    def touch(self, scope: str, key: str, at: datetime) -> None:
        """One statement."""
        parameters = {"_scope": scope, "_key": key, "at": at}
        self._transaction.enqueue(self._statements.touch, parameters)

    def forget(self, before: datetime, limit: int) -> int:
        """By the index on their age."""
        parameters = {"at": before, "limit": limit}
        return len(self._transaction.fetch_all(self._statements.forget, parameters))

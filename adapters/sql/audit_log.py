"""The audit log in SQL."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Dialect, Engine, bindparam, delete, func, insert, select

from ...domain.audit import AuditEntry
from ...domain.ports.read_model import Page
from .errors import read_errors_translated
from .schema import TIMESTAMP, audit_log
from .transaction import Transaction

_FIELDS = [name for name in audit_log.c.keys() if name != "id"]  # noqa: SIM118 - no dictionary


class AuditStatements:
    """The statements about the audit log, built once for a database."""

    def __init__(self, _dialect: Dialect) -> None:
        column = audit_log.c
        self.append = insert(audit_log).values(
            {name: bindparam(f"_{name}", type_=column[name].type) for name in _FIELDS}
        )
        old = (
            select(column.id)
            .where(column.at < bindparam("before", type_=TIMESTAMP))
            .order_by(column.at)
            .limit(bindparam("limit", type_=BigInteger))
        )
        self.forget = delete(audit_log).where(column.id.in_(old)).returning(column.id)


class SqlAuditLog:
    """AuditLog on SQL."""

    def __init__(self, transaction: Transaction, statements: AuditStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    def append(self, entry: AuditEntry) -> None:
        """Insert."""
        row = {f"_{name}": getattr(entry, name) for name in _FIELDS}
        self._transaction.enqueue(self._statements.append, row)

    def forget(self, before: datetime, limit: int) -> int:
        """By the index on their age."""
        parameters = {"before": before, "limit": limit}
        return len(self._transaction.fetch_all(self._statements.forget, parameters))


class SqlAuditTrail:
    """AuditTrail on SQL."""

    def __init__(self, engine: Engine) -> None:
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        column = audit_log.c
        self._count = select(func.count()).select_from(audit_log)
        self._page = (
            select(*(column[name] for name in _FIELDS))
            .order_by(column.id.desc())
            .offset(bindparam("offset", type_=BigInteger))
            .limit(bindparam("limit", type_=BigInteger))
        )

    def page(self, offset: int, limit: int) -> Page[AuditEntry]:
        """The page and the total."""
        with read_errors_translated(), self._reader.connect() as connection:
            rows = connection.execute(self._page, {"offset": offset, "limit": limit}).all()
            total = connection.execute(self._count).scalar_one()
        items = tuple(AuditEntry(**dict(zip(_FIELDS, row, strict=True))) for row in rows)
        return Page(items=items, total=total)

"""Which vendors there are, in SQL: what the table of vendors says beside their reports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import (
    Boolean,
    Dialect,
    Integer,
    Text,
    bindparam,
    case,
    false,
    literal,
    null,
    select,
    true,
    update,
)

from ...domain.ports.vendor_directory import DeclaredVendor, SyncAttempt
from ...domain.stock import Vendor
from ...domain.vendor_sync import NEVER
from .bulk import bulk_keys, bulk_rows, upsert
from .schema import TEXT_ID, TIMESTAMP, vendors
from .transaction import Transaction


class DirectoryStatements:
    """The statements of the vendor directory, built once for a database."""

    def __init__(self, dialect: Dialect) -> None:
        columns = vendors.c
        self.ids = bulk_keys(dialect, TEXT_ID)
        self.declared = (
            select(
                columns.id,
                columns.name,
                columns.entry,
                columns.folder,
                columns.from_file,
                columns.enabled,
            )
            .where(columns.entry.is_not(None))
            .order_by(columns.id)
        )
        self.rows = bulk_rows(
            dialect, id=TEXT_ID, name=Text(), entry=Text(), folder=Text(), from_file=Boolean()
        )
        names = ("name", "entry", "folder", "from_file")
        put = upsert(dialect, vendors).from_select(
            ["id", *names, "as_of"],
            select(*self.rows.source.c, literal(NEVER, TIMESTAMP)).where(true()),
        )
        self.declare = put.on_conflict_do_update(
            index_elements=["id"], set_={name: put.excluded[name] for name in names}
        )
        self.withdraw = (
            update(vendors)
            .values(entry=null(), folder=null(), from_file=false())
            .where(self.ids.contain(columns.id))
        )
        self.disabled = select(columns.id).where(~columns.enabled)
        self.enable = {
            enabled: update(vendors)
            .values(enabled=true() if enabled else false())
            .where(columns.id == bindparam("vendor_id"))
            .returning(columns.id)
            for enabled in (True, False)
        }
        self._build_attempts(dialect)

    def _build_attempts(self, dialect: Dialect) -> None:
        columns = vendors.c
        problem = bindparam("problem", type_=Text)
        failed = problem.is_not(None)
        put = upsert(dialect, vendors).values(
            id=bindparam("id"),
            name=bindparam("name"),
            as_of=literal(NEVER, TIMESTAMP),
            attempted_at=bindparam("attempted_at", type_=TIMESTAMP),
            problem=problem,
            failures=case((failed, 1), else_=0),
            outdated=bindparam("outdated", type_=Integer),
        )
        self.note_attempt = put.on_conflict_do_update(
            index_elements=["id"],
            set_={
                "attempted_at": put.excluded.attempted_at,
                "problem": put.excluded.problem,
                "failures": case((failed, columns.failures + 1), else_=0),
                "outdated": columns.outdated + put.excluded.outdated,
            },
        )
        self.plan_sync = (
            update(vendors)
            .values(next_sync_at=bindparam("at", type_=TIMESTAMP))
            .where(columns.id == bindparam("vendor_id"))
        )


class SqlVendorDirectory:
    """VendorDirectory on SQL."""

    def __init__(self, transaction: Transaction, statements: DirectoryStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    def declared(self) -> list[DeclaredVendor]:
        """By the primary key."""
        return [
            DeclaredVendor(
                vendor=Vendor(id=vendor_id, name=name),
                entry=entry,
                folder=folder,
                from_file=bool(from_file),
                enabled=bool(enabled),
            )
            for vendor_id, name, entry, folder, from_file, enabled in self._transaction.fetch_all(
                self._statements.declared, {}
            )
        ]

    def declare(self, vendors: Sequence[DeclaredVendor]) -> None:
        """One statement."""
        if not vendors:
            return
        by_id = sorted(vendors, key=lambda each: each.vendor.id)
        rows = [(x.vendor.id, x.vendor.name, x.entry, x.folder, x.from_file) for x in by_id]
        self._transaction.enqueue(self._statements.declare, self._statements.rows.bind(rows))

    def withdraw(self, vendor_ids: Collection[str]) -> None:
        """One statement."""
        if vendor_ids:
            ids = self._statements.ids.bind(vendor_ids)
            self._transaction.enqueue(self._statements.withdraw, ids)

    def disabled(self) -> set[str]:
        """By a scan: vendors are few."""
        return {key for (key,) in self._transaction.fetch_all(self._statements.disabled, {})}

    def enable(self, vendor_id: str, *, enabled: bool) -> bool:
        """One statement."""
        statement = self._statements.enable[enabled]
        return bool(self._transaction.fetch_all(statement, {"vendor_id": vendor_id}))

    def note_attempt(self, vendor: Vendor, attempt: SyncAttempt) -> None:
        """One statement."""
        parameters = {
            "id": vendor.id,
            "name": vendor.name,
            "attempted_at": attempt.at,
            "problem": attempt.problem,
            "outdated": int(attempt.outdated),
        }
        self._transaction.enqueue(self._statements.note_attempt, parameters)

    def plan_sync(self, vendor_id: str, at: datetime) -> None:
        """One statement."""
        self._transaction.enqueue(self._statements.plan_sync, {"vendor_id": vendor_id, "at": at})

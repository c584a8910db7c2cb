"""Central and vendor stock in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from ...domain.errors import ConstraintViolated, Rejection
from ...domain.ports.ledger import Discrepancy
from ...domain.stock import (
    CentralStock,
    Product,
    ProductLimits,
    StockDelta,
    Vendor,
    VendorStock,
    VendorStockChange,
)
from ...domain.vendor_sync import Quarantine, ReportState, StockAdjustment
from .balances import stock_discrepancies
from .schema import (
    vendor_stock,
)
from .stock_statements import StockStatements
from .transaction import Transaction


class SqlStock:
    """StockRepository on SQL. The lock on central stock covers vendor stock too."""

    def __init__(self, transaction: Transaction, statements: StockStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    def lock(self, product_ids: Collection[str]) -> dict[str, CentralStock]:
        """In the order of product ids."""
        statements = self._statements
        rows = self._transaction.fetch_all(statements.lock, statements.ids.bind(product_ids))
        return {
            key: CentralStock(
                product_id=key,
                on_hand=on_hand,
                reserved=reserved,
                stale=stale,
                backordered=backordered,
                low_at=low_at,
                backorder_limit=limit,
                holds_expire_at=expires,
            )
            for key, on_hand, reserved, stale, backordered, low_at, limit, expires in rows
        }

    def change(self, changes: Sequence[StockDelta], at: datetime) -> None:
        """One statement; the table's constraints guard the figures."""
        if not changes:
            return
        statements = self._statements
        rows = [(c.product_id, c.on_hand, c.reserved, c.stale, c.backordered) for c in changes]
        self._transaction.enqueue(
            statements.change,
            statements.changes.bind(rows) | {"at": at},
            expected_rowcount=len(rows),
            mismatch_error=ConstraintViolated(
                "central stock of a product that does not exist, or is named twice"
            ),
        )

    def products_with_due_holds(self, now: datetime, limit: int) -> list[str]:
        """By the index on when they expire."""
        rows = self._transaction.fetch_all(
            self._statements.products_with_due_holds, {"now": now, "limit": limit}
        )
        return [product_id for (product_id,) in rows]

    def refresh_holds(self, product_ids: Collection[str]) -> None:
        """By the primary key of what is held."""
        statements = self._statements
        self._transaction.enqueue(statements.refresh_holds, statements.ids.bind(product_ids))

    def fillable(self, limit: int) -> list[str]:
        """By the index on what is waited for."""
        rows = self._transaction.fetch_all(self._statements.fillable, {"limit": limit})
        return [product_id for (product_id,) in rows]

    def limit_product(self, product_id: str, limits: ProductLimits, at: datetime) -> bool:
        """One statement."""
        parameters = {
            "product": product_id,
            "_low_at": limits.low_at,
            "_backorder_limit": limits.backorder_limit,
            "at": at,
        }
        return bool(self._transaction.fetch_all(self._statements.limit_product, parameters))

    def lock_vendor_stock(self, product_ids: Collection[str]) -> list[VendorStock]:
        """Every vendor's row of these products."""
        statements = self._statements
        keys = statements.ids.bind(product_ids)
        self._transaction.enqueue(statements.lock, keys)
        return _levels(self._transaction.fetch_all(statements.lock_vendor_stock, keys))

    def vendor_levels(self, vendor_id: str, product_ids: Collection[str]) -> list[VendorStock]:
        """By the primary key."""
        statements = self._statements
        parameters = statements.ids.bind(product_ids) | {"vendor_id": vendor_id}
        return _levels(self._transaction.fetch_all(statements.vendor_levels, parameters))

    def lock_top_vendors(self, counts: Mapping[str, int]) -> list[VendorStock]:
        """Chosen by the database: the others never leave it."""
        statements = self._statements
        self._transaction.enqueue(statements.lock, statements.ids.bind(counts))
        return _levels(
            self._transaction.fetch_all(
                statements.highest, statements.counts.bind([*counts.items()])
            )
        )

    def change_vendors(self, changes: Sequence[VendorStockChange]) -> None:
        """One statement; the table's constraint guards the figures."""
        if not changes:
            return
        statements = self._statements
        rows = [(c.product_id, c.vendor_id, c.available, c.allocated) for c in changes]
        self._transaction.enqueue(
            statements.change_vendors,
            statements.vendor_changes.bind(rows),
            expected_rowcount=len(rows),
            mismatch_error=ConstraintViolated(
                "vendor stock that does not exist, or is named twice"
            ),
        )

    def upsert_vendor_stock(self, levels: Sequence[VendorStock]) -> None:
        """Insert or replace; marks only where something may have been marked."""
        if not levels:
            return
        statements = self._statements
        rows = [_ROW(level) for level in levels]
        self._transaction.enqueue(statements.upsert_vendor_stock, statements.levels.bind(rows))
        counted = [(x.vendor_id, x.product_id, x.counted) for x in levels if x.counted]
        if counted:
            self._transaction.enqueue(statements.forget_marks, statements.totals.bind(counted))

    def mark_allocated(self, levels: Sequence[VendorStock], at: datetime) -> None:
        """Insert what is new."""
        if levels:
            statements = self._statements
            totals = [(x.vendor_id, x.product_id, x.allocated) for x in levels]
            parameters = statements.totals.bind(totals) | {"at": at}
            self._transaction.enqueue(statements.mark_allocated, parameters)

    def allocated_by(self, vendor_id: str, timestamps: Mapping[str, datetime]) -> Mapping[str, int]:
        """By the primary key."""
        statements = self._statements
        parameters = statements.times.bind([*timestamps.items()]) | {"vendor_id": vendor_id}
        rows = self._transaction.fetch_all(statements.allocated_by, parameters)
        return dict(map(tuple, rows))

    def record(self, adjustments: Sequence[StockAdjustment]) -> None:
        """Append to the ledger."""
        if not adjustments:
            return
        statements = self._statements
        rows = [(a.vendor_id, a.product_id, a.delta, a.cause, a.at) for a in adjustments]
        self._transaction.enqueue(statements.record, statements.adjustments.bind(rows))

    def discrepancies(self, product_ids: Collection[str]) -> list[Discrepancy]:
        """A question a figure; each may read whole tables, as nothing else asks like this."""
        statements = self._statements
        keys = statements.ids.bind(product_ids)
        self._transaction.allow_long_statements()
        return [
            found
            for figure, check in statements.checks.items()
            for found in stock_discrepancies(figure, self._transaction.fetch_all(check, keys))
        ]

    def correct_allocated(self, levels: Sequence[VendorStock]) -> None:
        """Set; marks that are counted now go as well."""
        if not levels:
            return
        statements = self._statements
        rows = [(x.vendor_id, x.product_id, x.allocated, x.counted) for x in levels]
        self._transaction.enqueue(
            statements.correct_allocated,
            statements.corrections.bind(rows),
            expected_rowcount=len(rows),
            mismatch_error=ConstraintViolated("vendor stock that does not exist"),
        )
        for statement, place in ((statements.forget_wrong_marks, 2), (statements.forget_marks, 3)):
            totals = [(*row[:2], row[place]) for row in rows]
            self._transaction.enqueue(statement, statements.totals.bind(totals))

    def products_of(self, vendor_id: str, after: str, limit: int) -> list[str]:
        """By the primary key."""
        parameters = {"vendor_id": vendor_id, "after": after, "limit": limit}
        rows = self._transaction.fetch_all(self._statements.products_of, parameters)
        return [product_id for (product_id,) in rows]

    def expected(self, product_ids: Collection[str], now: datetime) -> Mapping[str, datetime]:
        """By the index on the vendors of a product."""
        statements = self._statements
        parameters = statements.ids.bind(product_ids) | {"now": now}
        rows = self._transaction.fetch_all(statements.expected, parameters)
        return {product_id: at for at, product_id in rows}

    def reported_units(self, vendor_id: str) -> int:
        """Summed up by the database."""
        rows = self._transaction.fetch_all(
            self._statements.reported_units, {"vendor_id": vendor_id}
        )
        [(units,)] = rows
        return int(units)

    def quarantine(self, vendor_id: str) -> Quarantine | None:
        """By the primary key."""
        rows = self._transaction.fetch_all(self._statements.quarantine, {"vendor_id": vendor_id})
        found = (Quarantine(since=since, approved=bool(approved)) for since, approved in rows)
        return next(found, None)

    def begin_quarantine(self, vendor_id: str, now: datetime) -> None:
        """One statement."""
        parameters = {"vendor_id": vendor_id, "now": now}
        self._transaction.enqueue(self._statements.begin_quarantine, parameters)

    def approve(self, vendor_id: str) -> bool:
        """One statement."""
        return bool(self._transaction.fetch_all(self._statements.approve, {"vendor_id": vendor_id}))

    def replace_rejections(self, vendor_id: str, rejections: Sequence[Rejection]) -> None:
        """Delete and insert."""
        statements = self._statements
        self._transaction.enqueue(statements.forget_rejections, {"vendor_id": vendor_id})
        if rejections:
            rows = [
                (vendor_id, position, r.place, r.product_id, r.field, r.reason)
                for position, r in enumerate(rejections)
            ]
            self._transaction.enqueue(statements.add_rejections, statements.rejections.bind(rows))

    def silent_vendors(self, now: datetime) -> list[str]:
        """Nearly always none."""
        rows = self._transaction.fetch_all(self._statements.silent, {"now": now})
        return [vendor_id for (vendor_id,) in rows]

    def make_stale(self, vendor_id: str, now: datetime) -> bool:
        """One statement."""
        parameters = {"vendor_id": vendor_id, "now": now}
        return bool(self._transaction.fetch_all(self._statements.make_stale, parameters))

    def lock_vendor(self, vendor_id: str) -> ReportState | None:
        """By the row that a report writes."""
        rows = self._transaction.fetch_all(self._statements.lock_vendor, {"vendor_id": vendor_id})
        states = (
            ReportState(as_of=as_of, stale=bool(stale) or quarantined_at is not None)
            for as_of, stale, quarantined_at in rows
        )
        return next(states, None)

    def note_heard(self, vendor_id: str, now: datetime, max_age: timedelta | None) -> None:
        """One statement."""
        silent_at = None if max_age is None else now + max_age
        parameters = {"vendor_id": vendor_id, "now": now, "silent_at": silent_at}
        self._transaction.enqueue(self._statements.note_heard, parameters)

    def fresh_products(self, vendor_id: str, limit: int) -> list[str]:
        """By the primary key."""
        rows = self._transaction.fetch_all(
            self._statements.fresh_products, {"vendor_id": vendor_id, "limit": limit}
        )
        return [product_id for (product_id,) in rows]

    def retire(self, vendor_id: str) -> None:
        """One statement."""
        self._transaction.enqueue(self._statements.retire, {"vendor_id": vendor_id})

    def accept_report(
        self, vendor: Vendor, as_of: datetime, now: datetime, max_age: timedelta | None = None
    ) -> bool:
        """Insert or replace, unless the one that is there is newer."""
        parameters = {
            "id": vendor.id,
            "name": vendor.name,
            "as_of": as_of,
            "now": now,
            "silent_at": None if max_age is None else now + max_age,
        }
        return bool(self._transaction.fetch_all(self._statements.accept_report, parameters))

    def add_products(self, products: Sequence[Product], at: datetime) -> None:
        """Insert what is new, in the order of ids, so that nobody waits crosswise."""
        if not products:
            return
        statements = self._statements
        parameters = self._bind_products(products)
        self._transaction.enqueue(statements.add_products, parameters)
        self._transaction.enqueue(statements.add_central, parameters | {"at": at})

    def products(self, product_ids: Collection[str]) -> dict[str, Product]:
        """One question."""
        statements = self._statements
        rows = self._transaction.fetch_all(
            statements.known_products, statements.ids.bind(product_ids)
        )
        return {key: Product(id=key, name=name, named_by=by) for key, name, by in rows}

    def names(self, product_ids: Collection[str]) -> Mapping[str, str]:
        """By the primary key."""
        statements = self._statements
        rows = self._transaction.fetch_all(statements.names, statements.ids.bind(product_ids))
        return dict(map(tuple, rows))

    def rename_products(self, products: Sequence[Product]) -> None:
        """One statement."""
        if products:
            parameters = self._bind_products(products)
            self._transaction.enqueue(self._statements.rename_products, parameters)

    def _bind_products(self, products: Sequence[Product]) -> dict[str, object]:
        by_id = sorted(products, key=attrgetter("id"))
        return self._statements.products.bind([(p.id, p.name, p.named_by) for p in by_id])


_ROW = attrgetter(*vendor_stock.c.keys())


def _levels(rows: Iterable[Sequence[Any]]) -> list[VendorStock]:
    return [
        VendorStock(
            vendor_id=vendor_id,
            product_id=product_id,
            available=available,
            reported=reported,
            allocated=allocated,
            counted=counted,
            stale=bool(stale),
            stated_at=stated_at,
            expected_at=expected_at,
        )
        for (
            product_id,
            vendor_id,
            available,
            reported,
            allocated,
            counted,
            stale,
            stated_at,
            expected_at,
        ) in rows
    ]

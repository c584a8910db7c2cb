"""Central and vendor stock in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    Dialect,
    Text,
    bindparam,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)

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
from ...domain.vendor_sync import NEVER, Quarantine, ReportState, StockAdjustment
from .balances import stock_checks, stock_discrepancies
from .bulk import bulk_keys, bulk_rows, upsert
from .expectations import earliest_expected
from .schema import (
    TEXT_ID,
    TIMESTAMP,
    allocation_marks,
    central_stock,
    hold_lines,
    products,
    rejections,
    stock_adjustments,
    vendor_stock,
    vendors,
)
from .transaction import Transaction

_LEVEL = (
    "product_id",
    "on_hand",
    "reserved",
    "stale",
    "backordered",
    "low_at",
    "backorder_limit",
    "holds_expire_at",
)


class StockStatements:
    """The statements of the stock repository, built once for a database."""

    def __init__(self, dialect: Dialect) -> None:
        self._upsert = partial(upsert, dialect)
        self.ids = bulk_keys(dialect, TEXT_ID)
        self.lock = (
            select(*(central_stock.c[name] for name in _LEVEL))
            .where(self.ids.contain(central_stock.c.product_id))
            .order_by(central_stock.c.product_id)
            # Keys never change, so foreign key checks of other transactions need not wait.
            .with_for_update(key_share=True)
        )
        self.lock_vendor_stock = select(*vendor_stock.c).where(
            self.ids.contain(vendor_stock.c.product_id)
        )
        self.vendor_levels = self.lock_vendor_stock.where(
            vendor_stock.c.vendor_id == bindparam("vendor_id")
        )
        self.products_of = (
            select(vendor_stock.c.product_id)
            .where(
                vendor_stock.c.vendor_id == bindparam("vendor_id"),
                vendor_stock.c.product_id > bindparam("after"),
                or_(vendor_stock.c.reported > 0, vendor_stock.c.expected_at.is_not(None)),
            )
            .order_by(vendor_stock.c.product_id)
            .limit(bindparam("limit", type_=BigInteger))
        )
        self.expected = (
            earliest_expected(bindparam("now", type_=TIMESTAMP))
            .add_columns(vendor_stock.c.product_id)
            .where(self.ids.contain(vendor_stock.c.product_id))
            .group_by(vendor_stock.c.product_id)
        )
        self._build_waiting()
        self._build_highest(dialect)
        self._build_changes(dialect)
        self._build_vendor_levels(dialect)
        self._build_marks(dialect)
        self._build_names(dialect)
        self._build_corrections(dialect)

    def _build_waiting(self) -> None:
        central = central_stock.c
        limit = bindparam("limit", type_=BigInteger)
        self.products_with_due_holds = (
            select(central.product_id)
            .where(central.holds_expire_at <= bindparam("now", type_=TIMESTAMP))
            .order_by(central.holds_expire_at)
            .limit(limit)
        )
        first = (
            select(hold_lines.c.expires_at)
            .where(hold_lines.c.product_id == central.product_id)
            .order_by(hold_lines.c.expires_at)
            .limit(1)
            .scalar_subquery()
        )
        self.refresh_holds = (
            update(central_stock)
            .values(holds_expire_at=first)
            .where(self.ids.contain(central.product_id))
        )
        self.fillable = (
            select(central.product_id)
            .where(
                central.backordered > literal_column("0"),
                central.on_hand - central.stale - central.reserved > 0,
            )
            .limit(limit)
        )
        self.limit_product = (
            update(central_stock)
            .values(
                low_at=bindparam("_low_at", type_=BigInteger),
                backorder_limit=bindparam("_backorder_limit", type_=BigInteger),
                updated_at=bindparam("at", type_=TIMESTAMP),
            )
            .where(central.product_id == bindparam("product", type_=TEXT_ID))
            .returning(central.product_id)
        )

    def _build_highest(self, dialect: Dialect) -> None:
        self.counts = bulk_rows(dialect, product_id=TEXT_ID, vendors=BigInteger())
        some = vendor_stock.c.available > 0
        highest = (
            vendor_stock.c.stale,
            vendor_stock.c.available.desc(),
            vendor_stock.c.vendor_id,
        )
        if dialect.name == "postgresql":
            # The highest few of many are found in a third of the time that ranking them all takes.
            each = (
                select(*vendor_stock.c)
                .where(vendor_stock.c.product_id == self.counts.c.product_id, some)
                .order_by(*highest)
                .limit(self.counts.c.vendors)
                .lateral("highest")
            )
            self.highest = select(*each.c).select_from(self.counts.source.join(each, true()))
            return
        place = func.row_number().over(partition_by=vendor_stock.c.product_id, order_by=highest)
        ranked = (
            select(*vendor_stock.c, place.label("place"), self.counts.c.vendors)
            .join(self.counts.source, self.counts.c.product_id == vendor_stock.c.product_id)
            .where(some)
            .subquery("ranked")
        )
        self.highest = select(*(ranked.c[c.name] for c in vendor_stock.c)).where(
            ranked.c.place <= ranked.c.vendors
        )

    def _build_changes(self, dialect: Dialect) -> None:
        # Stock is changed by differences, never set: even without a lock no change would be lost.
        units = BigInteger()
        self.changes = bulk_rows(
            dialect,
            product_id=TEXT_ID,
            on_hand=units,
            reserved=units,
            stale=units,
            backordered=units,
        )
        self.change = (
            update(central_stock)
            .values(
                on_hand=central_stock.c.on_hand + self.changes.c.on_hand,
                reserved=central_stock.c.reserved + self.changes.c.reserved,
                stale=central_stock.c.stale + self.changes.c.stale,
                backordered=central_stock.c.backordered + self.changes.c.backordered,
                updated_at=bindparam("at", type_=TIMESTAMP),
            )
            .where(central_stock.c.product_id == self.changes.c.product_id)
        )
        self.vendor_changes = bulk_rows(
            dialect, product_id=TEXT_ID, vendor_id=TEXT_ID, available=units, allocated=units
        )
        self.change_vendors = (
            update(vendor_stock)
            .values(
                available=vendor_stock.c.available + self.vendor_changes.c.available,
                allocated=vendor_stock.c.allocated + self.vendor_changes.c.allocated,
            )
            .where(
                vendor_stock.c.product_id == self.vendor_changes.c.product_id,
                vendor_stock.c.vendor_id == self.vendor_changes.c.vendor_id,
            )
        )

    def _build_vendor_levels(self, dialect: Dialect) -> None:
        self.levels = bulk_rows(dialect, **{c.name: c.type for c in vendor_stock.c})
        put = self._upsert(vendor_stock).from_select(
            [c.name for c in vendor_stock.c], select(self.levels.source).where(true())
        )
        self.upsert_vendor_stock = put.on_conflict_do_update(
            index_elements=["product_id", "vendor_id"],
            set_={
                name: put.excluded[name]
                for name in (
                    "available",
                    "reported",
                    "allocated",
                    "counted",
                    "stale",
                    "stated_at",
                    "expected_at",
                )
            },
        )
        columns = [c for c in stock_adjustments.c if c.name != "id"]
        self.adjustments = bulk_rows(dialect, **{c.name: c.type for c in columns})
        self.record = insert(stock_adjustments).from_select(
            [c.name for c in columns], select(self.adjustments.source)
        )

    def _build_silence(self) -> None:
        now = bindparam("now", type_=TIMESTAMP)
        this = vendors.c.id == bindparam("vendor_id")
        self.silent = select(vendors.c.id).where(vendors.c.silent_at < now).order_by(vendors.c.id)
        self.make_stale = (
            update(vendors)
            .values(stale=true())
            .where(this, vendors.c.silent_at < now, ~vendors.c.stale)
            .returning(vendors.c.id)
        )
        self.lock_vendor = (
            select(vendors.c.as_of, vendors.c.stale, vendors.c.quarantined_at)
            .where(this, vendors.c.as_of != literal(NEVER, TIMESTAMP), ~vendors.c.retired)
            .with_for_update(key_share=True)
        )
        self.note_heard = (
            update(vendors)
            .values(heard_at=now, silent_at=bindparam("silent_at", type_=TIMESTAMP))
            .where(this)
        )
        self.fresh_products = (
            select(vendor_stock.c.product_id)
            .where(
                vendor_stock.c.vendor_id == bindparam("vendor_id"),
                vendor_stock.c.available > 0,
                ~vendor_stock.c.stale,
            )
            .order_by(vendor_stock.c.product_id)
            .limit(bindparam("limit", type_=BigInteger))
        )

    def _build_quarantine(self, dialect: Dialect) -> None:
        this = vendors.c.id == bindparam("vendor_id")
        now = bindparam("now", type_=TIMESTAMP)
        self.reported_units = select(func.coalesce(func.sum(vendor_stock.c.reported), 0)).where(
            vendor_stock.c.vendor_id == bindparam("vendor_id")
        )
        self.quarantine = select(vendors.c.quarantined_at, vendors.c.approved).where(
            this, vendors.c.quarantined_at.is_not(None)
        )
        self.begin_quarantine = (
            update(vendors)
            .values(quarantined_at=now, silent_at=now)
            .where(this, vendors.c.quarantined_at.is_(None))
        )
        self.approve = (
            update(vendors)
            .values(approved=true())
            .where(this, vendors.c.quarantined_at.is_not(None))
            .returning(vendors.c.id)
        )
        self.rejections = bulk_rows(dialect, **{c.name: c.type for c in rejections.c})
        self.forget_rejections = delete(rejections).where(
            rejections.c.vendor_id == bindparam("vendor_id")
        )
        self.add_rejections = insert(rejections).from_select(
            [c.name for c in rejections.c], select(self.rejections.source)
        )

    def _build_marks(self, dialect: Dialect) -> None:
        marks = allocation_marks.c
        columns = [marks.vendor_id, marks.product_id, marks.allocated]
        self.totals = bulk_rows(dialect, **{column.name: column.type for column in columns})
        put = self._upsert(allocation_marks).from_select(
            [column.name for column in allocation_marks.c],
            select(*self.totals.source.c, bindparam("at", type_=TIMESTAMP)).where(true()),
        )
        self.mark_allocated = put.on_conflict_do_nothing()
        self.forget_marks = delete(allocation_marks).where(
            exists().where(
                marks.vendor_id == self.totals.c.vendor_id,
                marks.product_id == self.totals.c.product_id,
                marks.allocated <= self.totals.c.allocated,
            )
        )
        self.times = bulk_rows(dialect, product_id=TEXT_ID, timestamp=TIMESTAMP)
        self.allocated_by = (
            select(marks.product_id, func.max(marks.allocated))
            .where(
                marks.vendor_id == bindparam("vendor_id"),
                marks.product_id == self.times.c.product_id,
                marks.marked_at <= self.times.c.timestamp,
            )
            .group_by(marks.product_id)
        )

    def _build_names(self, dialect: Dialect) -> None:
        vendor = self._upsert(vendors).values(
            id=bindparam("id"),
            name=bindparam("name"),
            as_of=bindparam("as_of", type_=TIMESTAMP),
            silent_at=bindparam("silent_at", type_=TIMESTAMP),
            heard_at=bindparam("now", type_=TIMESTAMP),
        )
        self.accept_report = vendor.on_conflict_do_update(
            index_elements=["id"],
            set_={
                "name": vendor.excluded.name,
                "as_of": vendor.excluded.as_of,
                "retired": false(),
                "silent_at": vendor.excluded.silent_at,
                "stale": false(),
                "heard_at": vendor.excluded.heard_at,
                "quarantined_at": null(),
                "approved": false(),
            },
            where=or_(
                vendors.c.as_of <= vendor.excluded.as_of,
                vendors.c.as_of > bindparam("now", type_=TIMESTAMP),
                vendors.c.retired,
            ),
        ).returning(vendors.c.id)
        self._build_silence()
        self._build_quarantine(dialect)
        self.retire = (
            update(vendors).values(retired=true()).where(vendors.c.id == bindparam("vendor_id"))
        )
        self.products = bulk_rows(dialect, id=TEXT_ID, name=Text(), named_by=Text())
        self.add_products = (
            self._upsert(products)
            .from_select(["id", "name", "named_by"], select(self.products.source).where(true()))
            .on_conflict_do_nothing()
        )
        self.rename_products = (
            update(products)
            .values(name=self.products.c.name, named_by=self.products.c.named_by)
            .where(products.c.id == self.products.c.id)
        )
        self.known_products = select(*products.c).where(self.ids.contain(products.c.id))
        self.names = select(products.c.id, products.c.name).where(self.ids.contain(products.c.id))
        self.add_central = (
            self._upsert(central_stock)
            .from_select(
                ["product_id", "on_hand", "reserved", "updated_at"],
                select(
                    self.products.c.id, literal(0), literal(0), bindparam("at", type_=TIMESTAMP)
                ).where(true()),
            )
            .on_conflict_do_nothing()
        )

    def _build_corrections(self, dialect: Dialect) -> None:
        self.checks = stock_checks(self.ids.contain)
        units = BigInteger()
        self.corrections = bulk_rows(
            dialect, vendor_id=TEXT_ID, product_id=TEXT_ID, allocated=units, counted=units
        )
        right = self.corrections.c
        self.correct_allocated = (
            update(vendor_stock)
            .values(allocated=right.allocated, counted=right.counted)
            .where(
                vendor_stock.c.vendor_id == right.vendor_id,
                vendor_stock.c.product_id == right.product_id,
            )
        )
        marks = allocation_marks.c
        self.forget_wrong_marks = delete(allocation_marks).where(
            exists().where(
                marks.vendor_id == self.totals.c.vendor_id,
                marks.product_id == self.totals.c.product_id,
                marks.allocated > self.totals.c.allocated,
            )
        )


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

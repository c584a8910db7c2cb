"""What the stock repository executes."""

from __future__ import annotations

from functools import partial

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

from ...domain.vendor_sync import NEVER
from .balances import stock_checks
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
        self._build_reports()
        self._build_silence()
        self._build_quarantine(dialect)
        self._build_products(dialect)
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

    def _build_reports(self) -> None:
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
        self.retire = (
            update(vendors).values(retired=true()).where(vendors.c.id == bindparam("vendor_id"))
        )

    def _build_products(self, dialect: Dialect) -> None:
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

"""Questions to the database, outside any transaction: each answer is one statement.

An order's allocations are fetched after it: that is the same moment, because an ended order never
changes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Engine,
    FromClause,
    Row,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
)

from ...domain.errors import Rejection
from ...domain.events import Event
from ...domain.order import Order, OrderStatus
from ...domain.ports.clock import Clock
from ...domain.ports.read_model import (
    OrderFilter,
    Page,
    ProductStock,
    Progress,
    StockLevel,
    StockMovement,
    VendorStatus,
    VendorStockLevel,
    Workload,
)
from ...domain.vendor_sync import NEVER
from .bulk import bulk_keys
from .clock import BootClock
from .errors import read_errors_translated
from .event_lines import decode_events
from .expectations import earliest_expected
from .movements import movements
from .order_rows import (
    LINE_COLUMNS,
    ORDER_COLUMNS,
    orders_from,
    select_allocations,
    select_backorders,
    supplied_ids,
    waiting_ids,
)
from .revision import require_current_schema
from .schema import (
    NOT_FULFILLED,
    RESERVED,
    TIMESTAMP,
    allocations,
    backorders,
    central_stock,
    hold_lines,
    order_lines,
    orders,
    outbox,
    products,
    rejections,
    vendor_stock,
    vendors,
)
from .workload import select_workload, workload_from

AnyRow = Row[*tuple[Any, ...]]

# What fits into the databases' 64 bits: nothing is stored beyond it.
_LAST = 2**63 - 1
# Null where it is the server's.
_NOW: ColumnElement[datetime] = func.coalesce(
    bindparam("now", type_=TIMESTAMP), func.current_timestamp()
)


class SqlReadModel:
    """ReadModel on SQL."""

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        """`clock`: what tells whether something is past, where that is not the database."""
        self._engine = engine
        self._clock = clock
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._ids = bulk_keys(engine.dialect, Uuid())
        self._allocations = select_allocations(self._ids)
        expected = earliest_expected(_NOW).where(
            vendor_stock.c.product_id == backorders.c.product_id
        )
        self._backorders = select_backorders(self._ids, expected.scalar_subquery())
        self._order = (
            select(*ORDER_COLUMNS, *LINE_COLUMNS)
            .select_from(orders.outerjoin(order_lines))
            .where(orders.c.id == bindparam("id"))
            .order_by(order_lines.c.position)
        )
        self._history = select(orders.c.history).where(orders.c.id == bindparam("id"))
        progress = select(
            orders.c.id,
            orders.c.status,
            orders.c.failed_attempts.label("attempts"),
            orders.c.problem,
            orders.c.sent_at.label("announced_at"),
            select(func.min(outbox.c.created_at, type_=TIMESTAMP))
            .scalar_subquery()
            .label("outbox_since"),
        )
        self._progress = progress.where(orders.c.id == bindparam("id"))
        self._oldest_reserved = (
            progress.where(orders.c.status == literal_column(f"'{RESERVED}'"), NOT_FULFILLED)
            .order_by(orders.c.id)
            .limit(bindparam("limit", type_=BigInteger))
        )
        self._failed_attempts = select(orders.c.id, orders.c.failed_attempts).where(
            self._ids.contain(orders.c.id)
        )
        self._workload = select_workload(engine.dialect)
        self._product = (
            select(
                products.c.name.label("product_name"),
                central_stock.c.on_hand,
                _reserved(central_stock.c).label("reserved"),
                central_stock.c.stale.label("stale_units"),
                central_stock.c.backordered,
                central_stock.c.low_at,
                central_stock.c.backorder_limit,
                central_stock.c.updated_at,
                *vendor_stock.c,
                _if_to_come(vendor_stock.c.expected_at).label("expected"),
                vendors.c.name,
                vendors.c.as_of.label("reported_at"),
            )
            .select_from(
                central_stock.join(products)
                .outerjoin(vendor_stock, vendor_stock.c.product_id == central_stock.c.product_id)
                .outerjoin(vendors, vendors.c.id == vendor_stock.c.vendor_id)
            )
            .where(central_stock.c.product_id == bindparam("product_id"))
            .order_by(vendor_stock.c.vendor_id)
        )

    def stock(self, offset: int, limit: int, product_id: str | None = None) -> Page[StockLevel]:
        """By the primary key."""
        levels = select(*central_stock.c)
        if product_id is not None:
            levels = levels.where(central_stock.c.product_id == product_id)
        return self._stock_page(levels, ("product_id",), offset, limit)

    def scarce_stock(self, offset: int, limit: int, search: str | None = None) -> Page[StockLevel]:
        """By a scan over central stock."""
        level = central_stock.c
        available = level.on_hand - level.stale - _reserved(level) - level.backordered
        levels = select(
            *level,
            case((available <= func.coalesce(level.low_at, 0), 0), else_=1).label("is_plenty"),
            case((available > 0, available), else_=0).label("available"),
        )
        if search is not None:
            levels = levels.join(products).where(
                or_(
                    level.product_id.icontains(search, autoescape=True),
                    products.c.name.icontains(search, autoescape=True),
                )
            )
        return self._stock_page(levels, ("is_plenty", "available", "product_id"), offset, limit)

    def _stock_page(
        self, levels: Select[Any], order: Sequence[str], offset: int, limit: int
    ) -> Page[StockLevel]:
        """The page is cut before its vendors are counted."""
        page = _cut(
            levels.order_by(*(levels.selected_columns[name] for name in order)), offset, limit
        )
        vendor_count = (
            select(func.count())
            .where(vendor_stock.c.product_id == page.c.product_id, vendor_stock.c.available > 0)
            .scalar_subquery()
        )
        total = _count(levels)
        rows = self._rows(
            select(
                total.c.total,
                page.c.product_id,
                products.c.name,
                page.c.on_hand,
                _reserved(page.c).label("reserved"),
                page.c.stale,
                page.c.backordered,
                vendor_count.label("vendor_count"),
                page.c.low_at,
                page.c.backorder_limit,
                page.c.updated_at,
            )
            .select_from(
                total.outerjoin(page, true()).outerjoin(
                    products, products.c.id == page.c.product_id
                )
            )
            .order_by(*(page.c[name] for name in order)),
            **self._now(),
        )
        items = tuple(_stock_level(row) for row in rows if row.product_id is not None)
        return Page(items=items, total=rows[0].total)

    def product(self, product_id: str) -> ProductStock | None:
        """In one statement, so that the figures fit together."""
        rows = self._rows(self._product, product_id=product_id, **self._now())
        if not rows:
            return None
        vendors = tuple(_vendor_stock_level(row) for row in rows if row.vendor_id is not None)
        first = rows[0]
        return ProductStock(
            central=StockLevel(
                product_id=product_id,
                name=first.product_name,
                on_hand=first.on_hand,
                reserved=first.reserved,
                stale=first.stale_units,
                backordered=first.backordered,
                available=_available(first, first.stale_units),
                vendor_count=sum(level.available > 0 for level in vendors),
                low_at=first.low_at,
                backorder_limit=first.backorder_limit,
                updated_at=first.updated_at,
            ),
            vendors=vendors,
        )

    def vendor_stock(
        self,
        offset: int,
        limit: int,
        vendor_id: str | None = None,
        product_id: str | None = None,
    ) -> Page[VendorStockLevel]:
        """By vendor id, then product id: as the key has it."""
        levels = select(*vendor_stock.c)
        if vendor_id is not None:
            levels = levels.where(vendor_stock.c.vendor_id == vendor_id)
        if product_id is not None:
            levels = levels.where(vendor_stock.c.product_id == product_id)
        key = (vendor_stock.c.vendor_id, vendor_stock.c.product_id)
        page = _cut(levels.order_by(*key), offset, limit)
        total = _count(levels)
        rows = self._rows(
            select(
                total.c.total,
                page,
                _if_to_come(page.c.expected_at).label("expected"),
                vendors.c.name,
                vendors.c.as_of.label("reported_at"),
            )
            .select_from(
                total.outerjoin(page, true()).outerjoin(vendors, vendors.c.id == page.c.vendor_id)
            )
            .order_by(page.c.vendor_id, page.c.product_id),
            **self._now(),
        )
        items = tuple(_vendor_stock_level(row) for row in rows if row.product_id is not None)
        return Page(items=items, total=rows[0].total)

    def vendors(self, offset: int, limit: int, vendor_id: str | None = None) -> Page[VendorStatus]:
        """The page is cut before its products are counted."""
        listing = select(*vendors.c)
        if vendor_id is not None:
            listing = listing.where(vendors.c.id == vendor_id)
        page = _cut(listing.order_by(vendors.c.id), offset, limit)
        known = (
            select(func.count())
            .where(vendor_stock.c.vendor_id == page.c.id, vendor_stock.c.reported > 0)
            .scalar_subquery()
        )
        rejected = select(func.count()).where(rejections.c.vendor_id == page.c.id).scalar_subquery()
        total = _count(listing)
        rows = self._rows(
            select(total.c.total, page, known.label("products"), rejected.label("rejected"))
            .select_from(total.outerjoin(page, true()))
            .order_by(page.c.id)
        )
        items = tuple(_vendor_status(row) for row in rows if row.id is not None)
        return Page(items=items, total=rows[0].total)

    def rejections(self, vendor_id: str, offset: int, limit: int) -> Page[Rejection]:
        """By the primary key."""
        listing = select(*rejections.c).where(rejections.c.vendor_id == vendor_id)
        page = _cut(listing.order_by(rejections.c.position), offset, limit)
        total = _count(listing)
        rows = self._rows(
            select(total.c.total, page)
            .select_from(total.outerjoin(page, true()))
            .order_by(page.c.position)
        )
        items = tuple(
            Rejection(
                place=row.place, product_id=row.product_id, field=row.field, reason=row.reason
            )
            for row in rows
            if row.position is not None
        )
        return Page(items=items, total=rows[0].total)

    def order(self, order_id: UUID) -> Order | None:
        """One order."""
        return next(iter(self._with_allocations(self._rows(self._order, id=order_id))), None)

    def orders(
        self,
        offset: int,
        limit: int,
        wanted: OrderFilter = OrderFilter(),  # noqa: B008
    ) -> Page[Order]:
        """The page is cut before its lines are read."""
        listing, newest = _listing(wanted)
        page = _cut(listing.order_by(newest), offset, limit)
        total = _count(listing)
        rows = self._rows(
            select(page, *LINE_COLUMNS, total.c.total)
            .select_from(
                total.outerjoin(page, true()).outerjoin(
                    order_lines, order_lines.c.order_id == page.c.id
                )
            )
            .order_by(page.c.id.desc(), order_lines.c.position)
        )
        found = [row for row in rows if row.id is not None]
        return Page(items=tuple(self._with_allocations(found)), total=rows[0].total)

    def order_events(self, order_id: UUID) -> tuple[Event, ...] | None:
        """By the primary key."""
        rows = self._rows(self._history, id=order_id)
        return decode_events(rows[0].history.lstrip("\n")) if rows else None

    def progress(self, order_id: UUID) -> Progress | None:
        """By the primary key, and by the oldest message."""
        return next(map(_progress, self._rows(self._progress, id=order_id)), None)

    def oldest_reserved(self, limit: int) -> Mapping[UUID, Progress]:
        """By the index on what is not fulfilled."""
        return {row.id: _progress(row) for row in self._rows(self._oldest_reserved, limit=limit)}

    def stock_history(self, product_id: str, offset: int, limit: int) -> Page[StockMovement]:
        """Added up by the database."""
        rows = self._rows(
            movements(), product_id=product_id, offset=min(offset, _LAST), limit=min(limit, _LAST)
        )
        items = tuple(
            StockMovement(
                at=row.at,
                cause=row.cause,
                vendor_id=row.vendor_id,
                order_id=row.order_id,
                delta=row.delta,
                after=int(row.after),
            )
            for row in rows
            if row.delta is not None
        )
        return Page(items=items, total=rows[0].total)

    def failed_attempts(self, order_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """By the primary key."""
        return dict(map(tuple, self._rows(self._failed_attempts, **self._ids.bind(order_ids))))

    def workload(self) -> Workload:
        """By the indexes on what is not done."""
        return workload_from(self._rows(self._workload))

    def ping(self) -> None:
        """Asks for the schema's revision."""
        require_current_schema(self._reader)

    def _with_allocations(self, rows: Sequence[AnyRow]) -> list[Order]:
        supplied, waiting = supplied_ids(rows), waiting_ids(rows)
        parts = self._rows(self._allocations, **self._ids.bind(supplied)) if supplied else ()
        waits = (
            self._rows(self._backorders, **self._ids.bind(waiting), **self._now())
            if waiting
            else ()
        )
        return list(orders_from(rows, parts, waits))

    def _now(self) -> dict[str, object]:
        """By what holds are over, and what is expected is still to come."""
        if self._engine.dialect.name == "postgresql":
            return {"now": None}
        clock = self._clock
        return {"now": clock.look() if isinstance(clock, BootClock) else datetime.now(UTC)}

    def _rows(self, statement: Select[Any], **parameters: object) -> Sequence[AnyRow]:
        with read_errors_translated(), self._reader.connect() as connection:
            return connection.execute(statement, parameters).all()


def _listing(wanted: OrderFilter) -> tuple[Select[Any], ColumnElement[Any]]:
    """The orders that are wanted, unordered, and by what they are ordered."""
    listing = select(*ORDER_COLUMNS)
    newest = orders.c.id.desc()
    if wanted.status is not None:
        listing = listing.where(orders.c.status == wanted.status.value)
    if wanted.status not in (None, OrderStatus.FULFILLED):
        listing = listing.where(NOT_FULFILLED)
    if wanted.product_id is not None:
        asked = order_lines.alias()
        listing = listing.join(asked).where(asked.c.product_id == wanted.product_id)
        newest = asked.c.order_id.desc()
    if wanted.vendor_id is not None:
        supplied = allocations.c.vendor_id == wanted.vendor_id
        listing = listing.where(exists().where(allocations.c.order_id == orders.c.id, supplied))
    if wanted.updated_since is not None:
        listing = listing.where(orders.c.updated_at >= wanted.updated_since)
    for column in (orders.c.reference, orders.c.idempotency_key):
        value = getattr(wanted, column.name)
        if value is not None:
            # Said twice, as the indexes are on what is not null.
            listing = listing.where(column.is_not(None), column == value)
    if wanted.after is not None:
        listing = listing.where(orders.c.id < wanted.after)
    return listing, newest


def _cut(listing: Select[Any], offset: int, limit: int) -> FromClause:
    return listing.offset(min(offset, _LAST)).limit(min(limit, _LAST)).subquery("page")


def _count(listing: Select[Any]) -> FromClause:
    counted = listing.with_only_columns(func.count().label("total"), maintain_column_froms=True)
    return counted.subquery("listing")


def _if_to_come(expected_at: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((expected_at > _NOW, expected_at))


def _reserved(level: Any) -> ColumnElement[int]:
    """What is reserved, without what expired holds still have."""
    expired = (
        select(func.coalesce(func.sum(order_lines.c.quantity - order_lines.c.cancelled), 0))
        .join(
            hold_lines,
            and_(
                hold_lines.c.order_id == order_lines.c.order_id,
                hold_lines.c.product_id == order_lines.c.product_id,
            ),
        )
        .where(order_lines.c.product_id == level.product_id, hold_lines.c.expires_at <= _NOW)
        .scalar_subquery()
    )
    is_due = level.holds_expire_at <= _NOW
    reserved: ColumnElement[int] = level.reserved
    return reserved - case((is_due, cast(expired, BigInteger)), else_=0)


def _available(row: AnyRow, stale: int) -> int:
    return max(0, int(row.on_hand - stale - row.reserved - row.backordered))


def _stock_level(row: AnyRow) -> StockLevel:
    return StockLevel(
        product_id=row.product_id,
        name=row.name,
        on_hand=row.on_hand,
        reserved=row.reserved,
        stale=row.stale,
        backordered=row.backordered,
        available=_available(row, row.stale),
        vendor_count=row.vendor_count,
        low_at=row.low_at,
        backorder_limit=row.backorder_limit,
        updated_at=row.updated_at,
    )


def _vendor_status(row: AnyRow) -> VendorStatus:
    return VendorStatus(
        vendor_id=row.id,
        name=row.name,
        as_of=None if row.as_of == NEVER else row.as_of,
        reported_at=row.heard_at,
        products=row.products,
        rejected=row.rejected,
        stale=row.stale,
        retired=row.retired,
        quarantined_at=row.quarantined_at,
        enabled=row.enabled,
        attempted_at=row.attempted_at,
        next_sync_at=row.next_sync_at,
        problem=row.problem,
        failures=row.failures,
        outdated=row.outdated,
    )


def _vendor_stock_level(row: AnyRow) -> VendorStockLevel:
    return VendorStockLevel(
        vendor_id=row.vendor_id,
        vendor_name=row.name,
        product_id=row.product_id,
        available=row.available,
        reported=row.reported,
        stale=row.stale,
        as_of=row.stated_at or row.reported_at,
        expected_at=row.expected,
    )


def _progress(row: AnyRow) -> Progress:
    return Progress(
        status=OrderStatus(row.status),
        attempts=row.attempts,
        problem=row.problem,
        announced_at=row.announced_at,
        outbox_since=row.outbox_since,
    )

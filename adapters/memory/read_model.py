"""Questions to the storage in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import TypeVar
from uuid import UUID

import attrs

from ...domain.errors import Rejection
from ...domain.events import Event, order_event
from ...domain.order import Order, OrderStatus
from ...domain.ports.clock import Clock
from ...domain.ports.read_model import (
    COUNTED,
    UNDER_WAY,
    OrderFilter,
    Page,
    Pending,
    ProductStock,
    Progress,
    StockLevel,
    StockMovement,
    VendorStatus,
    VendorStockLevel,
    Workload,
)
from ...domain.stock import VendorStock
from ...domain.use_cases.deliver_webhooks import READER as WEBHOOKS
from ...domain.vendor_sync import NEVER
from .database import Database
from .expectations import expected_stock
from .tables import SyncState, Tables

T = TypeVar("T")

_BY_VENDOR = attrgetter("vendor_id", "product_id")


class MemoryReadModel:
    """ReadModel on memory."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock

    def stock(self, offset: int, limit: int, product_id: str | None = None) -> Page[StockLevel]:
        """By product id."""
        with self._database.committed() as tables:
            wanted = [key for key in sorted(tables.products) if product_id in (None, key)]
            levels = [self._stock_level(tables, key) for key in wanted[offset : offset + limit]]
        return Page(items=tuple(levels), total=len(wanted))

    def scarce_stock(self, offset: int, limit: int, search: str | None = None) -> Page[StockLevel]:
        """Sort them all."""
        sought = (search or "").lower()
        with self._database.committed() as tables:
            levels = [self._stock_level(tables, key) for key in tables.products]
        found = [x for x in levels if sought in x.product_id.lower() or sought in x.name.lower()]
        found.sort(key=lambda x: (x.available > (x.low_at or 0), x.available, x.product_id))
        return _page(found, offset, limit)

    def product(self, product_id: str) -> ProductStock | None:
        """By a scan over vendor stock."""
        with self._database.committed() as tables:
            if product_id not in tables.products:
                return None
            return ProductStock(
                central=self._stock_level(tables, product_id),
                vendors=tuple(
                    self._vendor_stock_level(tables, level)
                    for level in sorted(tables.vendor_stock.values(), key=_BY_VENDOR)
                    if level.product_id == product_id
                ),
            )

    def vendor_stock(
        self,
        offset: int,
        limit: int,
        vendor_id: str | None = None,
        product_id: str | None = None,
    ) -> Page[VendorStockLevel]:
        """By vendor id, then product id."""
        with self._database.committed() as tables:
            levels = [
                self._vendor_stock_level(tables, level)
                for level in sorted(tables.vendor_stock.values(), key=_BY_VENDOR)
                if vendor_id in (None, level.vendor_id) and product_id in (None, level.product_id)
            ]
        return _page(levels, offset, limit)

    def vendors(self, offset: int, limit: int, vendor_id: str | None = None) -> Page[VendorStatus]:
        """By id."""
        with self._database.committed() as tables:
            wanted = [key for key in sorted(tables.vendors) if vendor_id in (None, key)]
            return _page([_vendor_status(tables, key) for key in wanted], offset, limit)

    def rejections(self, vendor_id: str, offset: int, limit: int) -> Page[Rejection]:
        """Look up."""
        with self._database.committed() as tables:
            return _page(tables.rejections.get(vendor_id, ()), offset, limit)

    def order(self, order_id: UUID) -> Order | None:
        """One order."""
        with self._database.committed() as tables:
            order = tables.orders.get(order_id)
            return order and self._as_shown(tables, order)

    def orders(
        self,
        offset: int,
        limit: int,
        wanted: OrderFilter = OrderFilter(),  # noqa: B008
    ) -> Page[Order]:
        """Newest first."""
        with self._database.committed() as tables:
            newest_first = sorted(tables.orders.items(), reverse=True)
            found = [order for _, order in newest_first if _is_wanted(order, wanted)]
            orders = [self._as_shown(tables, order) for order in found]
        return _page(orders, offset, limit)

    def order_events(self, order_id: UUID) -> tuple[Event, ...] | None:
        """By its steps."""
        with self._database.committed() as tables:
            steps = tables.steps.get(order_id)
        return None if steps is None else tuple(map(order_event, steps))

    def progress(self, order_id: UUID) -> Progress | None:
        """By order id."""
        with self._database.committed() as tables:
            return _progress(tables, order_id) if order_id in tables.orders else None

    def oldest_reserved(self, limit: int) -> Mapping[UUID, Progress]:
        """By id."""
        with self._database.committed() as tables:
            reserved = sorted(
                key for key, each in tables.orders.items() if each.status is OrderStatus.RESERVED
            )
            return {key: _progress(tables, key) for key in reserved[:limit]}

    def stock_history(self, product_id: str, offset: int, limit: int) -> Page[StockMovement]:
        """By a scan over the ledger and all orders."""
        with self._database.committed() as tables:
            found = sorted(_movements(tables, product_id), key=lambda each: each[:2], reverse=True)
            on_hand = tables.central[product_id].on_hand if product_id in tables.central else 0
        movements = []
        for at, _number, cause, vendor_id, order_id, delta in found:
            movements.append(
                StockMovement(
                    at=at,
                    cause=cause,
                    vendor_id=vendor_id,
                    order_id=order_id,
                    delta=delta,
                    after=on_hand,
                )
            )
            on_hand -= delta
        return _page(movements, offset, limit)

    def failed_attempts(self, order_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """By order id."""
        with self._database.committed() as tables:
            recorded = tables.attempts
            attempts = {key: recorded[key] for key in order_ids if key in recorded}
        return {key: 0 if each is None else each.number for key, each in attempts.items()}

    def workload(self) -> Workload:
        """By a scan over everything."""
        with self._database.committed() as tables:
            created = [(order.status, order.created_at) for order in tables.orders.values()]
            reserved = sorted(
                key for key, each in tables.orders.items() if each.status is OrderStatus.RESERVED
            )[:COUNTED]
            untried = [
                tables.orders[key].updated_at
                for key in reserved
                if tables.attempts.get(key) is None
            ]
            messages = [each.created_at for each in tables.outbox.values() if each is not None]
            deliveries = [each.due_at for each in tables.deliveries.values() if each is not None]
            events = [key for key, batch in tables.events.items() if batch is not None]
            readers = {reader: cursor.position for reader, cursor in tables.cursors.items()}
            hooks = any(each and each.webhook.enabled for each in tables.webhooks.values())
        return Workload(
            orders={
                wanted: _pending(at for status, at in created if status is wanted)
                for wanted in UNDER_WAY
            },
            untried=_pending(untried),
            retried=len(reserved) - len(untried),
            outbox=_pending(messages),
            deliveries=len(deliveries) - deliveries.count(None),
            dead_deliveries=deliveries.count(None),
            unread_events={
                reader: sum(key > position for key in events)
                for reader, position in readers.items()
                if hooks or reader != WEBHOOKS
            },
        )

    def ping(self) -> None:
        """Memory always answers."""

    def _now(self) -> datetime:
        return datetime.now(UTC) if self._clock is None else self._clock.now()

    def _as_shown(self, tables: Tables, order: Order) -> Order:
        product_ids = {line.product_id for line in order.lines if line.backordered}
        expected = expected_stock(tables, product_ids, self._now()) if product_ids else {}
        return _sorted_allocations(order.expecting(expected))

    def _vendor_stock_level(self, tables: Tables, level: VendorStock) -> VendorStockLevel:
        expected_at = level.expected_at
        is_to_come = expected_at is not None and expected_at > self._now()
        return VendorStockLevel(
            vendor_id=level.vendor_id,
            vendor_name=tables.vendors[level.vendor_id].name,
            product_id=level.product_id,
            available=level.available,
            reported=level.reported,
            stale=level.stale,
            as_of=level.stated_at or tables.reported_at[level.vendor_id],
            expected_at=expected_at if is_to_come else None,
        )

    def _stock_level(self, tables: Tables, product_id: str) -> StockLevel:
        now = self._now()
        stock = tables.central[product_id]
        expired = sum(
            line.reserved
            for order in tables.orders.values()
            if order.status is OrderStatus.HELD
            and order.expires_at is not None
            and order.expires_at <= now
            for line in order.lines
            if line.product_id == product_id
        )
        stock = attrs.evolve(stock, reserved=stock.reserved - expired)
        return StockLevel(
            product_id=product_id,
            name=tables.products[product_id].name,
            on_hand=stock.on_hand,
            reserved=stock.reserved,
            stale=stock.stale,
            backordered=stock.backordered,
            available=stock.available,
            vendor_count=sum(
                level.product_id == product_id and level.available > 0
                for level in tables.vendor_stock.values()
            ),
            low_at=stock.low_at,
            backorder_limit=stock.backorder_limit,
            updated_at=tables.changed_at[product_id],
        )


def _pending(since: Iterable[datetime]) -> Pending:
    moments = list(since)
    return Pending(count=len(moments), since=min(moments, default=None))


def _movements(
    tables: Tables, product_id: str
) -> Iterator[tuple[datetime, int, str, str, UUID | None, int]]:
    """When, a number that goes with time, why, whose, for which order, and how many units."""
    for number, entry in tables.adjustments.items():
        if entry.product_id == product_id:
            yield entry.at, number, entry.cause, entry.vendor_id, None, entry.delta
    for order_id, steps in tables.steps.items():
        fulfilled = next((x for x in steps if x.status is OrderStatus.FULFILLED), None)
        for part in () if fulfilled is None else fulfilled.allocations:
            if part.product_id == product_id:
                at = fulfilled.updated_at if fulfilled else NEVER
                yield at, 0, "order", part.vendor_id, order_id, -part.quantity


def _is_wanted(order: Order, wanted: OrderFilter) -> bool:
    since = wanted.updated_since
    return (
        wanted.status in (None, order.status)
        and wanted.product_id in (None, *(line.product_id for line in order.lines))
        and wanted.vendor_id in (None, *(part.vendor_id for part in order.allocations))
        and (since is None or order.updated_at >= since)
        and wanted.reference in (None, order.reference)
        and wanted.idempotency_key in (None, order.idempotency_key)
        and (wanted.after is None or order.id < wanted.after)
    )


def _progress(tables: Tables, order_id: UUID) -> Progress:
    attempt = tables.attempts.get(order_id)
    created = [each.created_at for each in tables.outbox.values() if each is not None]
    return Progress(
        status=tables.orders[order_id].status,
        attempts=0 if attempt is None else attempt.number,
        problem=None if attempt is None else attempt.problem,
        announced_at=tables.sent_at[order_id],
        outbox_since=min(created, default=None),
    )


def _page(items: Iterable[T], offset: int, limit: int) -> Page[T]:
    everything = tuple(items)
    return Page(items=everything[offset : offset + limit], total=len(everything))


def _vendor_status(tables: Tables, vendor_id: str) -> VendorStatus:
    levels = [level for level in tables.vendor_stock.values() if level.vendor_id == vendor_id]
    quarantine = tables.quarantines.get(vendor_id)
    as_of = tables.reported_at[vendor_id]
    state = tables.sync_states.get(vendor_id, SyncState())
    return VendorStatus(
        vendor_id=vendor_id,
        name=tables.vendors[vendor_id].name,
        as_of=None if as_of == NEVER else as_of,
        reported_at=tables.heard_at.get(vendor_id),
        products=sum(level.reported > 0 for level in levels),
        rejected=len(tables.rejections.get(vendor_id, ())),
        stale=tables.stale.get(vendor_id, False),
        retired=tables.retired.get(vendor_id, False),
        quarantined_at=None if quarantine is None else quarantine.since,
        enabled=tables.enabled.get(vendor_id, True),
        attempted_at=state.attempted_at,
        next_sync_at=state.next_sync_at,
        problem=state.problem,
        failures=state.failures,
        outdated=state.outdated,
    )


def _sorted_allocations(order: Order) -> Order:
    parts = sorted(order.allocations, key=lambda part: (part.product_id, part.vendor_id))
    return attrs.evolve(order, allocations=tuple(parts))

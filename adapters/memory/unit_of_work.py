"""The unit of work on memory: writes go to an overlay, which a commit lays down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import groupby, islice
from operator import attrgetter
from types import TracebackType
from typing import Self
from uuid import UUID

import attrs

from ...domain.errors import Conflict, ConstraintViolated
from ...domain.order import Order, OrderStatus
from ...domain.ports.unit_of_work import Backlog, OutboxMessage
from ...domain.stock import (
    CentralStock,
    Product,
    StockDelta,
    Vendor,
    VendorStock,
    VendorStockChange,
)
from ...domain.vendor_sync import StockAdjustment
from ..wire import encode_batches
from .database import Database
from .tables import QueuedMessage, Tables


class MemoryStock:
    """StockRepository on memory."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._tables = tables

    def lock(self, product_ids: Collection[str]) -> dict[str, CentralStock]:
        """The unit of work holds the one lock already."""
        central = self._tables.central
        return {key: central[key] for key in sorted(product_ids) if key in central}

    def change(self, changes: Sequence[StockDelta], at: datetime) -> None:
        """Checks what the database's constraints check."""
        for change in changes:
            before = self._tables.central.get(change.product_id)
            if before is None:
                raise ConstraintViolated(f"there is no central stock of {change.product_id}")
            after = CentralStock(
                product_id=change.product_id,
                on_hand=before.on_hand + change.on_hand,
                reserved=before.reserved + change.reserved,
            )
            if after.on_hand < 0 or after.reserved < 0:
                raise ConstraintViolated(f"central stock of {change.product_id} would fall below 0")
            if change.reserved > 0 and after.reserved > after.on_hand:
                raise ConstraintViolated(
                    f"{change.product_id}: more reserved than there is on hand"
                )
            self._tables.central[change.product_id] = after
            self._tables.changed_at[change.product_id] = at

    def lock_vendor_stock(self, product_ids: Collection[str]) -> list[VendorStock]:
        """Every vendor's row of these products."""
        wanted = set(product_ids)
        levels = self._tables.vendor_stock.values()
        return [level for level in levels if level.product_id in wanted]

    def lock_top_vendors(self, counts: Mapping[str, int]) -> list[VendorStock]:
        """Sorted here."""
        levels = sorted(
            (level for level in self.lock_vendor_stock(counts) if level.available),
            key=lambda level: (level.product_id, -level.available, level.vendor_id),
        )
        return [
            level
            for product_id, group in groupby(levels, key=attrgetter("product_id"))
            for level in islice(group, counts[product_id])
        ]

    def change_vendors(self, changes: Sequence[VendorStockChange]) -> None:
        """Checks what the database's constraint checks."""
        for change in changes:
            key = (change.product_id, change.vendor_id)
            before = self._tables.vendor_stock.get(key)
            if before is None:
                raise ConstraintViolated(f"there is no stock of {key}")
            after = attrs.evolve(before, available=before.available + change.available)
            if after.available < 0:
                raise ConstraintViolated(f"stock of {key} would fall below 0")
            self._tables.vendor_stock[key] = after

    def upsert_vendor_stock(self, levels: Sequence[VendorStock]) -> None:
        """Insert or replace."""
        for level in levels:
            self._tables.vendor_stock[level.product_id, level.vendor_id] = level

    def record(self, adjustments: Sequence[StockAdjustment]) -> None:
        """Append to the ledger."""
        for adjustment in adjustments:
            self._tables.adjustments[self._database.next_id()] = adjustment

    def products_of(self, vendor_id: str) -> set[str]:
        """By a scan."""
        levels = self._tables.vendor_stock.values()
        return {
            level.product_id for level in levels if level.vendor_id == vendor_id and level.reported
        }

    def accept_report(self, vendor: Vendor, as_of: datetime) -> bool:
        """Insert or replace."""
        if self._tables.reported_at.get(vendor.id, as_of) > as_of:
            return False
        self._tables.vendors[vendor.id] = vendor
        self._tables.reported_at[vendor.id] = as_of
        return True

    def products(self, product_ids: Collection[str]) -> dict[str, Product]:
        """Look up."""
        known = self._tables.products
        return {key: known[key] for key in product_ids if key in known}

    def rename_products(self, products: Sequence[Product]) -> None:
        """Replace."""
        for product in products:
            if product.id in self._tables.products:
                self._tables.products[product.id] = product

    def add_products(self, products: Sequence[Product], at: datetime) -> None:
        """Insert what is new."""
        for product in products:
            if product.id not in self._tables.products:
                self._tables.products[product.id] = product
                self._tables.central[product.id] = CentralStock(product_id=product.id)
                self._tables.changed_at[product.id] = at


class MemoryOrders:
    """OrderRepository on memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, orders: Sequence[Order]) -> None:
        """Insert; ids and idempotency keys are unique."""
        for order in orders:
            key = order.idempotency_key
            if order.id in self._tables.orders or (key is not None and key in self._tables.keys):
                raise Conflict(f"order {order.id} or its idempotency key exists")
            self._tables.orders[order.id] = order
            self._tables.sent_at[order.id] = order.created_at
            self._tables.failed_attempts[order.id] = 0
            if key is not None:
                self._tables.keys[key] = order.id

    def find(self, ids: Collection[UUID], idempotency_keys: Collection[str]) -> list[Order]:
        """By id and by key, each order once."""
        keys = self._tables.keys
        wanted = {*ids, *(keys[key] for key in idempotency_keys if key in keys)}
        return list(self.lock(wanted).values())

    def lock(self, ids: Collection[UUID]) -> dict[UUID, Order]:
        """The unit of work holds the one lock already."""
        orders = self._tables.orders
        return {key: orders[key] for key in sorted(ids) if key in orders}

    def settle(self, orders: Sequence[Order]) -> None:
        """Only a reserved order can be settled."""
        for order in orders:
            known = self._tables.orders.get(order.id)
            if known is None or known.status is not OrderStatus.RESERVED:
                raise Conflict(f"order {order.id} is not reserved")
            self._tables.orders[order.id] = order

    def record_failures(self, attempts: Mapping[UUID, int], at: datetime) -> None:
        """Only a reserved order is tried again."""
        for order in self.lock(attempts).values():
            if order.status is OrderStatus.RESERVED:
                self._tables.failed_attempts[order.id] = attempts[order.id]
                self._tables.sent_at[order.id] = at

    def allocated_since(
        self, vendor_id: str, product_ids: Collection[str], timestamp: datetime
    ) -> Mapping[str, int]:
        """By a scan over all orders."""
        units: Counter[str] = Counter()
        for order in self._tables.orders.values():
            for part in order.allocations if order.updated_at > timestamp else ():
                if part.vendor_id == vendor_id and part.product_id in product_ids:
                    units[part.product_id] += part.quantity
        return units

    def claim_unfulfilled(self, sent_before: datetime, now: datetime, limit: int) -> list[UUID]:
        """By a scan over all orders."""
        by_age = sorted(self._tables.sent_at.items(), key=lambda item: (item[1], item[0]))
        due = (
            order_id
            for order_id, sent_at in by_age
            if sent_at < sent_before
            and self._tables.orders[order_id].status is OrderStatus.RESERVED
        )
        taken = list(islice(due, limit))
        self.mark_sent(taken, now)
        self._tables.failed_attempts.update(dict.fromkeys(taken, 0))
        return taken

    def mark_sent(self, ids: Collection[UUID], at: datetime) -> None:
        """Update those that are known."""
        known = (order_id for order_id in ids if order_id in self._tables.orders)
        self._tables.sent_at.update(dict.fromkeys(known, at))


class MemoryOutbox:
    """Outbox on memory."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._tables = tables
        self._messages = tables.outbox

    def announce(self, order_ids: Sequence[UUID], at: datetime) -> None:
        """As on a database."""
        self._add(encode_batches(order_ids), at)

    def announce_individually(self, order_ids: Sequence[UUID], at: datetime) -> None:
        """As on a database."""
        self._add(encode_batches(order_ids, 1), at)

    def _add(self, bodies: Sequence[bytes], at: datetime) -> None:
        for body in bodies:
            self._messages[self._database.next_id()] = QueuedMessage(body=body, created_at=at)

    def claim(self, limit: int, now: datetime, until: datetime) -> list[OutboxMessage]:
        """Take what is due, and make it due later."""
        due = (
            (message_id, message)
            for message_id, message in sorted(self._messages.items())
            if message is not None and (message.due_at is None or message.due_at <= now)
        )
        taken = list(islice(due, limit))
        for message_id, message in taken:
            self._messages[message_id] = attrs.evolve(message, due_at=until)
        return [OutboxMessage(id=message_id, body=message.body) for message_id, message in taken]

    def remove(self, ids: Collection[int]) -> None:
        """Leave a mark for the commit to delete."""
        for message_id in ids:
            if message_id in self._messages:
                self._messages[message_id] = None

    def release(self, ids: Collection[int]) -> None:
        """Make due now."""
        for message_id in ids:
            if message := self._messages.get(message_id):
                self._messages[message_id] = attrs.evolve(message, due_at=None)

    def backlog(self) -> Backlog | None:
        """Count."""
        created = [each.created_at for each in self._messages.values() if each is not None]
        return Backlog(messages=len(created), since=min(created)) if created else None

    def claim_alarm(self, now: datetime, before: datetime) -> bool:
        """Compare and set."""
        raised_at = self._tables.alarm.get("raised_at")
        if raised_at is not None and raised_at > before:
            return False
        self._tables.alarm["raised_at"] = now
        return True


class MemoryUnitOfWork:
    """UnitOfWork on memory: the only one at its time."""

    stock: MemoryStock
    orders: MemoryOrders
    outbox: MemoryOutbox

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._tables = self._open.enter_context(self._database.overlay())
        self.stock = MemoryStock(self._database, self._tables)
        self.orders = MemoryOrders(self._tables)
        self.outbox = MemoryOutbox(self._database, self._tables)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def commit(self) -> None:
        """Lay the overlay down."""
        self._database.commit(self._tables)

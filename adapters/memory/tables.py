"""The rows of the storage in memory."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from ...domain.access import AccessToken
from ...domain.audit import AuditEntry
from ...domain.errors import Rejection
from ...domain.order import Order
from ...domain.ports.event_log import EventBatch
from ...domain.ports.idempotency_keys import Remembered
from ...domain.ports.order_repository import Attempt
from ...domain.ports.vendor_directory import DeclaredVendor
from ...domain.stock import CentralStock, Product, Vendor, VendorStock
from ...domain.vendor_sync import Quarantine, StockAdjustment
from ...domain.webhooks import Delivery, Webhook


@attrs.frozen(kw_only=True)
class QueuedMessage:
    """An outbox row."""

    body: bytes
    created_at: datetime
    # None: at once.
    due_at: datetime | None = None


@attrs.frozen(kw_only=True)
class KeyRow:
    """A request that was carried out, and when its key was last of use."""

    request: Remembered
    used_at: datetime


@attrs.frozen(kw_only=True)
class SyncState:
    """How syncing a vendor is getting on."""

    attempted_at: datetime | None = None
    problem: str | None = None
    failures: int = 0
    outdated: int = 0
    next_sync_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Cursor:
    """Up to where events were read, and until when somebody reads on."""

    position: int
    claimed_until: datetime | None = None


@attrs.frozen(kw_only=True)
class WebhookRow:
    """A webhook, until when somebody sends to it, and why attempts failed last."""

    webhook: Webhook
    claimed_until: datetime | None = None
    problem: str | None = None

    def is_claimed(self, now: datetime) -> bool:
        """Whether somebody sends to it."""
        return self.claimed_until is not None and self.claimed_until > now


@attrs.define
class Tables:
    """Rows by key. Rows are immutable, so handing one out gives nothing away."""

    products: MutableMapping[str, Product] = attrs.Factory(dict)
    vendors: MutableMapping[str, Vendor] = attrs.Factory(dict)
    reported_at: MutableMapping[str, datetime] = attrs.Factory(dict)
    # By vendor id: when it will have been silent for too long, whether it has, whether it is gone.
    silent_at: MutableMapping[str, datetime] = attrs.Factory(dict)
    stale: MutableMapping[str, bool] = attrs.Factory(dict)
    heard_at: MutableMapping[str, datetime] = attrs.Factory(dict)
    quarantines: MutableMapping[str, Quarantine | None] = attrs.Factory(dict)
    rejections: MutableMapping[str, tuple[Rejection, ...]] = attrs.Factory(dict)
    retired: MutableMapping[str, bool] = attrs.Factory(dict)
    declared: MutableMapping[str, DeclaredVendor | None] = attrs.Factory(dict)
    enabled: MutableMapping[str, bool] = attrs.Factory(dict)
    sync_states: MutableMapping[str, SyncState] = attrs.Factory(dict)
    # By scope and key. None where it was forgotten.
    idempotency_keys: MutableMapping[tuple[str, str], KeyRow | None] = attrs.Factory(dict)
    central: MutableMapping[str, CentralStock] = attrs.Factory(dict)
    changed_at: MutableMapping[str, datetime] = attrs.Factory(dict)
    vendor_stock: MutableMapping[tuple[str, str], VendorStock] = attrs.Factory(dict)
    # By product, vendor and total: when that was first seen. None where the mark was removed.
    marks: MutableMapping[tuple[str, str, int], datetime | None] = attrs.Factory(dict)
    adjustments: MutableMapping[int, StockAdjustment] = attrs.Factory(dict)
    orders: MutableMapping[UUID, Order] = attrs.Factory(dict)
    removed_orders: MutableMapping[UUID, bool] = attrs.Factory(dict)
    sent_at: MutableMapping[UUID, datetime] = attrs.Factory(dict)
    attempts: MutableMapping[UUID, Attempt | None] = attrs.Factory(dict)
    # What happened to each order; the first is how it was placed.
    steps: MutableMapping[UUID, tuple[Order, ...]] = attrs.Factory(dict)
    # By order and product: a number that says who has waited longer.
    waiting: MutableMapping[tuple[UUID, str], int] = attrs.Factory(dict)
    events: MutableMapping[int, EventBatch | None] = attrs.Factory(dict)
    cursors: MutableMapping[str, Cursor] = attrs.Factory(dict)
    # None where it was removed; deliveries by their numbers.
    webhooks: MutableMapping[str, WebhookRow | None] = attrs.Factory(dict)
    deliveries: MutableMapping[int, Delivery | None] = attrs.Factory(dict)
    access_tokens: MutableMapping[str, AccessToken | None] = attrs.Factory(dict)
    audit_log: MutableMapping[int, AuditEntry | None] = attrs.Factory(dict)
    keys: MutableMapping[str, UUID] = attrs.Factory(dict)
    # None where the message was removed.
    outbox: MutableMapping[int, QueuedMessage | None] = attrs.Factory(dict)
    alarm: MutableMapping[str, datetime] = attrs.Factory(dict)

    def overlaid(self) -> Tables:
        """The same rows, with a layer on top that takes the writes."""
        rows = {
            name: ChainMap({}, table) for name, table in attrs.asdict(self, recurse=False).items()
        }
        return Tables(**rows)

    def absorb(self, overlay: Tables) -> None:
        """Take over the writes of an overlay of these tables."""
        for name, table in attrs.asdict(self, recurse=False).items():
            table.update(getattr(overlay, name).maps[0])
        self._drop_removed_orders()
        _drop_removed(self.outbox)
        _drop_removed(self.events)
        _drop_removed(self.marks)
        _drop_removed(self.declared)
        _drop_removed(self.idempotency_keys)
        _drop_removed(self.webhooks)
        _drop_removed(self.deliveries)
        _drop_removed(self.access_tokens)
        _drop_removed(self.audit_log)

    def _drop_removed_orders(self) -> None:
        for order_id in self.removed_orders:
            order = self.orders.pop(order_id)
            del self.sent_at[order_id], self.attempts[order_id], self.steps[order_id]
            if order.idempotency_key is not None:
                del self.keys[order.idempotency_key]
        self.removed_orders.clear()


def _drop_removed(rows: MutableMapping[Any, Any]) -> None:
    for key in [key for key, row in rows.items() if row is None]:
        del rows[key]

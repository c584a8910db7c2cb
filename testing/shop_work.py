"""Steps in a unit of work, for tests of what a storage promises."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TypeVar

from ..adapters.wire import decode
from ..domain.ports.outbox import OutboxMessage
from ..domain.ports.storage import Storage
from ..domain.ports.unit_of_work import UnitOfWork
from ..domain.stock import Product, StockDelta, Vendor, VendorStock

T = TypeVar("T")
NOW = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


def work(storage: Storage, step: Callable[[UnitOfWork], T]) -> T:
    """Take one step in a unit of work of its own, and commit it."""
    with storage.unit_of_work() as uow:
        answer = step(uow)
        uow.commit()
    return answer


def stock_up(storage: Storage, vendor_id: str, **quantities: int) -> None:
    """Add a vendor and its stock by means of the repository alone, so past the ledger."""

    def step(uow: UnitOfWork) -> None:
        uow.stock.accept_report(Vendor(id=vendor_id, name=f"Vendor {vendor_id}"), NOW, NOW)
        uow.stock.add_products([Product(id=key, name=key) for key in quantities], NOW)
        uow.stock.lock(quantities)
        uow.stock.upsert_vendor_stock(
            [level(vendor_id, key, units) for key, units in quantities.items()]
        )
        uow.stock.change(
            [StockDelta(product_id=key, on_hand=units) for key, units in quantities.items()], NOW
        )

    work(storage, step)


def level(
    vendor_id: str, product_id: str, available: int, stated_at: datetime | None = None
) -> VendorStock:
    """Vendor stock as just reported."""
    return VendorStock(
        vendor_id=vendor_id,
        product_id=product_id,
        available=available,
        reported=available,
        stated_at=stated_at,
    )


def central(storage: Storage, product_id: str) -> tuple[int, int]:
    """A product's units on hand and reserved, as committed."""
    [found] = storage.read_model.stock(0, 1, product_id).items
    return found.on_hand, found.reserved


def claimed(
    storage: Storage, until: datetime, now: datetime = NOW, limit: int = 100
) -> list[OutboxMessage]:
    """Claim messages, and commit that."""
    return work(storage, lambda uow: uow.outbox.claim(limit, now, until))


def numbers(messages: Collection[OutboxMessage]) -> list[int]:
    """The numbers of the orders that they announce."""
    return [order_id.int for message in messages for order_id in decode(message.body)]

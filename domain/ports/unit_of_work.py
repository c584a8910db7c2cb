"""Where stock and orders are kept, changed all together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

import attrs

from ..order import Order
from ..stock import CentralStock, Product, StockDelta, Vendor, VendorStock, VendorStockChange
from ..vendor_sync import StockAdjustment


class StockRepository(Protocol):
    """Central and vendor stock. A product's central lock covers its vendor stock too."""

    def lock(self, product_ids: Collection[str]) -> dict[str, CentralStock]:
        """Central stock of these products, locked in one fixed order until the unit of work ends.

        Unknown products are left out.
        """

    def change(self, changes: Sequence[StockDelta], at: datetime) -> None:
        """Change central stock, at most one change a product.

        ConstraintViolated if a figure would fall below 0, or a reservation grow beyond on hand.
        """

    def lock_vendor_stock(self, product_ids: Collection[str]) -> list[VendorStock]:
        """All vendor stock of these products, which are locked like by `lock`."""

    def lock_top_vendors(self, counts: Mapping[str, int]) -> list[VendorStock]:
        """Of each product so many vendors, those with the highest stock, ties by vendor id.

        None that have nothing. The products are locked like by `lock`.
        """

    def change_vendors(self, changes: Sequence[VendorStockChange]) -> None:
        """Change vendor stock, one change a vendor and product; ConstraintViolated below 0."""

    def upsert_vendor_stock(self, levels: Sequence[VendorStock]) -> None:
        """Insert or replace vendor stock of products that the caller has locked."""

    def record(self, adjustments: Sequence[StockAdjustment]) -> None:
        """Write the supply side of the ledger."""

    def products_of(self, vendor_id: str) -> set[str]:
        """The products of which the vendor last reported more than nothing."""

    def accept_report(self, vendor: Vendor, as_of: datetime) -> bool:
        """Add or rename the vendor, and note that this is its newest report.

        False, and nothing changes, if a newer one was accepted before. Otherwise the vendor is
        locked until the unit of work ends. To be called before any other lock is taken.
        """

    def products(self, product_ids: Collection[str]) -> dict[str, Product]:
        """These products, not locked; unknown ones are left out."""

    def add_products(self, products: Sequence[Product], at: datetime) -> None:
        """Add those products that are not known yet, with no stock; known ones stay as they are."""

    def rename_products(self, products: Sequence[Product]) -> None:
        """Set the names of known products that the caller has locked, and who gave them."""


class OrderRepository(Protocol):
    """Orders with their lines and allocations."""

    def add(self, orders: Sequence[Order]) -> None:
        """Insert new orders; Conflict, at the latest on commit, if an id or key exists."""

    def find(self, ids: Collection[UUID], idempotency_keys: Collection[str]) -> list[Order]:
        """The orders with one of these ids or keys, not locked."""

    def lock(self, ids: Collection[UUID]) -> dict[UUID, Order]:
        """These orders, locked until the unit of work ends; unknown ones are left out."""

    def settle(self, orders: Sequence[Order]) -> None:
        """Write the end of orders: status, failure and allocations.

        Conflict unless every one of them is still reserved.
        """

    def record_failures(self, attempts: Mapping[UUID, int], at: datetime) -> None:
        """Note at which delivery (1 is the first) fulfilling these orders failed last.

        They count as sent `at`, as their messages are retried. Orders that are not reserved any
        more, and unknown ones, are left as they are.
        """

    def allocated_since(
        self, vendor_id: str, product_ids: Collection[str], timestamp: datetime
    ) -> Mapping[str, int]:
        """Units by product that were allocated from the vendor after the moment."""

    def claim_unfulfilled(self, sent_before: datetime, now: datetime, limit: int) -> list[UUID]:
        """Orders still reserved, sent longest ago and before then; they count as sent now.

        What was recorded of their failures is forgotten, as their next messages count anew.
        """

    def mark_sent(self, ids: Collection[UUID], at: datetime) -> None:
        """Note that these orders were announced again; unknown ones are passed over."""


@attrs.frozen(kw_only=True)
class OutboxMessage:
    """A message that was committed and waits to be sent."""

    id: int
    body: bytes


@attrs.frozen(kw_only=True)
class Backlog:
    """How many messages wait in the outbox, and when the oldest of them was created."""

    messages: int
    since: datetime


class Outbox(Protocol):
    """Messages that are committed with the data they announce."""

    def announce(self, order_ids: Sequence[UUID], at: datetime) -> None:
        """Add messages, created `at`, that announce these orders to the workers.

        They are due at once, whatever any clock says. One message may announce several orders.
        """

    def announce_individually(self, order_ids: Sequence[UUID], at: datetime) -> None:
        """The same, with a message of its own for each order."""

    def claim(self, limit: int, now: datetime, until: datetime) -> list[OutboxMessage]:
        """Up to `limit` due messages, oldest first, that nobody else can claim before `until`.

        Ids grow with each message. One that became due behind others that were claimed already may
        be left out for a few seconds.
        """

    def remove(self, ids: Collection[int]) -> None:
        """Delete messages that were sent; unknown ids are passed over."""

    def release(self, ids: Collection[int]) -> None:
        """Make claimed messages due again at once; unknown ids are passed over."""

    def backlog(self) -> Backlog | None:
        """What waits, claimed messages included; None if nothing does. Reads the whole outbox."""

    def claim_alarm(self, now: datetime, before: datetime) -> bool:
        """Claim to report the backlog at `now`; False if somebody did so since `before`."""


class UnitOfWork(Protocol):
    """One transaction: leaving it without `commit` undoes everything.

    Two units of work behave as if one ran after the other for all that they lock. Every call can
    raise StorageUnavailable, or Conflict when another unit of work got in the way. What is written
    may be sent with the next question or with the commit, so its errors come there at the latest;
    after any error nothing can be committed. Not to be shared by threads; the factory may be called
    from any.
    """

    @property
    def stock(self) -> StockRepository:
        """Stock, inside this transaction."""

    @property
    def orders(self) -> OrderRepository:
        """Orders, inside this transaction."""

    @property
    def outbox(self) -> Outbox:
        """The outbox, inside this transaction."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def commit(self) -> None:
        """Make everything durable. CommitOutcomeUnknown if the connection breaks meanwhile."""


UnitOfWorkFactory = Callable[[], UnitOfWork]

"""What can be asked without changing anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import attrs

from ..errors import Rejection
from ..events import Event
from ..order import Order, OrderStatus
from ..values import timestamp_text

T = TypeVar("T")

# Failures in a row.
OPEN_AFTER = 5
# In these an order waits for something.
UNDER_WAY = (OrderStatus.HELD, OrderStatus.BACKORDERED, OrderStatus.RESERVED)
# More orders of a kind would take too long for a glance.
COUNTED = 10_000


@attrs.frozen(kw_only=True)
class Page(Generic[T]):
    """A part of a listing, and how many items the whole has."""

    items: tuple[T, ...]
    total: int


@attrs.frozen(kw_only=True)
class StockLevel:
    """A product's central stock in units. `vendor_count`: vendors that have some of it."""

    product_id: str
    name: str
    on_hand: int
    reserved: int
    stale: int
    # Those that accepted orders wait for.
    backordered: int
    available: int
    vendor_count: int
    # At how few available somebody is told; how many may be waited for. None: not set.
    low_at: int | None
    backorder_limit: int | None
    updated_at: datetime


@attrs.frozen(kw_only=True)
class VendorStockLevel:
    """What one vendor has of one product, in units."""

    vendor_id: str
    vendor_name: str
    product_id: str
    available: int
    reported: int
    stale: bool
    as_of: datetime
    # When the vendor expects more, if it says so and that is still to come.
    expected_at: datetime | None = None


@attrs.frozen(kw_only=True)
class VendorStatus:
    """A vendor, and how its reports are getting on."""

    vendor_id: str
    name: str
    # Of its last report; and when that was taken in, unless it was long ago. None: there was none.
    as_of: datetime | None = None
    reported_at: datetime | None = None
    # Of which it reported more than nothing.
    products: int = 0
    # How many rows of its last report were left out.
    rejected: int = 0
    stale: bool = False
    retired: bool = False
    quarantined_at: datetime | None = None
    # Whether it is synced, when that was last tried, and when it will be tried next.
    enabled: bool = True
    attempted_at: datetime | None = None
    next_sync_at: datetime | None = None
    # Why it could not be synced, and how often in a row.
    problem: str | None = None
    failures: int = 0
    # How many of its reports were refused as outdated, ever.
    outdated: int = 0

    @property
    def breaker(self) -> str:
        """Whether it has failed so often that it is asked more and more rarely."""
        return "open" if self.failures >= OPEN_AFTER else "closed"


@attrs.frozen(kw_only=True)
class ProductStock:
    """A product's central stock, and every vendor's of it by vendor id: figures of one moment."""

    central: StockLevel
    vendors: tuple[VendorStockLevel, ...]


@attrs.frozen(kw_only=True)
class OrderFilter:
    """Which orders are asked for: those for which everything holds that is given."""

    status: OrderStatus | None = None
    # With a line of it.
    product_id: str | None = None
    # That supplies some of it.
    vendor_id: str | None = None
    # Then or later.
    updated_since: datetime | None = None
    reference: str | None = None
    idempotency_key: str | None = None
    # That come after this one in the listing, so are older.
    after: UUID | None = None


@attrs.frozen(kw_only=True)
class Progress:
    """How fulfilling an order is getting on: whether it was tried, and when it was announced."""

    status: OrderStatus
    # At which delivery it failed last, and why; 0 and None if at none.
    attempts: int
    problem: str | None
    announced_at: datetime
    # Since when messages wait to be sent, its own perhaps among them; None: none does.
    outbox_since: datetime | None

    @property
    def waits_for(self) -> str | None:
        """Why an order is still as it is; None where nothing more is to come by itself."""
        announced = timestamp_text(self.announced_at)
        match self.status:
            case OrderStatus.HELD:
                return "its buyer"
            case OrderStatus.BACKORDERED:
                return "stock"
            case OrderStatus.RESERVED if self.attempts:
                return f"another attempt after {self.attempts}: {self.problem}"
            case OrderStatus.RESERVED if self._may_be_unsent:
                return f"its message to be sent, as others do since {self.outbox_since}"
            case OrderStatus.RESERVED:
                return f"a worker, announced at {announced}"
            case _:
                return None

    @property
    def _may_be_unsent(self) -> bool:
        since = self.outbox_since
        return since is not None and since <= self.announced_at


@attrs.frozen(kw_only=True)
class StockMovement:
    """Units of a product that came or went, and how many were on hand before and after."""

    at: datetime
    # "order", or what an entry of the ledger says.
    cause: str
    vendor_id: str
    order_id: UUID | None
    delta: int
    after: int

    @property
    def before(self) -> int:
        """How many there were."""
        return self.after - self.delta


@attrs.frozen(kw_only=True)
class Pending:
    """How many wait, and since when the oldest of them does; None if none does."""

    count: int
    since: datetime | None


@attrs.frozen(kw_only=True)
class Workload:
    """What is under way. Each status of UNDER_WAY has its orders."""

    orders: Mapping[OrderStatus, Pending]
    # Of the first COUNTED that are reserved: those that no worker has tried in vain, since their
    # last step; and how many one has.
    untried: Pending
    retried: int
    # Messages of the outbox, those that are being sent included.
    outbox: Pending
    # Of webhooks.
    deliveries: int
    dead_deliveries: int
    # How many batches of events each reader has not read yet.
    unread_events: Mapping[str, int]


class ReadModel(Protocol):
    """Committed state only, each answer from one moment. Thread-safe; StorageUnavailable."""

    def stock(self, offset: int, limit: int, product_id: str | None = None) -> Page[StockLevel]:
        """Products by id."""

    def scarce_stock(self, offset: int, limit: int, search: str | None = None) -> Page[StockLevel]:
        """Products, those that are out or low before others, then by what is available.

        `search`: those with this in their id or name; the case of ASCII letters does not count.
        """

    def product(self, product_id: str) -> ProductStock | None:
        """One product, with its vendors."""

    def vendor_stock(
        self,
        offset: int,
        limit: int,
        vendor_id: str | None = None,
        product_id: str | None = None,
    ) -> Page[VendorStockLevel]:
        """Vendor stock by vendor id, then product id."""

    def vendors(self, offset: int, limit: int, vendor_id: str | None = None) -> Page[VendorStatus]:
        """Vendors that are declared or have reported something, by id."""

    def rejections(self, vendor_id: str, offset: int, limit: int) -> Page[Rejection]:
        """What was left out of a vendor's last report, in its order."""

    def order(self, order_id: UUID) -> Order | None:
        """One order; its allocations by product id, then vendor id.

        Lines that wait say when more is expected, as vendors see it now (`expected` of the stock).
        """

    def orders(self, offset: int, limit: int, wanted: OrderFilter = OrderFilter()) -> Page[Order]:
        """Orders, newest first (by id, which is a UUIDv7)."""

    def order_events(self, order_id: UUID) -> tuple[Event, ...] | None:
        """What happened to an order, from its first step on; None if there is no such order."""

    def progress(self, order_id: UUID) -> Progress | None:
        """How fulfilling an order is getting on; None if there is no such order."""

    def oldest_reserved(self, limit: int) -> Mapping[UUID, Progress]:
        """How the oldest reserved orders are getting on, by id."""

    def stock_history(self, product_id: str, offset: int, limit: int) -> Page[StockMovement]:
        """What came and went of a product, newest first.

        Reads all that is recorded of it. What pruned orders took is summed up at their pruning.
        """

    def failed_attempts(self, order_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """At which delivery each order was last recorded to have failed; 0 if at none.

        Unknown orders are left out.
        """

    def workload(self) -> Workload:
        """What is under way, at a cost that does not grow with the orders that are done.

        Webhooks are no reader while there are none.
        """

    def ping(self) -> None:
        """Return if the storage answers and has the expected schema; else StorageUnavailable."""

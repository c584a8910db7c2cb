"""A shop in miniature: every use case on one storage, in words short enough for a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import count
from operator import attrgetter
from uuid import UUID

import attrs

from ..adapters.memory import ManualClock, MemoryMessageBus, MemoryStorage
from ..adapters.system.secrets import new_secret, new_token
from ..adapters.wire import decode
from ..domain.allocation import AllocationPolicy, highest_then_even
from ..domain.counting import CountsOrders
from ..domain.errors import OrderRefused
from ..domain.events import Event
from ..domain.order import Order, OrderLine
from ..domain.ports.ledger import Discrepancy
from ..domain.ports.message_bus import Delivery, MessageBus
from ..domain.ports.order_repository import Attempt
from ..domain.ports.outbox import OutboxMessage
from ..domain.ports.read_model import StockLevel
from ..domain.ports.storage import Storage
from ..domain.stock import Vendor
from ..domain.stock_updates import StockUpdates
from ..domain.use_cases.approve_report import ApproveReport
from ..domain.use_cases.cancel_orders import Cancelled, CancelOrder, CancelOrders
from ..domain.use_cases.dead_letter_actions import DeadLetterActions
from ..domain.use_cases.declare_vendors import DeclareVendors, EnableVendor
from ..domain.use_cases.expire_holds import ExpireHolds
from ..domain.use_cases.fail_orders import FailOrders
from ..domain.use_cases.fill_backorders import FillBackorders
from ..domain.use_cases.find_suspects import FindSuspects
from ..domain.use_cases.forget_old import ForgetOld
from ..domain.use_cases.fulfil_orders import FulfilOrders, Outcome
from ..domain.use_cases.hold_actions import HoldActions
from ..domain.use_cases.idempotency import CarryOutOnce
from ..domain.use_cases.order_actions import OrderActions
from ..domain.use_cases.order_holds import OrderHolds
from ..domain.use_cases.place_orders import PlaceOrder, PlaceOrders
from ..domain.use_cases.prune_orders import PruneOrders
from ..domain.use_cases.record_failures import RecordFailures
from ..domain.use_cases.relay_messages import RelayMessages
from ..domain.use_cases.repair_balances import RepairBalances
from ..domain.use_cases.report_intake import SyncResult
from ..domain.use_cases.resend_orders import ResendOrders
from ..domain.use_cases.retire_vendor import RetireVendor
from ..domain.use_cases.return_orders import ReturnOrders
from ..domain.use_cases.separate_orders import RequeueIndividually
from ..domain.use_cases.set_product import SetProduct
from ..domain.use_cases.sync_once import SyncOnce
from ..domain.use_cases.sync_vendor import SyncVendor
from ..domain.use_cases.token_actions import TokenActions
from ..domain.use_cases.update_vendor_stock import UpdateVendorStock
from ..domain.use_cases.vendor_actions import VendorActions
from ..domain.use_cases.webhook_actions import WebhookActions
from ..domain.use_cases.withhold_stale_stock import WithholdStaleStock
from ..domain.vendor_sync import Snapshot, StockReport, VendorTerms

RESEND_AFTER = timedelta(minutes=5)
KEEP_KEYS = timedelta(days=7)
_numbers = count(1)


# Of a vendor whose clock is ours, and that is always believed.
SAME_CLOCK = VendorTerms(counts_orders=CountsOrders(clock_tolerance=timedelta(0)), max_cut=None)


@attrs.frozen
class Feed:
    """A vendor gateway that answers with the snapshot it was given."""

    snapshot: Snapshot
    terms: VendorTerms = SAME_CLOCK

    @property
    def vendor(self) -> Vendor:
        return self.snapshot.vendor

    def fetch(self) -> Snapshot:
        return self.snapshot


def next_order_id() -> UUID:
    """A UUIDv7 that sorts after every one before."""
    return UUID(int=next(_numbers) << 80 | 7 << 76 | 2 << 62)


def lines(quantities: Mapping[str, int]) -> tuple[OrderLine, ...]:
    """Order lines of these units by product."""
    return tuple(OrderLine(product_id=key, quantity=units) for key, units in quantities.items())


def wish(key: str | None = None, **quantities: int) -> PlaceOrder:
    """A wish for a new order of these units by product."""
    return PlaceOrder(order_id=next_order_id(), lines=lines(quantities), idempotency_key=key)


def reserved_order(at: datetime, **quantities: int) -> Order:
    """An order as it is right after its reservation."""
    return Order(id=next_order_id(), lines=lines(quantities), created_at=at, updated_at=at)


def announced(messages: Iterable[Delivery | OutboxMessage]) -> list[UUID]:
    """The orders that these announce."""
    return [order_id for each in messages for order_id in decode(each.body)]


def snapshot(vendor_id: str, quantities: Mapping[str, int], as_of: datetime) -> Snapshot:
    """A vendor's report of these units by product."""
    return Snapshot(
        vendor=Vendor(id=vendor_id, name=f"Vendor {vendor_id}"),
        as_of=as_of,
        stated=True,
        reports=tuple(
            StockReport(product_id=key, name=f"Product {key}", quantity=units)
            for key, units in quantities.items()
        ),
    )


def whole(report: Snapshot | StockUpdates) -> Snapshot:
    """The report, which must be of all that the vendor has."""
    assert isinstance(report, Snapshot), report
    return report


class Shop:
    """The use cases on a storage, in memory unless another is given."""

    def __init__(
        self,
        storage: Storage | None = None,
        policy: AllocationPolicy = highest_then_even,
        bus: MessageBus | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.storage = storage or MemoryStorage(self.clock)
        self.bus = bus or MemoryMessageBus()
        unit_of_work = self.storage.unit_of_work
        # Holds are timed by the storage's clock, where it has one.
        self.shared_clock = self.storage.clock or self.clock
        self.place_orders = PlaceOrders(unit_of_work, self.clock, self.shared_clock)
        self.expire_holds = ExpireHolds(unit_of_work, self.clock, self.shared_clock)
        self.set_product = SetProduct(unit_of_work, self.clock)
        self.fill_backorders = FillBackorders(unit_of_work, self.clock)
        self.fulfil_orders = FulfilOrders(unit_of_work, self.clock, policy)
        self.fail_orders = FailOrders(unit_of_work, self.clock)
        self.find_suspects = FindSuspects(self.storage.read_model)
        self.relay_messages = RelayMessages(unit_of_work, self.bus, self.clock)
        self.resend_orders = ResendOrders(unit_of_work, self.clock, RESEND_AFTER)
        self.separate_orders = RequeueIndividually(unit_of_work, self.clock)
        self.sync_vendor = SyncVendor(unit_of_work, self.clock)
        self.update_vendor_stock = UpdateVendorStock(unit_of_work, self.clock)
        self.withhold_stale_stock = WithholdStaleStock(unit_of_work, self.clock)
        self.repair_balances = RepairBalances(self.storage.ledger, unit_of_work, self.clock)

    @property
    def prune_orders(self) -> PruneOrders:
        """Removes old orders, and keys."""
        unit_of_work = self.storage.unit_of_work
        return PruneOrders(
            unit_of_work,
            self.clock,
            ForgetOld(unit_of_work, self.clock, KEEP_KEYS, attrgetter("idempotency_keys")),
        )

    @property
    def order_actions(self) -> OrderActions:
        """The use cases about orders that were placed."""
        return OrderActions(
            cancel=CancelOrders(self.storage.unit_of_work, self.clock),
            hold=HoldActions(self.storage.unit_of_work, self.clock, self.shared_clock),
            order_holds=OrderHolds(self.storage.unit_of_work, self.clock, self.shared_clock),
            give_back=ReturnOrders(self.storage.unit_of_work, self.clock),
            announce_again=self.separate_orders,
        )

    @property
    def vendor_actions(self) -> VendorActions:
        """The use cases about vendors."""
        unit_of_work = self.storage.unit_of_work
        sync_once = SyncOnce(unit_of_work, self.clock, self.sync_vendor)
        return VendorActions(
            sync=self.sync_vendor,
            sync_once=sync_once,
            approve=ApproveReport(unit_of_work, sync_once),
            retire=RetireVendor(
                unit_of_work, self.clock, self.sync_vendor, self.storage.read_model
            ),
            update_stock=self.update_vendor_stock,
            declare=DeclareVendors(unit_of_work, self.clock),
            enable=EnableVendor(unit_of_work, self.clock),
        )

    @property
    def dead_letter_actions(self) -> DeadLetterActions:
        """The use cases about messages that were given up."""
        return DeadLetterActions(self.storage.unit_of_work, self.clock, self.bus)

    @property
    def carry_out_once(self) -> CarryOutOnce:
        """For what has no use case that does it once."""
        return CarryOutOnce(self.storage.unit_of_work, self.clock)

    @property
    def token_actions(self) -> TokenActions:
        """The use cases about API tokens."""
        return TokenActions(
            unit_of_work=self.storage.unit_of_work,
            directory=self.storage.access_tokens,
            clock=self.clock,
            new_id=lambda: str(next_order_id()),
            new_token=new_token,
        )

    def webhook_actions(self, *, private: bool = False) -> WebhookActions:
        """The use cases about webhooks. `private`: they may be at private addresses."""
        return WebhookActions(
            unit_of_work=self.storage.unit_of_work,
            directory=self.storage.webhooks,
            feed=self.storage.event_feed,
            clock=self.shared_clock,
            new_id=lambda: str(next_order_id()),
            new_secret=new_secret,
            private=private,
        )

    def pass_time(self, **span: float) -> None:
        """Move the clock on, by `minutes=5` and the like."""
        self.clock.advance(timedelta(**span))

    def sync(
        self, vendor_id: str, quantities: Mapping[str, int], as_of: datetime | None = None
    ) -> SyncResult:
        """Take in a vendor's report, of this moment unless told otherwise."""
        return self.sync_vendor(Feed(snapshot(vendor_id, quantities, as_of or self.clock.now())))

    def place(self, *commands: PlaceOrder, recheck: bool = False) -> list[Order | OrderRefused]:
        """Place a batch of orders."""
        return self.place_orders(commands, recheck=recheck)

    def accepted(self, key: str | None = None, **quantities: int) -> Order:
        """Place one order, which must be accepted."""
        [order] = self.place(wish(key, **quantities))
        assert isinstance(order, Order), order
        return order

    def fulfil(self, *orders: Order) -> list[Outcome]:
        """Fulfil a batch of orders."""
        outcomes = self.fulfil_orders([order.id for order in orders])
        return [outcomes[order.id] for order in orders]

    def cancel(self, *order_ids: UUID) -> Mapping[UUID, Cancelled]:
        """Cancel a batch of orders."""
        return self.order_actions.cancel([CancelOrder(order_id=key) for key in order_ids])

    def record_failures(self, attempts: Mapping[UUID, int]) -> None:
        """Record that orders failed at these deliveries."""
        record = RecordFailures(self.storage.unit_of_work, self.clock)
        record({key: Attempt(number=n, problem="it failed") for key, n in attempts.items()})

    def events(self) -> list[Event]:
        """Everything that happened, in order."""
        return [
            event for batch in self.storage.event_feed.read(0, 10_000) for event in batch.events
        ]

    def order(self, order_id: UUID) -> Order:
        """An order as it is stored."""
        order = self.storage.read_model.order(order_id)
        assert order is not None
        return order

    def central(self, product_id: str) -> StockLevel:
        """A product's central stock."""
        [level] = self.storage.read_model.stock(0, 1, product_id).items
        return level

    def balance(self, product_id: str) -> tuple[int, int]:
        """A product's units on hand and reserved."""
        level = self.central(product_id)
        return level.on_hand, level.reserved

    def vendor_units(self, product_id: str) -> dict[str, int]:
        """What each vendor has of a product."""
        page = self.storage.read_model.vendor_stock(0, 1000, product_id=product_id)
        return {level.vendor_id: level.available for level in page.items}

    def discrepancies(self) -> list[Discrepancy]:
        """What the ledger finds wrong."""
        return list(self.storage.ledger.discrepancies())

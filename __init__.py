"""Order Aggregator: many vendors' stock sold as one, no unit twice.

This module is the library's public face. It needs attrs alone; databases, brokers and the HTTP
service are in `order_aggregator.adapters`, `order_aggregator.bootstrap` and
`order_aggregator.entrypoints`.
"""

from importlib.metadata import version

from .adapters.memory import ManualClock, MemoryMessageBus, MemoryStorage, MemoryVendorGateway
from .domain.allocation import (
    POLICIES,
    AllocationPolicy,
    Offer,
    Plan,
    VendorAllocations,
    allocate,
    even_split,
    fewest_vendors,
    highest_first,
    highest_then_even,
    parse_policy,
    priority,
    proportional,
)
from .domain.counting import CountsOrders, parse_counts_orders
from .domain.errors import (
    BrokerUnavailable,
    CommitOutcomeUnknown,
    Conflict,
    ConstraintViolated,
    FulfilmentFailed,
    IdempotencyKeyReused,
    IllegalTransition,
    InsufficientStock,
    InvalidPlan,
    InvalidSnapshot,
    InvalidValue,
    MalformedMessage,
    OrderAggregatorError,
    OrderRefused,
    Shortage,
    StorageUnavailable,
    Unavailable,
    UnknownOrder,
    UnknownProducts,
    UnknownVendor,
    VendorShortage,
    VendorUnavailable,
)
from .domain.order import Allocation, Order, OrderLine, OrderStatus
from .domain.ports.clock import Clock
from .domain.ports.ledger import Discrepancy, Ledger
from .domain.ports.message_bus import Consumer, DeadLetter, DeadLetters, Delivery, MessageBus
from .domain.ports.order_repository import OrderRepository
from .domain.ports.outbox import Outbox, OutboxMessage
from .domain.ports.read_model import (
    Page,
    ProductStock,
    ReadModel,
    StockLevel,
    VendorStockLevel,
)
from .domain.ports.stock_repository import StockRepository
from .domain.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from .domain.ports.vendor_gateway import VendorGateway
from .domain.stock import (
    CentralStock,
    Product,
    Reservations,
    StockDelta,
    Vendor,
    VendorStock,
    VendorStockChange,
)
from .domain.use_cases.fail_orders import FailOrders
from .domain.use_cases.find_suspects import FindSuspects
from .domain.use_cases.fulfil_orders import FulfilOrders
from .domain.use_cases.place_orders import PlaceOrder, PlaceOrders
from .domain.use_cases.record_failures import RecordFailures
from .domain.use_cases.relay_messages import RelayMessages
from .domain.use_cases.report_intake import SyncResult
from .domain.use_cases.resend_orders import ResendOrders
from .domain.use_cases.separate_orders import RequeueIndividually
from .domain.use_cases.sync_vendor import SyncVendor
from .domain.vendor_sync import Snapshot, StockAdjustment, StockReport, VendorTerms

__version__ = version("order-aggregator")

__all__ = [
    "POLICIES",
    "Allocation",
    "AllocationPolicy",
    "BrokerUnavailable",
    "CentralStock",
    "Clock",
    "CommitOutcomeUnknown",
    "Conflict",
    "ConstraintViolated",
    "Consumer",
    "CountsOrders",
    "DeadLetter",
    "DeadLetters",
    "Delivery",
    "Discrepancy",
    "FailOrders",
    "FindSuspects",
    "FulfilOrders",
    "FulfilmentFailed",
    "IdempotencyKeyReused",
    "IllegalTransition",
    "InsufficientStock",
    "InvalidPlan",
    "InvalidSnapshot",
    "InvalidValue",
    "Ledger",
    "MalformedMessage",
    "ManualClock",
    "MemoryMessageBus",
    "MemoryStorage",
    "MemoryVendorGateway",
    "MessageBus",
    "Offer",
    "Order",
    "OrderAggregatorError",
    "OrderLine",
    "OrderRefused",
    "OrderRepository",
    "OrderStatus",
    "Outbox",
    "OutboxMessage",
    "Page",
    "PlaceOrder",
    "PlaceOrders",
    "Plan",
    "Product",
    "ProductStock",
    "ReadModel",
    "RecordFailures",
    "RelayMessages",
    "RequeueIndividually",
    "ResendOrders",
    "Reservations",
    "Shortage",
    "Snapshot",
    "StockAdjustment",
    "StockDelta",
    "StockLevel",
    "StockReport",
    "StockRepository",
    "StorageUnavailable",
    "SyncResult",
    "SyncVendor",
    "Unavailable",
    "UnitOfWork",
    "UnitOfWorkFactory",
    "UnknownOrder",
    "UnknownProducts",
    "UnknownVendor",
    "Vendor",
    "VendorAllocations",
    "VendorGateway",
    "VendorShortage",
    "VendorStock",
    "VendorStockChange",
    "VendorStockLevel",
    "VendorTerms",
    "VendorUnavailable",
    "allocate",
    "even_split",
    "fewest_vendors",
    "highest_first",
    "highest_then_even",
    "parse_counts_orders",
    "parse_policy",
    "priority",
    "proportional",
]

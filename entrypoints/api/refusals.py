"""An example of every problem: what the operations are documented with."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from werkzeug.exceptions import (
    Gone,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)

from ...domain.access import OPERATE, InsufficientScope, Unauthenticated
from ...domain.errors import (
    BrokerUnavailable,
    CancelRefused,
    CommitOutcomeUnknown,
    Conflict,
    HoldExpired,
    IdempotencyKeyReused,
    IdentityProviderUnavailable,
    IllegalTransition,
    InsufficientStock,
    InvalidSnapshot,
    NotQuarantined,
    OutdatedReport,
    QuarantinedReport,
    ReturnRefused,
    Shortage,
    StockChanged,
    StockConflict,
    StorageUnavailable,
    TooManyOpenOrders,
    UnknownVendor,
    VendorInUse,
    VendorUnavailable,
)
from .order_batcher import Overloaded
from .problems import InvalidRequest, SyncInterrupted, UnknownProductFields
from .rate_limit import RateLimited
from .strict_json import MalformedJson

ORDER_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")

MALFORMED_JSON = MalformedJson("not JSON: Expecting value at line 1 column 13")
INVALID_ORDER = InvalidRequest({"lines.0.quantity": ["must be a whole number"]})
INVALID_WEBHOOK = InvalidRequest({"url": ["must begin with http:// or https:// and a host"]})
INVALID_QUERY = InvalidRequest({"page_size": ["must be from 1 to 100"]})
UNKNOWN_PRODUCT = UnknownProductFields({"lines.0.product_id": ["unknown product: sku-unicorn"]})
REQUEST_KEY_REUSED = IdempotencyKeyReused("checkout-4711")
KEY_REUSED = IdempotencyKeyReused("checkout-4711", ORDER_ID)
INSUFFICIENT_STOCK = InsufficientStock(
    [Shortage(product_id="sku-espresso-beans", requested=9, available=4)]
)
TOO_MANY_OPEN_ORDERS = TooManyOpenOrders("PO-4711", 20)
UNKNOWN_VENDOR = UnknownVendor("acme")
VENDOR_UNAVAILABLE = VendorUnavailable("acme", "HTTP status 500")
INVALID_SNAPSHOT = InvalidSnapshot("acme", "row 3: quantity: must be a whole number")
OUTDATED_REPORT = OutdatedReport("acme", datetime(2026, 1, 1, tzinfo=UTC))
QUARANTINED_REPORT = QuarantinedReport("acme", 1200, 0)
NOT_QUARANTINED = NotQuarantined("acme")
VENDOR_IN_USE = VendorInUse("acme")
NO_SUCH_STEP = IllegalTransition(ORDER_ID, "fulfilled", "be cancelled")
CANCEL_REFUSED = CancelRefused("sku-espresso-beans", 3, 2)
HOLD_EXPIRED = HoldExpired(ORDER_ID, "expired")
RETURN_REFUSED = ReturnRefused("sku-espresso-beans", 3, 2)
STOCK_CHANGED = StockChanged(
    [StockConflict(product_id="sku-espresso-beans", reported=4, expected=9)]
)
SYNC_INTERRUPTED = SyncInterrupted()
OVERLOADED = Overloaded("too many orders wait already")
CONFLICT = Conflict()
OUTCOME_UNKNOWN = CommitOutcomeUnknown()
STORAGE_UNAVAILABLE = StorageUnavailable()
BROKER_UNAVAILABLE = BrokerUnavailable("the connection was lost")
UNEXPECTED = Exception()

UNAUTHENTICATED = Unauthenticated("the token is unknown, or revoked")
FORBIDDEN = InsufficientScope([OPERATE])
IDENTITY_PROVIDER_UNAVAILABLE = IdentityProviderUnavailable(
    "the identity provider's keys cannot be fetched"
)

RATE_LIMITED = RateLimited(3)

UNKNOWN_ORDER = NotFound(f"no order {ORDER_ID}")
NO_SUCH_VENDOR = NotFound("no vendor acme has reported anything")
UNKNOWN_DEAD_LETTER = NotFound("no dead letter 4711")
UNKNOWN_WEBHOOK = NotFound(f"no webhook {ORDER_ID}")
UNKNOWN_PRODUCT_ID = NotFound("no product sku-unicorn")
EVENTS_FORGOTTEN = Gone("events after this one are kept no longer: begin anew")
METHOD_NOT_ALLOWED = MethodNotAllowed()
REQUEST_TIMEOUT = RequestTimeout("the request did not come in time")
TOO_LARGE = RequestEntityTooLarge("the body must have at most 1048576 bytes")
UNSUPPORTED_MEDIA_TYPE = UnsupportedMediaType("the body must be application/json")

# Of every operation.
CREDENTIALS = (UNAUTHENTICATED, IDENTITY_PROVIDER_UNAVAILABLE)
# Of whatever reads a body, and of whatever places orders.
BODY = (MALFORMED_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_ORDER)
PLACE = (
    *BODY,
    REQUEST_TIMEOUT,
    INSUFFICIENT_STOCK,
    TOO_MANY_OPEN_ORDERS,
    UNKNOWN_PRODUCT,
    KEY_REUSED,
    OVERLOADED,
    CONFLICT,
    OUTCOME_UNKNOWN,
    STORAGE_UNAVAILABLE,
)

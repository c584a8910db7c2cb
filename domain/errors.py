"""Every error the core raises or expects of an adapter. Adapters translate theirs into these."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import attrs


class OrderAggregatorError(Exception):
    """The root: catch it to catch everything this package raises on purpose."""


class InvalidValue(OrderAggregatorError, ValueError):
    """A value breaks a rule of its field."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field
        self.expected = expected


@attrs.frozen(kw_only=True)
class Shortage:
    """A product of which less is available than an order asks for. Quantities in units."""

    product_id: str
    requested: int
    available: int


class OrderRefused(OrderAggregatorError):
    """The order was not accepted and left nothing behind."""


class InsufficientStock(OrderRefused):
    """Central stock does not cover the order; `shortages` has every short line."""

    def __init__(self, shortages: Sequence[Shortage]) -> None:
        super().__init__("; ".join(_describe(shortage) for shortage in shortages))
        self.shortages = tuple(shortages)


class UnknownProducts(OrderRefused):
    """The order names products that are not sold here."""

    def __init__(self, product_ids: Collection[str]) -> None:
        super().__init__(f"unknown products: {', '.join(product_ids)}")
        self.product_ids = tuple(product_ids)


class OrderTooLarge(OrderRefused):
    """The order is for more units than one order may be for."""

    def __init__(self, units: int, most: int) -> None:
        super().__init__(f"{units} units in one order, which may be for {most} at most")
        self.most = most


class TooManyOpenOrders(OrderRefused):
    """As many orders with the same reference are open as may be."""

    def __init__(self, reference: str, most: int) -> None:
        super().__init__(f"no more than {most} orders with reference {reference!r} may be open")


class IdempotencyKeyReused(OrderRefused):
    """The idempotency key belongs to an earlier request, which asked for something else.

    `order_id` is the order that it placed, if it placed one.
    """

    def __init__(self, key: str, order_id: UUID | None = None) -> None:
        whose = f"order {order_id}, which asked for other" if order_id else "another request"
        super().__init__(f"idempotency key {key!r} belongs to {whose}")
        self.key = key
        self.order_id = order_id


class FulfilmentFailed(OrderAggregatorError):
    """An accepted order could not be fulfilled in this attempt; nothing was changed."""


class VendorShortage(FulfilmentFailed):
    """The vendors together have less than the order needs; a later snapshot may mend it."""

    def __init__(self, shortage: Shortage) -> None:
        super().__init__(f"vendors are short of stock: {_describe(shortage)}")
        self.shortage = shortage


class InvalidPlan(FulfilmentFailed):
    """An allocation policy returned a plan that breaks the engine's rules."""


class UnknownOrder(FulfilmentFailed):
    """No order has this id."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"unknown order: {order_id}")
        self.order_id = order_id


class IllegalTransition(OrderAggregatorError):
    """The order's status does not allow this step."""

    def __init__(self, order_id: UUID, status: str, step: str) -> None:
        super().__init__(f"order {order_id} is {status}: cannot {step}")


class ReturnRefused(OrderAggregatorError):
    """More would come back than was supplied and has not come back yet. In units."""

    def __init__(self, product_id: str, asked: int, left: int) -> None:
        super().__init__(f"{product_id}: {asked} to return, but {left} can come back")
        self.product_id = product_id
        self.left = left


class CancelRefused(OrderAggregatorError):
    """More would be cancelled than is to be supplied. In units."""

    def __init__(self, product_id: str, asked: int, left: int) -> None:
        super().__init__(f"{product_id}: {asked} to cancel, but {left} are ordered")
        self.product_id = product_id
        self.left = left


class HoldExpired(OrderAggregatorError):
    """The hold is over, or was given up, or is an order already."""

    def __init__(self, order_id: UUID, status: str) -> None:
        super().__init__(f"hold {order_id} is {status}")
        self.order_id = order_id


class MalformedMessage(OrderAggregatorError):
    """A message that no retry can make readable."""


@attrs.frozen(kw_only=True)
class Rejection:
    """A row of a report that was not taken in, and why."""

    # Such as "line 3".
    place: str
    # None where the row names none that could be read.
    product_id: str | None
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}, {self.field}: {self.reason}"


class InvalidSnapshot(OrderAggregatorError):
    """A vendor's feed cannot be understood; nothing of it was taken in."""

    def __init__(self, vendor_id: str, problem: str, rejections: Sequence[Rejection] = ()) -> None:
        super().__init__(f"feed of vendor {vendor_id}: {problem}")
        self.vendor_id = vendor_id
        self.problem = problem
        # Its bad rows, where there were too many of them.
        self.rejections = rejections


class OutdatedReport(OrderAggregatorError):
    """A vendor's report that is older than one that was taken in before."""

    def __init__(self, vendor_id: str, as_of: datetime) -> None:
        super().__init__(
            f"feed of vendor {vendor_id}: as of {as_of.isoformat()}, older than what is known"
        )
        self.vendor_id = vendor_id


class QuarantinedReport(OrderAggregatorError):
    """A vendor's report takes away so much that somebody has to approve it."""

    def __init__(self, vendor_id: str, before: int, after: int) -> None:
        super().__init__(
            f"feed of vendor {vendor_id}: {after} units instead of {before}: it waits for approval"
        )
        self.vendor_id = vendor_id


class NotQuarantined(OrderAggregatorError):
    """There is no report of the vendor that waits for approval."""

    def __init__(self, vendor_id: str) -> None:
        super().__init__(f"no report of vendor {vendor_id} waits for approval")
        self.vendor_id = vendor_id


@attrs.frozen(kw_only=True)
class StockConflict:
    """An update that does not fit what its vendor last reported. In units."""

    product_id: str
    reported: int
    # What the vendor believed; None where the figure would be none.
    expected: int | None

    def __str__(self) -> str:
        believed = "too much changes" if self.expected is None else f"{self.expected} expected"
        return f"{self.product_id}: {believed}, {self.reported} reported"


class StockChanged(OrderAggregatorError):
    """Vendor stock is not what the writer believes; nothing was changed."""

    def __init__(self, conflicts: Sequence[StockConflict]) -> None:
        super().__init__("; ".join(map(str, conflicts)))
        self.conflicts = tuple(conflicts)


class UnknownVendor(OrderAggregatorError):
    """No vendor gateway is configured under this id."""

    def __init__(self, vendor_id: str) -> None:
        super().__init__(f"unknown vendor: {vendor_id}")
        self.vendor_id = vendor_id


class UnknownWebhook(OrderAggregatorError):
    """No webhook has this id."""

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"unknown webhook: {webhook_id}")
        self.webhook_id = webhook_id


class UnknownDeadLetter(OrderAggregatorError):
    """No message is parked under this id."""

    def __init__(self, letter_id: str) -> None:
        super().__init__(f"unknown dead letter: {letter_id}")
        self.letter_id = letter_id


class UnknownToken(OrderAggregatorError):
    """No access token has this id."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"unknown token: {token_id}")
        self.token_id = token_id


class VendorInUse(OrderAggregatorError):
    """A vendors file declares the vendor, or the program brings it."""

    def __init__(self, vendor_id: str) -> None:
        super().__init__(f"vendor {vendor_id} is still in the vendors file, or the program's own")
        self.vendor_id = vendor_id


class Unavailable(OrderAggregatorError):
    """Something outside does not answer; the same call may succeed later."""


class StorageUnavailable(Unavailable):
    """The storage cannot be reached or is not ready. Nothing was committed."""


class CommitOutcomeUnknown(StorageUnavailable):
    """The connection broke during the commit: it may or may not have happened."""


class BrokerUnavailable(Unavailable):
    """The message broker cannot be reached."""


class IdentityProviderUnavailable(Unavailable):
    """Nobody can say now who calls with a JWT."""


class VendorUnavailable(Unavailable):
    """A vendor's feed cannot be reached."""

    def __init__(self, vendor_id: str, problem: str) -> None:
        super().__init__(f"feed of vendor {vendor_id}: {problem}")
        self.vendor_id = vendor_id
        self.problem = problem


class Conflict(OrderAggregatorError):
    """Another transaction got in the way; nothing was committed, and a new attempt may succeed."""


class ConstraintViolated(OrderAggregatorError):
    """The storage's own guard refused a change the code should never have asked for."""


def _describe(shortage: Shortage) -> str:
    return f"{shortage.product_id}: {shortage.requested} requested, {shortage.available} available"

"""What the answers look like, and what the listings may be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from ...domain.errors import InvalidValue
from ...domain.order import MAX_REFERENCE_LENGTH, OrderStatus
from ...domain.use_cases.place_orders import MAX_KEY_LENGTH
from ...domain.values import MAX_ID_LENGTH, check_id, check_text, clean_id, timestamp_text

MAX_PAGE = 1_000_000
MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 10
# No control characters; the rule of `check_text`, as far as a JSON document can break it.
TEXT_PATTERN = r"^[^\u0000-\u001F\u007F]+$"
# Likewise of `check_id`; and not all of it is spaces, which do not count around it.
_UNSEEN = r"\u0000-\u001F\u007F-\u009F\u00AD\u200B-\u200F\u2028-\u202E\u2060-\u2064\uFEFF"
_SPACES = r" \u00A0\u1680\u2000-\u200A\u202F\u205F\u3000"
ID_PATTERN = rf"^[^{_UNSEEN}]*[^{_SPACES}{_UNSEEN}][^{_UNSEEN}]*$"

_TIMESTAMP = "must be a timestamp with a UTC offset, such as 2026-01-31T12:00:00Z"
_DIGITS = re.compile(r"[0-9]{1,9}")

TEXT_ID = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID_LENGTH,
    "pattern": ID_PATTERN,
}


def _text_id(value: str) -> None:
    try:
        check_id(value, "id")
    except InvalidValue as error:
        raise ValidationError(error.expected) from error


def _from_1_to(maximum: int) -> validate.Range:
    return validate.Range(1, maximum, error=f"must be from 1 to {maximum}")


class TextId(fields.String):
    """A product's or vendor's id."""

    def __init__(self, **options: Any) -> None:
        metadata = TEXT_ID | options.pop("metadata", {})
        super().__init__(validate=_text_id, metadata=metadata)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        return clean_id(super()._deserialize(value, attr, data, **kwargs))


class SearchText(fields.String):
    """Text that is looked for as it was given."""

    def __init__(self, max_length: int, **options: Any) -> None:
        def check(value: str) -> None:
            try:
                check_text(value, "text", max_length)
            except InvalidValue as error:
                raise ValidationError(error.expected) from error

        length = {"minLength": 1, "maxLength": max_length, "pattern": TEXT_PATTERN}
        super().__init__(validate=check, metadata=length | options.pop("metadata", {}))


class Count(fields.Integer):
    """A number in a query: digits and nothing else, where `int` would also take `1_0` and ` 1`."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        if not _DIGITS.fullmatch(value):
            raise ValidationError("must be a whole number")
        return super()._deserialize(value, attr, data, **kwargs)


class Timestamp(fields.AwareDateTime):
    """A timestamp in UTC, always with six digits of a second."""

    default_error_messages = {  # noqa: RUF012
        "invalid": _TIMESTAMP,
        "invalid_awareness": _TIMESTAMP,
    }

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        return value and timestamp_text(value)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        told = super()._deserialize(value, attr, data, **kwargs)
        try:
            return told.astimezone(UTC)
        except OverflowError as error:
            # Of the years 1 and 9999, some moments are none in UTC.
            raise self.make_error("invalid") from error


class Cursor(fields.UUID):
    """Where a listing goes on: to clients, a word without a meaning."""

    default_error_messages = {"invalid_uuid": "must be the cursor of an earlier response"}  # noqa: RUF012


class PageQuery(Schema):
    """Which part of a listing."""

    page = Count(
        load_default=1,
        validate=_from_1_to(MAX_PAGE),
        metadata={"description": "The first is 1."},
    )
    page_size = Count(
        load_default=DEFAULT_PAGE_SIZE,
        validate=_from_1_to(MAX_PAGE_SIZE),
        metadata={"description": "How many on a page."},
    )


class StockQuery(PageQuery):
    """Which products."""

    product_id = TextId(metadata={"description": "This product alone."})


class VendorStockQuery(PageQuery):
    """Which vendors' stock."""

    vendor_id = TextId(metadata={"description": "What this vendor has."})
    product_id = TextId(metadata={"description": "Who has this product."})


class OrderQuery(PageQuery):
    """Which orders."""

    status = fields.Enum(
        OrderStatus, by_value=True, metadata={"description": "Orders that are so now."}
    )
    product_id = TextId(metadata={"description": "Orders with a line of this product."})
    vendor_id = TextId(metadata={"description": "Orders that this vendor supplies a part of."})
    updated_since = Timestamp(metadata={"description": "Orders that changed then or later."})
    reference = SearchText(
        MAX_REFERENCE_LENGTH, metadata={"description": "Orders with this reference of yours."}
    )
    idempotency_key = SearchText(
        MAX_KEY_LENGTH, metadata={"description": "The order that was placed with this key."}
    )
    cursor = Cursor(
        attribute="after",
        metadata={"description": "Of an earlier response: goes on where that one ended."},
    )


class StepSchema(Schema):
    """A step of an order."""

    sequence = fields.Integer(required=True, metadata={"minimum": 1})
    at = Timestamp(required=True)
    type = fields.String(required=True, metadata={"example": "order.reserved"})
    attempts = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"minimum": 0, "description": "Of the last step: how often fulfilling failed."},
    )
    problem = fields.String(
        required=True, allow_none=True, metadata={"description": "Why it failed last."}
    )
    waits_for = fields.String(
        required=True, allow_none=True, metadata={"description": "Why it is still so."}
    )
    data = fields.Dict(
        required=True,
        metadata={"description": "The order after the step: status, lines, allocations and more."},
    )


class MovementSchema(Schema):
    """Units of a product that came or went."""

    at = Timestamp(required=True)
    cause = fields.String(required=True, metadata={"example": "order"})
    vendor_id = fields.String(required=True)
    order_id = fields.UUID(required=True, allow_none=True)
    delta = fields.Integer(required=True)
    before = fields.Integer(required=True)
    after = fields.Integer(required=True)


class EventQuery(Schema):
    """Which events."""

    type = fields.String(
        validate=validate.Regexp(r"^[a-z*]+(\.[a-z*]+)?(,[a-z*]+(\.[a-z*]+)?){0,19}$"),
        metadata={"description": "Types, or patterns such as `order.*`, with commas between them."},
    )
    product_id = TextId(metadata={"description": "What is about this product."})


class DeadLetterQuery(Schema):
    """Which part of the dead letters."""

    limit = Count(
        load_default=DEFAULT_PAGE_SIZE,
        validate=_from_1_to(MAX_PAGE_SIZE),
        metadata={"description": "How many at most."},
    )
    after = fields.String(
        validate=validate.Length(1, MAX_ID_LENGTH),
        metadata={"description": "The id of the last one of an earlier response: those after it."},
    )


class StockLevelSchema(Schema):
    """A product's central stock, in units."""

    product_id = fields.String(required=True, metadata={"example": "SKU-1"})
    name = fields.String(required=True)
    on_hand = fields.Integer(required=True, metadata={"minimum": 0})
    reserved = fields.Integer(required=True, metadata={"minimum": 0})
    stale = fields.Integer(
        required=True,
        metadata={
            "minimum": 0,
            "description": "Of those on hand, the units of vendors that have been silent for too "
            "long: no new order is promised any of them.",
        },
    )
    backordered = fields.Integer(
        required=True,
        metadata={"minimum": 0, "description": "Units that accepted orders wait for."},
    )
    available = fields.Integer(required=True, metadata={"minimum": 0})
    low_at = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"minimum": 0, "description": "At how few available there is an event."},
    )
    backorder_limit = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"minimum": 0, "description": "How many may be waited for; null: as usual."},
    )
    vendor_count = fields.Integer(required=True, metadata={"minimum": 0})
    updated_at = Timestamp(required=True)


class VendorShareSchema(Schema):
    """What one vendor has of a product."""

    vendor_id = fields.String(required=True)
    vendor_name = fields.String(required=True)
    available = fields.Integer(required=True, metadata={"minimum": 0})
    stale = fields.Boolean(
        required=True, metadata={"description": "Whether the vendor has been silent for too long."}
    )
    as_of = Timestamp(required=True)
    expected_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "When the vendor expects more, if it says so."},
    )


class ProductStockSchema(StockLevelSchema):
    """A product's central stock, and its vendors'."""

    vendors = fields.List(fields.Nested(VendorShareSchema), required=True)


class VendorStockSchema(VendorShareSchema):
    """What one vendor has of one product, and what it reported."""

    product_id = fields.String(required=True)
    reported = fields.Integer(required=True, metadata={"minimum": 0})


class AllocationSchema(Schema):
    """Units of a line that a vendor supplies."""

    vendor_id = fields.String(required=True)
    quantity = fields.Integer(required=True, metadata={"minimum": 1})
    sequence = fields.Integer(
        required=True,
        metadata={
            "minimum": 1,
            "description": "What the vendor reports as `acked_through` once it has counted these "
            "units: all of the product that were ever allocated from it, up to these.",
        },
    )
    returned = fields.Integer(
        required=True,
        metadata={"minimum": 0, "description": "How many of these units came back."},
    )


class OrderedLineSchema(Schema):
    """A line of an order, and who supplies it."""

    product_id = fields.String(required=True)
    quantity = fields.Integer(required=True, metadata={"minimum": 1})
    cancelled = fields.Integer(
        required=True,
        metadata={
            "minimum": 0,
            "description": "Of these units, those that are not wanted any more or were not there.",
        },
    )
    backordered = fields.Integer(
        required=True,
        metadata={"minimum": 0, "description": "Of these units, those that the order waits for."},
    )
    expected_at = Timestamp(
        metadata={
            "description": "Of a line that waits: when a vendor expects more of the product, the "
            "earliest time to come. Missing where none says so."
        },
    )
    allocations = fields.List(fields.Nested(AllocationSchema), required=True)


class OrderSchema(Schema):
    """An order."""

    id = fields.UUID(required=True)
    status = fields.String(required=True, validate=validate.OneOf([s.value for s in OrderStatus]))
    lines = fields.List(fields.Nested(OrderedLineSchema), required=True)
    failure = fields.String(required=True, allow_none=True)
    reference = fields.String(required=True, allow_none=True)
    expires_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "Of a hold: until when."}
    )
    rest_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "The order that waits for what was not there for this one."},
    )
    created_at = Timestamp(required=True)
    updated_at = Timestamp(required=True)


class DeadLetterSchema(Schema):
    """A message that workers have given up."""

    id = fields.String(required=True)
    order_ids = fields.List(
        fields.UUID(),
        required=True,
        metadata={"description": "The orders that it announces; none if it cannot be read."},
    )
    reason = fields.String(
        required=True, metadata={"description": "As much as the message bus has kept of it."}
    )
    attempts = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"minimum": 0, "description": "How often it was delivered, if that is known."},
    )
    parked_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "When it was given up, if known."}
    )
    body = fields.String(
        required=True, metadata={"description": "What it says; bytes that are no UTF-8 escaped."}
    )


class StockDeltaSchema(Schema):
    """By how many units a vendor's stock of a product rose or fell."""

    product_id = fields.String(required=True)
    delta = fields.Integer(required=True)


class VendorStatusSchema(Schema):
    """A vendor, and how its reports are getting on."""

    vendor_id = fields.String(required=True)
    name = fields.String(required=True)
    as_of = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "Of its last report, if there was one."},
    )
    reported_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "When that was taken in."}
    )
    products = fields.Integer(
        required=True,
        metadata={"minimum": 0, "description": "Of which it reported more than nothing."},
    )
    rejected = fields.Integer(
        required=True,
        metadata={"minimum": 0, "description": "Rows of its last report that were left out."},
    )
    stale = fields.Boolean(
        required=True, metadata={"description": "Whether it has been silent for too long."}
    )
    retired = fields.Boolean(required=True)
    quarantined_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "Since when its reports wait for approval."},
    )
    enabled = fields.Boolean(required=True, metadata={"description": "Whether it is synced."})
    attempted_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "When that was last tried."}
    )
    next_sync_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "When it will be tried next."}
    )
    problem = fields.String(
        required=True, allow_none=True, metadata={"description": "Why it could not be synced."}
    )
    failures = fields.Integer(
        required=True, metadata={"minimum": 0, "description": "How often in a row."}
    )
    breaker = fields.String(
        required=True,
        validate=validate.OneOf(["closed", "open"]),
        metadata={"description": "Open: so often that it is asked more and more rarely."},
    )
    outdated = fields.Integer(
        required=True,
        metadata={"minimum": 0, "description": "Reports refused as older than one before, ever."},
    )


class RejectionSchema(Schema):
    """A row of a report that was left out, and why."""

    place = fields.String(required=True, metadata={"example": "line 3"})
    product_id = fields.String(required=True, allow_none=True)
    field = fields.String(required=True)
    reason = fields.String(required=True)


class SyncSchema(Schema):
    """What a vendor's report changed.

    `products` is how many it names, `changed` of how many there is more or less now; `changes` has
    the first 10,000 of these.
    """

    vendor_id = fields.String(required=True)
    as_of = Timestamp(required=True)
    products = fields.Integer(required=True, metadata={"minimum": 0})
    changed = fields.Integer(required=True, metadata={"minimum": 0})
    changes = fields.List(fields.Nested(StockDeltaSchema), required=True)
    rejections = fields.List(fields.Nested(RejectionSchema), required=True)


class SyncAttemptSchema(SyncSchema):
    """Likewise, or `error`: why nothing was taken in."""

    as_of = Timestamp(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)


class ProblemSchema(Schema):
    """An error, as RFC 9457 has it."""

    type = fields.String(required=True, metadata={"format": "uri"})
    title = fields.String(required=True)
    status = fields.Integer(required=True, metadata={"minimum": 400, "maximum": 599})
    detail = fields.String(required=True)


class InvalidRequestSchema(ProblemSchema):
    """What is wrong with which field of the request."""

    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()), required=True)


class StockConflictSchema(Schema):
    """An update that does not fit what the vendor last reported."""

    product_id = fields.String(required=True)
    reported = fields.Integer(required=True, metadata={"minimum": 0})
    expected = fields.Integer(required=True, allow_none=True, metadata={"minimum": 0})


class StockChangedSchema(ProblemSchema):
    """Which of the updates do not fit."""

    conflicts = fields.List(fields.Nested(StockConflictSchema), required=True)


class ShortageSchema(Schema):
    """A product of which less is available than was asked for."""

    product_id = fields.String(required=True)
    requested = fields.Integer(required=True, metadata={"minimum": 1})
    available = fields.Integer(required=True, metadata={"minimum": 0})


class InsufficientStockSchema(ProblemSchema):
    """Every line that stock does not cover."""

    shortages = fields.List(fields.Nested(ShortageSchema), required=True)

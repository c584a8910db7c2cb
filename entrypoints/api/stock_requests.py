"""What a vendor's request to tell its stock must look like."""

from __future__ import annotations

from typing import Any

import attrs

from ...domain.stock import Vendor
from ...domain.stock_updates import StockUpdate
from ...domain.values import MAX_NAME_LENGTH, MAX_QUANTITY
from ...domain.vendor_sync import Snapshot, StockReport, VendorTerms
from .problems import InvalidRequest
from .responses import JSON
from .rows import parse_row
from .schemas import TEXT_ID, TEXT_PATTERN

MAX_ROWS = 10_000
MAX_UPDATES = 1000
# As they are called by the clients, and in the domain.
_FIELDS = {
    "product_id": "product_id",
    "name": "name",
    "quantity": "quantity",
    "as_of": "as_of",
    "sequence": "acked_through",
    "expected_at": "expected_at",
}
_UPDATE_FIELDS = _FIELDS | {"change": "change", "expected": "expected"}
_UNITS = {"type": "integer", "minimum": 0, "maximum": MAX_QUANTITY}
_PROPERTIES: dict[str, Any] = {
    "product_id": TEXT_ID,
    "quantity": _UNITS,
    "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_NAME_LENGTH,
        "pattern": TEXT_PATTERN,
    },
    "as_of": {
        "type": "string",
        "format": "date-time",
        "description": "What the quantity is of, where it is not of now.",
    },
    "sequence": {
        "type": "integer",
        "minimum": 0,
        "description": "Of the last of our allocations that the quantity has counted, as it stands "
        "in the order.",
    },
    "expected_at": {
        "type": "string",
        "format": "date-time",
        "nullable": True,
        "description": "When the vendor expects more of it; null: it does not.",
    },
}
_EXPECTED = {
    **_UNITS,
    "description": "What the vendor believes to have told last: another figure is a conflict.",
}
_UPDATE = {"type": "object", "additionalProperties": False}


def _body(schema: dict[str, Any], example: list[dict[str, Any]]) -> dict[str, Any]:
    return {"required": True, "content": {JSON: {"schema": schema, "example": example}}}


REQUEST_BODY = _body(
    {
        "type": "array",
        "description": "What is not named, the vendor does not have. Rows of one product say the "
        "same. Without `expected_at`, no more is expected.",
        "maxItems": MAX_ROWS,
        "items": {
            "type": "object",
            "required": ["product_id", "quantity"],
            "additionalProperties": False,
            "properties": _PROPERTIES,
        },
    },
    [{"product_id": "sku-espresso-beans", "quantity": 40, "sequence": 12}],
)
UPDATES_BODY = _body(
    {
        "type": "array",
        "description": "What is not named stays, `expected_at` too. A change needs an "
        "Idempotency-Key, or what is expected: else repeating the request would change it again.",
        "minItems": 1,
        "maxItems": MAX_UPDATES,
        "items": {
            "oneOf": [
                {
                    **_UPDATE,
                    "required": ["product_id", "quantity"],
                    "properties": _PROPERTIES | {"expected": _EXPECTED},
                },
                {
                    **_UPDATE,
                    "required": ["product_id", "change"],
                    "properties": {
                        **{key: value for key, value in _PROPERTIES.items() if key != "quantity"},
                        "change": {
                            "type": "integer",
                            "minimum": -MAX_QUANTITY,
                            "maximum": MAX_QUANTITY,
                            "description": "How many units more, or fewer.",
                        },
                        "expected": _EXPECTED,
                    },
                },
            ]
        },
    },
    [{"product_id": "sku-espresso-beans", "change": -2, "expected": 40}],
)


@attrs.frozen(kw_only=True)
class PushedStock:
    """The gateway of a vendor that has told us its stock itself."""

    vendor: Vendor
    terms: VendorTerms
    reports: tuple[StockReport, ...]

    def fetch(self) -> Snapshot:
        """What it told."""
        return Snapshot(vendor=self.vendor, as_of=None, reports=self.reports)


def parse_stock(document: Any) -> tuple[StockReport, ...]:
    """The reports in a JSON document; raises InvalidRequest with every field that is wrong."""
    reports: dict[str, StockReport] = {}
    errors: dict[str, list[str]] = {}
    valid = {"product_id": "valid", "quantity": 0}
    required = ("product_id", "quantity")
    for position, row in enumerate(_rows(document, MAX_ROWS)):
        report = parse_row(row, str(position), errors, StockReport, _FIELDS, valid, required)
        if report is not None and reports.setdefault(report.product_id, report) != report:
            errors[f"{position}.product_id"] = ["is at odds with an earlier row"]
    if errors:
        raise InvalidRequest(errors)
    return tuple(reports.values())


def parse_updates(document: Any, *, has_key: bool) -> tuple[StockUpdate, ...]:
    """The updates in a JSON document; raises InvalidRequest with every field that is wrong."""
    updates: dict[str, StockUpdate] = {}
    errors: dict[str, list[str]] = {}
    for position, row in enumerate(_rows(document, MAX_UPDATES, minimum=1)):
        is_change = isinstance(row, dict) and "change" in row
        kind = "change" if is_change else "quantity"
        fields = {k: v for k, v in _UPDATE_FIELDS.items() if not (is_change and k == "quantity")}
        valid = {"product_id": "valid", kind: 0}
        required = ("product_id", kind)
        update = parse_row(row, str(position), errors, StockUpdate, fields, valid, required)
        if update is None:
            continue
        if is_change and not has_key and update.expected is None:
            errors[f"{position}.change"] = ["needs an Idempotency-Key, or expected"]
        if update.product_id in updates:
            errors[f"{position}.product_id"] = ["stands in an earlier row"]
        updates[update.product_id] = update
    if errors:
        raise InvalidRequest(errors)
    return tuple(updates.values())


def _rows(document: Any, maximum: int, minimum: int = 0) -> list[Any]:
    if not isinstance(document, list):
        raise InvalidRequest({"body": ["must be an array"]})
    if not minimum <= len(document) <= maximum:
        least = f"{minimum} to " if minimum else "at most "
        raise InvalidRequest({"body": [f"must have {least}{maximum} rows"]})
    return document

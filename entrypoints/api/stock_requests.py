"""What a vendor's request to tell its stock must look like."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from ...domain.errors import InvalidValue
from ...domain.stock import Vendor
from ...domain.values import MAX_NAME_LENGTH, MAX_QUANTITY
from ...domain.vendor_sync import Snapshot, StockReport, VendorTerms
from .problems import InvalidRequest
from .responses import JSON
from .schemas import TEXT_ID, TEXT_PATTERN

MAX_ROWS = 10_000
# As they are called by the clients, and in the domain.
_FIELDS = {
    "product_id": "product_id",
    "name": "name",
    "quantity": "quantity",
    "as_of": "as_of",
    "sequence": "acked_through",
}
_REQUIRED = ("product_id", "quantity")
REQUEST_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "array",
                "description": "What is not named, the vendor does not have. Rows of one "
                "product say the same.",
                "maxItems": MAX_ROWS,
                "items": {
                    "type": "object",
                    "required": [*_REQUIRED],
                    "additionalProperties": False,
                    "properties": {
                        "product_id": TEXT_ID,
                        "quantity": {"type": "integer", "minimum": 0, "maximum": MAX_QUANTITY},
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
                            "description": "Of the last of our allocations that the quantity has "
                            "counted, as it stands in the order.",
                        },
                    },
                },
            },
            "example": [{"product_id": "sku-espresso-beans", "quantity": 40, "sequence": 12}],
        }
    },
}


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
    if not isinstance(document, list):
        raise InvalidRequest({"body": ["must be an array"]})
    if len(document) > MAX_ROWS:
        raise InvalidRequest({"body": [f"must have at most {MAX_ROWS} rows"]})
    errors: dict[str, list[str]] = {}
    reports: dict[str, StockReport] = {}
    for position, row in enumerate(document):
        report = _report(row, str(position), errors)
        if report is None:
            continue
        if reports.setdefault(report.product_id, report) != report:
            errors[f"{position}.product_id"] = ["is at odds with an earlier row"]
    if errors:
        raise InvalidRequest(errors)
    return tuple(reports.values())


def _report(row: Any, place: str, errors: dict[str, list[str]]) -> StockReport | None:
    if not isinstance(row, dict):
        errors[place] = ["must be an object"]
        return None
    wrong = {f"{place}.{key[:100]}": ["unknown field"] for key in row.keys() - _FIELDS.keys()}
    wrong |= {f"{place}.{key}": ["is required"] for key in _REQUIRED if key not in row}
    given = {_FIELDS[key]: value for key, value in row.items() if key in _FIELDS}
    valid: dict[str, Any] = {"product_id": "valid", "quantity": 0}
    for key, name in _FIELDS.items():
        if name in given and given[name] is None:
            wrong[f"{place}.{key}"] = ["must not be null"]
        elif name in given:
            try:
                given[name] = _moment(given[name]) if name == "as_of" else given[name]
                # Each alone, so that one wrong field does not hide another.
                StockReport(**(valid | {name: given[name]}))
            except InvalidValue as error:
                wrong[f"{place}.{key}"] = [error.expected]
    if wrong:
        errors.update(wrong)
        return None
    return StockReport(**given)


def _moment(value: object) -> object:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise InvalidValue("as_of", "must be a moment with a UTC offset") from error

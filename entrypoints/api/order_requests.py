"""What a request to place an order must look like: as documented, and in words of its fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import attrs

from ...domain.errors import InvalidValue, UnknownProducts
from ...domain.order import MAX_LINES, MAX_REFERENCE_LENGTH, OrderLine
from ...domain.use_cases.place_orders import PlaceOrder
from ...domain.values import MAX_QUANTITY, check_text
from .problems import InvalidRequest, UnknownProductFields
from .responses import JSON
from .schemas import TEXT_ID, TEXT_PATTERN

REFERENCE = "reference"

_REFERENCE = {
    "type": "string",
    "description": "Your own name for the order; orders can be listed by it.",
    "minLength": 1,
    "maxLength": MAX_REFERENCE_LENGTH,
    "pattern": TEXT_PATTERN,
}
_LINE: dict[str, Any] = {
    "type": "object",
    "required": ["product_id", "quantity"],
    "additionalProperties": False,
    "properties": {
        "product_id": TEXT_ID,
        "quantity": {"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY},
    },
}
LINE_FIELDS = frozenset(_LINE["properties"])
_ORDER_OF_ONE = {**_LINE, "properties": {**_LINE["properties"], REFERENCE: _REFERENCE}}
_LINES = {
    "type": "object",
    "required": ["lines"],
    "additionalProperties": False,
    "properties": {
        REFERENCE: _REFERENCE,
        "lines": {
            "type": "array",
            "description": "Lines of the same product count as one.",
            "minItems": 1,
            "maxItems": MAX_LINES,
            "items": _LINE,
        },
    },
}
REQUEST_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {"oneOf": [_ORDER_OF_ONE, _LINES]},
            "examples": {
                "one product": {"value": {"product_id": "sku-espresso-beans", "quantity": 2}},
                "several": {
                    "value": {
                        "reference": "PO-4711",
                        "lines": [{"product_id": "sku-espresso-beans", "quantity": 1}],
                    }
                },
            },
        }
    },
}
Errors = dict[str, Sequence[str]]


@attrs.frozen(kw_only=True)
class OrderRequest:
    """The lines asked for, and whether they came as a list or as one product by itself."""

    lines: tuple[OrderLine, ...]
    single: bool
    reference: str | None = None

    def command(self, order_id: UUID, idempotency_key: str | None) -> PlaceOrder:
        """The wish to hand on; raises InvalidRequest where the lines do not go together."""
        try:
            return PlaceOrder(
                order_id=order_id,
                lines=self.lines,
                idempotency_key=idempotency_key,
                reference=self.reference,
            )
        except InvalidValue as error:
            raise InvalidRequest({error.field: [error.expected]}) from error

    def unknown_products(self, error: UnknownProducts) -> UnknownProductFields:
        """The same refusal, by the fields that name the products."""
        return UnknownProductFields(
            {
                f"{self._prefix(position)}product_id": [f"unknown product: {line.product_id}"]
                for position, line in enumerate(self.lines)
                if line.product_id in error.product_ids
            }
        )

    def _prefix(self, position: int) -> str:
        return "" if self.single else f"lines.{position}."


def parse_order(document: Any) -> OrderRequest:
    """The request in a JSON document; raises InvalidRequest with every field that is wrong."""
    if not isinstance(document, dict):
        raise InvalidRequest({"body": ["must be an object"]})
    reference = _reference(document.pop(REFERENCE)) if REFERENCE in document else None
    if "lines" not in document:
        lines = _lines([document], [""])
        return OrderRequest(lines=lines, single=True, reference=reference)
    if others := document.keys() - {"lines"}:
        raise InvalidRequest(_not_beside_lines(others))
    members = document["lines"]
    if not isinstance(members, list):
        raise InvalidRequest({"lines": ["must be an array"]})
    if not 1 <= len(members) <= MAX_LINES:
        raise InvalidRequest({"lines": [f"must have 1 to {MAX_LINES} lines"]})
    prefixes = [f"lines.{position}." for position in range(len(members))]
    return OrderRequest(lines=_lines(members, prefixes), single=False, reference=reference)


def _reference(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidRequest({REFERENCE: ["must be text"]})
    try:
        check_text(value, REFERENCE, MAX_REFERENCE_LENGTH)
    except InvalidValue as error:
        raise InvalidRequest({REFERENCE: [error.expected]}) from error
    # White space around it is no part of it.
    return value.strip()


def _not_beside_lines(fields: Sequence[str] | set[str]) -> Errors:
    return {
        _named(field): ["must not stand beside lines" if field in LINE_FIELDS else "unknown field"]
        for field in sorted(fields)
    }


def _lines(members: Sequence[Any], prefixes: Sequence[str]) -> tuple[OrderLine, ...]:
    lines: list[OrderLine] = []
    errors: Errors = {}
    for member, prefix in zip(members, prefixes, strict=True):
        try:
            # Anything but exactly these two members is a TypeError, and the exception to look into.
            lines.append(OrderLine(**member))
        except (TypeError, InvalidValue):
            errors |= _errors_of_line(member, prefix)
    if errors:
        raise InvalidRequest(errors)
    return tuple(lines)


def _errors_of_line(member: Any, prefix: str) -> Errors:
    if not isinstance(member, dict):
        return {prefix.rstrip("."): ["must be an object"]}
    unknown = sorted(member.keys() - LINE_FIELDS)
    errors: Errors = {prefix + _named(field): ["unknown field"] for field in unknown}
    valid = {"product_id": "valid", "quantity": 1}
    for field in sorted(LINE_FIELDS):
        if field not in member:
            errors[prefix + field] = ["is required"]
            continue
        try:
            # Each alone, so that one wrong field does not hide the other.
            OrderLine(**{**valid, field: member[field]})
        except InvalidValue as error:
            errors[prefix + field] = [error.expected]
    return errors


def _named(field: str) -> str:
    return field[:100]

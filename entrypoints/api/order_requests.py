"""What a request to place an order must look like: as documented, and in words of its fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs

from ...domain.errors import InvalidValue, OrderTooLarge, UnknownProducts
from ...domain.order import MAX_LINES, MAX_REFERENCE_LENGTH, OnShortage, OrderLine
from ...domain.use_cases.place_orders import DEFAULT_HOLD, MAX_HOLD, PlaceOrder
from ...domain.values import MAX_QUANTITY, check_text
from ..runtime.tracing import traceparent
from .problems import InvalidRequest, UnknownProductFields
from .responses import JSON
from .schemas import TEXT_ID, TEXT_PATTERN

REFERENCE = "reference"
ON_SHORTAGE = "on_shortage"
SECONDS = "seconds"

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
_OF_AN_ORDER: dict[str, Any] = {
    REFERENCE: _REFERENCE,
    ON_SHORTAGE: {
        "type": "string",
        "enum": [each.value for each in OnShortage],
        "default": OnShortage.FAIL.value,
        "description": "What becomes of an order for more than there is. `fail`: it is refused. "
        "`backorder`: it waits for what is not there. `partial`: it is for what is there. `split`: "
        "so it is, and an order of its own waits for the rest (`rest_id`).",
    },
}
_OF_A_HOLD: dict[str, Any] = {
    REFERENCE: _REFERENCE,
    SECONDS: {
        "type": "integer",
        "minimum": 1,
        "maximum": int(MAX_HOLD.total_seconds()),
        "default": int(DEFAULT_HOLD.total_seconds()),
        "description": "How long the stock is held.",
    },
}


def _body(more: dict[str, Any]) -> dict[str, Any]:
    lines = {
        "type": "array",
        "description": "Lines of the same product count as one.",
        "minItems": 1,
        "maxItems": MAX_LINES,
        "items": _LINE,
    }
    of_one = {**_LINE, "properties": {**_LINE["properties"], **more}}
    of_several = {
        "type": "object",
        "required": ["lines"],
        "additionalProperties": False,
        "properties": {"lines": lines, **more},
    }
    examples = {
        "one product": {"value": {"product_id": "sku-espresso-beans", "quantity": 2}},
        "several": {
            "value": {
                "reference": "PO-4711",
                "lines": [{"product_id": "sku-espresso-beans", "quantity": 1}],
            }
        },
    }
    schema = {"oneOf": [of_one, of_several]}
    return {"required": True, "content": {JSON: {"schema": schema, "examples": examples}}}


REQUEST_BODY = _body(_OF_AN_ORDER)
HOLD_BODY = _body(_OF_A_HOLD)
Errors = dict[str, Sequence[str]]
_ON_SHORTAGE = [each.value for each in OnShortage]


@attrs.frozen(kw_only=True)
class OrderRequest:
    """The lines asked for, and whether they came as a list or as one product by itself."""

    lines: tuple[OrderLine, ...]
    single: bool
    reference: str | None = None
    on_shortage: OnShortage = OnShortage.FAIL
    hold_for: timedelta | None = None

    def command(
        self,
        new_id: Callable[[], UUID],
        idempotency_key: str | None,
        request_id: str | None = None,
        caller: str | None = None,
    ) -> PlaceOrder:
        """The wish to hand on; raises InvalidRequest where the lines do not go together."""
        try:
            return PlaceOrder(
                order_id=new_id(),
                lines=self.lines,
                idempotency_key=idempotency_key,
                reference=self.reference,
                on_shortage=self.on_shortage,
                rest_order_id=new_id() if self.on_shortage is OnShortage.SPLIT else None,
                hold_for=self.hold_for,
                request_id=request_id,
                caller=caller,
                by=caller,
                trace=traceparent(),
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

    def too_large(self, error: OrderTooLarge) -> InvalidRequest:
        """Likewise, by the field that has the units."""
        field = "quantity" if self.single else "lines"
        return InvalidRequest({field: [f"must be for {error.most} units at most in all"]})

    def _prefix(self, position: int) -> str:
        return "" if self.single else f"lines.{position}."


def parse_order(document: Any) -> OrderRequest:
    """The request in a JSON document; raises InvalidRequest with every field that is wrong."""
    if not isinstance(document, dict):
        raise InvalidRequest({"body": ["must be an object"]})
    reference = _reference(document.pop(REFERENCE)) if REFERENCE in document else None
    on_shortage = OnShortage.FAIL
    if ON_SHORTAGE in document:
        on_shortage = _on_shortage(document.pop(ON_SHORTAGE))
    lines, single = _basket(document)
    return OrderRequest(
        lines=lines,
        single=single,
        reference=reference,
        on_shortage=on_shortage,
    )


def parse_hold(document: Any) -> OrderRequest:
    """The request in a JSON document; raises InvalidRequest with every field that is wrong."""
    if not isinstance(document, dict):
        raise InvalidRequest({"body": ["must be an object"]})
    reference = _reference(document.pop(REFERENCE)) if REFERENCE in document else None
    hold_for = parse_seconds(document.pop(SECONDS)) if SECONDS in document else DEFAULT_HOLD
    lines, single = _basket(document)
    return OrderRequest(lines=lines, single=single, reference=reference, hold_for=hold_for)


def parse_seconds(value: Any) -> timedelta:
    """How long something is held; raises InvalidRequest."""
    most = int(MAX_HOLD.total_seconds())
    if type(value) is not int or not 1 <= value <= most:
        raise InvalidRequest({SECONDS: [f"must be a whole number from 1 to {most}"]})
    return timedelta(seconds=value)


def _on_shortage(value: Any) -> OnShortage:
    if value not in _ON_SHORTAGE:
        raise InvalidRequest({ON_SHORTAGE: [f"must be one of {', '.join(_ON_SHORTAGE)}"]})
    return OnShortage(value)


def _basket(document: dict[str, Any]) -> tuple[tuple[OrderLine, ...], bool]:
    """The lines, and whether they came as one product by itself."""
    if "lines" not in document:
        return _lines([document], [""]), True
    if others := document.keys() - {"lines"}:
        raise InvalidRequest(_not_beside_lines(others))
    members = document["lines"]
    if not isinstance(members, list):
        raise InvalidRequest({"lines": ["must be an array"]})
    if not 1 <= len(members) <= MAX_LINES:
        raise InvalidRequest({"lines": [f"must have 1 to {MAX_LINES} lines"]})
    prefixes = [f"lines.{position}." for position in range(len(members))]
    return _lines(members, prefixes), False


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

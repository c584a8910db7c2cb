"""What can be done with an order that was placed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Request, Response
from werkzeug.exceptions import NotFound

from ...domain.access import OPERATE, ORDERS_WRITE
from ...domain.errors import UnknownOrder
from ...domain.order import MAX_LINES, OrderLine, ReturnLine
from ...domain.use_cases.cancel_orders import CancelOrder
from ...domain.use_cases.return_orders import ReturnOrder
from ...domain.values import MAX_QUANTITY
from ..documents import order_text
from . import refusals
from .blueprint import ApiBlueprint
from .bodies import json_body
from .idempotency import answered, caller_of, request_key
from .problems import InvalidRequest
from .responses import JSON
from .routing import PREFIX
from .rows import parse_row
from .schemas import TEXT_ID, OrderSchema
from .services import app_state, current_request

_LINES_OF_CANCEL = {
    "type": "array",
    "description": "What is not wanted any more; unless told, all of it.",
    "minItems": 1,
    "maxItems": MAX_LINES,
    "items": {
        "type": "object",
        "required": ["product_id", "quantity"],
        "additionalProperties": False,
        "properties": {
            "product_id": TEXT_ID,
            "quantity": {"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY},
        },
    },
}
CANCEL_BODY = {
    "required": False,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"lines": _LINES_OF_CANCEL},
            },
            "example": {"lines": [{"product_id": "sku-espresso-beans", "quantity": 1}]},
        }
    },
}

blueprint = ApiBlueprint("order-steps", __name__, description="Orders", url_prefix=PREFIX)

_LINE_FIELDS = {"product_id": "product_id", "quantity": "quantity"}
_RETURN_FIELDS = {**_LINE_FIELDS, "vendor_id": "vendor_id"}
_VALID = {"product_id": "valid", "quantity": 1}
_REQUIRED = ("product_id", "quantity")
RETURN_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "restock": {
                        "type": "boolean",
                        "default": True,
                        "description": "Whether the units go on sale again, where they came from.",
                    },
                    "lines": {
                        "type": "array",
                        "description": "What comes back; unless told, all that has not yet.",
                        "minItems": 1,
                        "maxItems": MAX_LINES,
                        "items": {
                            "type": "object",
                            "required": ["product_id", "quantity"],
                            "additionalProperties": False,
                            "properties": {
                                "product_id": TEXT_ID,
                                "quantity": {
                                    "type": "integer",
                                    "minimum": 1,
                                    "maximum": MAX_QUANTITY,
                                },
                                "vendor_id": {
                                    **TEXT_ID,
                                    "description": "Unless told, of one vendor after the other.",
                                },
                            },
                        },
                    },
                },
            },
            "example": {"lines": [{"product_id": "sku-espresso-beans", "quantity": 1}]},
        }
    },
}


@blueprint.operation(
    "POST",
    "/order/<uuid:order_id>/cancel",
    scope=(ORDERS_WRITE, OPERATE),
    response=(200, OrderSchema()),
    refusals=(
        refusals.UNKNOWN_ORDER,
        refusals.NO_SUCH_STEP,
        refusals.CANCEL_REFUSED,
        *refusals.BODY,
        refusals.OVERLOADED,
        refusals.CONFLICT,
        refusals.STORAGE_UNAVAILABLE,
    ),
    requestBody=CANCEL_BODY,
)
def cancel_order(order_id: UUID) -> Response:
    """Withdraw an order that is not fulfilled yet, or units of it.

    To withdraw all of it again changes nothing. Without an Idempotency-Key, units that are told
    twice are withdrawn twice.
    """
    services, request = app_state().services, current_request()
    key = request_key(request)
    lines = parse_cancel(request, services.limits.max_body_bytes)
    command = CancelOrder(order_id=order_id, lines=lines, by=caller_of(request))
    try:
        return answered(services.order_actions.cancel.once(command, order_text, key))
    except UnknownOrder as error:
        raise NotFound(f"no order {order_id}") from error


@blueprint.operation(
    "POST",
    "/order/<uuid:order_id>/return",
    scope=(ORDERS_WRITE, OPERATE),
    response=(200, OrderSchema()),
    refusals=(
        refusals.UNKNOWN_ORDER,
        refusals.NO_SUCH_STEP,
        refusals.RETURN_REFUSED,
        *refusals.BODY,
        refusals.OVERLOADED,
        refusals.CONFLICT,
        refusals.STORAGE_UNAVAILABLE,
    ),
    requestBody=RETURN_BODY,
)
def return_order(order_id: UUID) -> Response:
    """Take units of a fulfilled order back, some or all, never more than were supplied.

    Without an Idempotency-Key a part that is told twice comes back twice.
    """
    services, request = app_state().services, current_request()
    key = request_key(request)
    lines, restock = parse_return(json_body(request, services.limits.max_body_bytes))
    who = caller_of(request)
    command = ReturnOrder(order_id=order_id, lines=lines, restock=restock, by=who)
    try:
        return answered(services.order_actions.give_back.once(command, order_text, key))
    except UnknownOrder as error:
        raise NotFound(f"no order {order_id}") from error


def parse_cancel(request: Request, max_bytes: int) -> tuple[OrderLine, ...] | None:
    """What is not wanted any more; None for all. Raises InvalidRequest."""
    if not request.get_data():
        return None
    document = json_body(request, max_bytes)
    if not isinstance(document, dict):
        raise InvalidRequest({"body": ["must be an object"]})
    errors = {key[:100]: ["unknown field"] for key in document if key != "lines"}
    lines = _listed(document, errors)
    found = [
        parse_row(row, f"lines.{position}", errors, OrderLine, _LINE_FIELDS, _VALID, _REQUIRED)
        for position, row in enumerate(lines)
    ]
    if errors:
        raise InvalidRequest(errors)
    return tuple(line for line in found if line is not None) or None


def _listed(document: dict[str, Any], errors: dict[str, list[str]]) -> list[Any]:
    """The lines, or none, with what is wrong added to the errors."""
    lines = document.get("lines", [])
    if "lines" in document and (not isinstance(lines, list) or not 1 <= len(lines) <= MAX_LINES):
        errors["lines"] = [f"must be an array of 1 to {MAX_LINES} lines"]
        return []
    return list(lines)


def parse_return(document: Any) -> tuple[tuple[ReturnLine, ...] | None, bool]:
    """What comes back, and whether it is restocked; raises InvalidRequest."""
    if not isinstance(document, dict):
        raise InvalidRequest({"body": ["must be an object"]})
    errors = {key[:100]: ["unknown field"] for key in document if key not in ("lines", "restock")}
    restock = document.get("restock", True)
    if not isinstance(restock, bool):
        errors["restock"] = ["must be true or false"]
    lines = _listed(document, errors)
    found = [
        parse_row(row, f"lines.{position}", errors, ReturnLine, _RETURN_FIELDS, _VALID, _REQUIRED)
        for position, row in enumerate(lines)
    ]
    if errors:
        raise InvalidRequest(errors)
    told = tuple(line for line in found if line is not None)
    return told or None, bool(restock)

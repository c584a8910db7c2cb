"""Holds: stock that is kept for a buyer who has yet to order it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from werkzeug.exceptions import NotFound

from ...domain.access import OPERATE, ORDERS_WRITE
from ...domain.errors import UnknownOrder
from ...domain.use_cases.hold_actions import ExtendHold
from ...domain.use_cases.idempotency import Answer
from ...domain.use_cases.order_holds import OrderHold
from ..documents import order_text
from ..runtime.tracing import traceparent
from . import refusals
from .blueprint import ApiBlueprint
from .bodies import json_body
from .idempotency import answered, caller_of, request_key
from .order_requests import HOLD_BODY, SECONDS, parse_hold, parse_seconds
from .orders import LOCATION, placed
from .problems import InvalidRequest
from .responses import JSON
from .routing import PREFIX, location
from .schemas import OrderSchema
from .services import app_state, current_request

blueprint = ApiBlueprint("hold", __name__, description="Holds", url_prefix=f"{PREFIX}/hold")

EXTEND_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "required": [SECONDS],
                "additionalProperties": False,
                "properties": {
                    SECONDS: {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": 86_400,
                        "description": "How long the stock is held from now on.",
                    }
                },
            },
            "example": {SECONDS: 600},
        }
    },
}
_STEP = (
    refusals.UNKNOWN_ORDER,
    refusals.HOLD_EXPIRED,
    refusals.OVERLOADED,
    refusals.CONFLICT,
    refusals.STORAGE_UNAVAILABLE,
)


@blueprint.operation(
    "POST",
    "",
    scope=ORDERS_WRITE,
    response=(201, OrderSchema()),
    headers=LOCATION,
    refusals=refusals.PLACE,
    requestBody=HOLD_BODY,
)
def place_hold() -> Response:
    """Hold stock for a time.

    Nobody else is sold it until then, or until it is given up. A hold is an order that is not
    confirmed yet, and has its id.
    """
    limits = app_state().services.limits
    return placed(parse_hold(json_body(current_request(), limits.max_body_bytes)), 201)


@blueprint.operation(
    "POST",
    "/<uuid:order_id>/order",
    scope=ORDERS_WRITE,
    response=(202, OrderSchema()),
    headers=LOCATION,
    refusals=(*_STEP, refusals.INSUFFICIENT_STOCK, refusals.TOO_MANY_OPEN_ORDERS),
)
def order_hold(order_id: UUID) -> Response:
    """Turn a hold into an order, of the same id, without letting go of its stock.

    After its time its stock is taken again, if it is there. Doing it again changes nothing.
    """
    services, request = app_state().services, current_request()
    key = request_key(request)
    try:
        command = OrderHold(order_id=order_id, by=caller_of(request), trace=traceparent())
        answer = services.order_actions.order_holds.once(command, order_text, key)
    except UnknownOrder as error:
        raise NotFound(f"no hold {order_id}") from error
    services.wake_relay()
    return _located(answer, order_id, 202)


@blueprint.operation(
    "POST",
    "/<uuid:order_id>/extend",
    scope=ORDERS_WRITE,
    response=(200, OrderSchema()),
    refusals=(
        *_STEP,
        *refusals.BODY,
    ),
    requestBody=EXTEND_BODY,
)
def extend_hold(order_id: UUID) -> Response:
    """Hold the stock for so many seconds from now on."""
    services, request = app_state().services, current_request()
    key = request_key(request)
    span = parse_seconds(_seconds_in(json_body(request, services.limits.max_body_bytes)))
    try:
        command = ExtendHold(order_id=order_id, span=span, by=caller_of(request))
        return answered(services.order_actions.hold.extend(command, order_text, key))
    except UnknownOrder as error:
        raise NotFound(f"no hold {order_id}") from error


@blueprint.operation(
    "DELETE",
    "/<uuid:order_id>",
    scope=(ORDERS_WRITE, OPERATE),
    response=(204, None),
    refusals=_STEP,
)
def release_hold(order_id: UUID) -> Response:
    """Give a hold up; its stock can be sold at once. Doing it again changes nothing."""
    request, actions = current_request(), app_state().services.order_actions.hold
    key = request_key(request)
    try:
        return answered(actions.release(order_id, key, by=caller_of(request)), 204)
    except UnknownOrder as error:
        raise NotFound(f"no hold {order_id}") from error


def _seconds_in(document: Any) -> Any:
    if not isinstance(document, dict):
        raise InvalidRequest({"body": ["must be an object"]})
    errors = {key[:100]: ["unknown field"] for key in document if key != SECONDS}
    if SECONDS not in document:
        errors[SECONDS] = ["is required"]
    if errors:
        raise InvalidRequest(errors)
    return document[SECONDS]


def _located(answer: Answer, order_id: UUID, status: int) -> Response:
    response = answered(answer, status)
    response.headers["Location"] = location(current_request(), f"{PREFIX}/order/{order_id}")
    return response

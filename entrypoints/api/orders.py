"""Placing orders, and looking at them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from werkzeug.exceptions import NotFound

from ...domain.access import ORDERS_READ, ORDERS_WRITE
from ...domain.errors import OrderRefused, OrderTooLarge, UnknownProducts
from ...domain.ports.read_model import OrderFilter
from ..documents import order_document
from . import problems, refusals
from .access import PRINCIPAL
from .blueprint import ApiBlueprint
from .bodies import json_body
from .idempotency import (
    REPLAYED,
    caller_of,
    idempotency_key,
)
from .order_requests import REQUEST_BODY, OrderRequest, parse_order
from .paging import PAGINATION_HEADER, Paging
from .request_ids import ENVIRON_KEY
from .responses import json_response
from .routing import PREFIX, location
from .schemas import OrderQuery, OrderSchema
from .services import app_state, current_request

blueprint = ApiBlueprint("order", __name__, description="Orders", url_prefix=f"{PREFIX}/order")

NEXT_CURSOR = "X-Next-Cursor"
_NEXT_CURSOR = {
    NEXT_CURSOR: {
        "description": "The `cursor` that goes on from here, if there may be more.",
        "schema": {"type": "string"},
    }
}
LOCATION = {
    "Location": {
        "description": "Where the order is.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    }
}


@blueprint.operation(
    "POST",
    "",
    scope=ORDERS_WRITE,
    response=(202, OrderSchema()),
    headers=LOCATION,
    refusals=refusals.PLACE,
    requestBody=REQUEST_BODY,
)
def place_order() -> Response:
    """Place an order.

    Its stock is reserved, and it is durable, when the answer comes; vendors are chosen later. With
    `on_shortage` it may wait for what is not there.
    """
    app, request = app_state(), current_request()
    return placed(parse_order(json_body(request, app.services.limits.max_body_bytes)), 202)


def placed(wanted: OrderRequest, status: int) -> Response:
    """The order or hold, once it is durable, or why it was refused."""
    app, request = app_state(), current_request()
    request_id = request.environ[ENVIRON_KEY]
    command = wanted.command(
        app.services.new_order_id, idempotency_key(request), request_id, caller_of(request)
    )
    try:
        order = app.batcher.submit(command, request_id, request.environ[PRINCIPAL].id)
    except UnknownProducts as error:
        raise wanted.unknown_products(error) from error
    except OrderTooLarge as error:
        raise wanted.too_large(error) from error
    except OrderRefused as error:
        # Not by way of Flask, which takes its time: on a sold-out product, refusals come in crowds.
        return problems.from_domain(error)
    response = json_response(order_document(order), status)
    response.headers["Location"] = location(request, f"{PREFIX}/order/{order.id}")
    if order.id != command.order_id:
        # It was placed before, by a request with the same key.
        response.headers[REPLAYED] = "true"
    return response


@blueprint.operation(
    "GET",
    "/<uuid:order_id>",
    scope=ORDERS_READ,
    response=(200, OrderSchema()),
    prebuilt=True,
    refusals=(refusals.UNKNOWN_ORDER, refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def get_order(order_id: UUID) -> Response:
    """An order, as it is now."""
    order = app_state().services.read_model.order(order_id)
    if order is None:
        raise NotFound(f"no order {order_id}")
    return json_response(order_document(order))


@blueprint.operation(
    "GET",
    "",
    scope=ORDERS_READ,
    response=(200, OrderSchema(many=True)),
    headers=PAGINATION_HEADER | _NEXT_CURSOR,
    query=OrderQuery,
    refusals=(refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def list_orders(query: dict[str, Any]) -> Response:
    """Orders, newest first.

    Page numbers shift while orders come in; the cursor of the last response goes on where that
    ended, and repeats and skips nothing.
    """
    paging = Paging.take_from(query)
    wanted = OrderFilter(**query)
    page = app_state().services.read_model.orders(paging.offset, paging.size, wanted)
    response = json_response([order_document(order) for order in page.items])
    response.headers.extend(paging.headers(page.total))
    if len(page.items) == paging.size:
        response.headers[NEXT_CURSOR] = str(page.items[-1].id)
    return response

"""What happened to an order, and to a product's stock."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import attrs
from werkzeug.exceptions import NotFound

from ...domain.access import ORDERS_READ, STOCK_READ
from ...domain.events import Event
from . import refusals
from .blueprint import ApiBlueprint
from .paging import PAGINATION_HEADER, Paging
from .routing import PREFIX
from .schemas import MovementSchema, PageQuery, StepSchema
from .services import app_state
from .stock import Listing

blueprint = ApiBlueprint("history", __name__, description="History", url_prefix=PREFIX)


@blueprint.operation(
    "GET",
    "/order/<uuid:order_id>/history",
    scope=ORDERS_READ,
    response=(200, StepSchema(many=True)),
    headers=PAGINATION_HEADER,
    query=PageQuery,
    refusals=(refusals.UNKNOWN_ORDER, refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def order_history(query: dict[str, Any], order_id: UUID) -> Listing:
    """The steps of an order, oldest first; the last one says what it waits for, if it does."""
    paging, read_model = Paging.take_from(query), app_state().services.read_model
    events, progress = read_model.order_events(order_id), read_model.progress(order_id)
    if events is None or progress is None:
        raise NotFound(f"no order {order_id}")
    steps = [_step(event) for event in events]
    if steps:
        steps[-1] |= {
            "attempts": progress.attempts,
            "problem": progress.problem,
            "waits_for": progress.waits_for,
        }
    return tuple(steps[paging.offset :][: paging.size]), 200, paging.headers(len(steps))


def _step(event: Event) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "at": event.at,
        "type": event.type,
        "attempts": None,
        "problem": None,
        "waits_for": None,
        "data": event.data,
    }


@blueprint.operation(
    "GET",
    "/stock/<id:product_id>/history",
    scope=STOCK_READ,
    response=(200, MovementSchema(many=True)),
    headers=PAGINATION_HEADER,
    query=PageQuery,
    refusals=(refusals.UNKNOWN_PRODUCT_ID, refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def stock_history(query: dict[str, Any], product_id: str) -> Listing:
    """What came and went of a product, newest first, with what was on hand before and after."""
    paging, read_model = Paging.take_from(query), app_state().services.read_model
    if read_model.product(product_id) is None:
        raise NotFound(f"no product {product_id}")
    page = read_model.stock_history(product_id, paging.offset, paging.size)
    items = [{**attrs.asdict(each), "before": each.before} for each in page.items]
    return tuple(items), 200, paging.headers(page.total)

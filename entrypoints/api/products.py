"""What a product is called, and what is watched and allowed of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import attrs
from flask import Response
from werkzeug.exceptions import NotFound

from ...domain.access import OPERATE
from ...domain.audit import about_product
from ...domain.errors import InvalidValue, UnknownProducts
from ...domain.stock import ProductLimits
from ...domain.values import MAX_NAME_LENGTH, MAX_QUANTITY, check_quantity, check_text
from . import refusals
from .access import tell_change
from .blueprint import ApiBlueprint
from .bodies import json_body
from .idempotency import answered, request_key
from .problems import InvalidRequest
from .responses import JSON
from .routing import PREFIX
from .schemas import TEXT_PATTERN, ProductStockSchema
from .services import app_state, current_request
from .stock import product_document

blueprint = ApiBlueprint("product", __name__, description="Stock", url_prefix=PREFIX)

_UNITS = {"type": "integer", "minimum": 0, "maximum": MAX_QUANTITY}
PRODUCT_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "name": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": MAX_NAME_LENGTH,
                        "pattern": TEXT_PATTERN,
                        "description": "From then on no feed names it; unless told, it stays.",
                    },
                    "low_at": {
                        **_UNITS,
                        "description": "At how few available there is an event; unless told, none.",
                    },
                    "backorder_limit": {
                        **_UNITS,
                        "description": "How many may be waited for; unless told, as usual.",
                    },
                },
            },
            "example": {"name": "Espresso beans, 1 kg", "low_at": 10},
        }
    },
}


@blueprint.operation(
    "PUT",
    "/product/<id:product_id>",
    scope=OPERATE,
    response=(200, ProductStockSchema()),
    refusals=(
        refusals.UNKNOWN_PRODUCT_ID,
        *refusals.BODY,
        refusals.OVERLOADED,
        refusals.CONFLICT,
        refusals.STORAGE_UNAVAILABLE,
    ),
    requestBody=PRODUCT_BODY,
)
def put_product(product_id: str) -> Response:
    """Set a product's name and limits. What is not told of the limits is as usual again."""
    services, request = app_state().services, current_request()
    key = request_key(request)
    name, limits = parse_product(json_body(request, services.limits.max_body_bytes))
    tell_change(request, about_product(name, limits))
    known = product_document(product_id)
    told = attrs.asdict(limits) | ({} if name is None else {"name": name})

    def rendered(now: datetime) -> str:
        return json.dumps(ProductStockSchema().dump(known | told | {"updated_at": now}))

    try:
        return answered(services.set_product(product_id, name, limits, rendered, key))
    except (UnknownProducts, InvalidValue) as error:
        raise NotFound(f"no product {product_id}") from error


def parse_product(document: Any) -> tuple[str | None, ProductLimits]:
    """The name and the limits; raises InvalidRequest."""
    if not isinstance(document, dict):
        raise InvalidRequest({"body": ["must be an object"]})
    known = ("name", "low_at", "backorder_limit")
    errors = {key[:100]: ["unknown field"] for key in document if key not in known}
    name = document.get("name")
    try:
        if "name" in document:
            check_text(name, "name", MAX_NAME_LENGTH)
    except InvalidValue as error:
        errors["name"] = [error.expected]
    units = {field: document[field] for field in known[1:] if field in document}
    for field, value in units.items():
        try:
            check_quantity(value, field, minimum=0)
        except InvalidValue as error:
            errors[field] = [error.expected]
    if errors:
        raise InvalidRequest(errors)
    return name, ProductLimits(**units)

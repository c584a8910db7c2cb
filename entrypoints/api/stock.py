"""Central and vendor stock."""

from __future__ import annotations

from typing import Any

import attrs
from werkzeug.exceptions import NotFound

from ...domain.access import STOCK_READ
from . import refusals
from .blueprint import ApiBlueprint
from .paging import PAGINATION_HEADER, Paging
from .schemas import (
    ProductStockSchema,
    StockLevelSchema,
    StockQuery,
    VendorStockQuery,
    VendorStockSchema,
)
from .services import app_state

blueprint = ApiBlueprint("stock", __name__, description="Stock", url_prefix="/v1/api")

Listing = tuple[tuple[Any, ...], int, dict[str, str]]


@blueprint.operation(
    "GET",
    "/stock",
    scope=STOCK_READ,
    response=(200, StockLevelSchema(many=True)),
    headers=PAGINATION_HEADER,
    query=StockQuery,
    refusals=(refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def list_stock(query: dict[str, Any]) -> Listing:
    """Central stock, by product."""
    paging = Paging.take_from(query)
    page = app_state().services.read_model.stock(paging.offset, paging.size, **query)
    return page.items, 200, paging.headers(page.total)


@blueprint.operation(
    "GET",
    "/stock/<product:product_id>",
    scope=STOCK_READ,
    response=(200, ProductStockSchema()),
    refusals=(refusals.UNKNOWN_PRODUCT_ID, refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def get_stock(product_id: str) -> dict[str, Any]:
    """One product's central stock, and its vendors'."""
    return product_document(product_id)


def product_document(product_id: str) -> dict[str, Any]:
    """A product's stock as `ProductStockSchema` has it; raises NotFound."""
    product = app_state().services.read_model.product(product_id)
    if product is None:
        raise NotFound(f"no product {product_id}")
    return {**attrs.asdict(product.central), "vendors": product.vendors}


@blueprint.operation(
    "GET",
    "/vendor-stock",
    scope=STOCK_READ,
    response=(200, VendorStockSchema(many=True)),
    headers=PAGINATION_HEADER,
    query=VendorStockQuery,
    refusals=(refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def list_vendor_stock(query: dict[str, Any]) -> Listing:
    """Vendor stock, by vendor and product."""
    paging = Paging.take_from(query)
    page = app_state().services.read_model.vendor_stock(paging.offset, paging.size, **query)
    return page.items, 200, paging.headers(page.total)

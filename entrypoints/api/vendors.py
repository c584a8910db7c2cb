"""Vendors, and how their reports are getting on."""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import NotFound

from ...domain.errors import UnknownVendor
from ...domain.ports.read_model import VendorStatus
from ...domain.stock import Vendor
from ...domain.vendor_sync import VendorTerms
from . import refusals
from .blueprint import ApiBlueprint
from .bodies import json_body
from .paging import PAGINATION_HEADER, Paging
from .schemas import PageQuery, RejectionSchema, SyncSchema, VendorStatusSchema
from .services import app_state, current_request
from .stock import Listing
from .stock_requests import REQUEST_BODY, PushedStock, parse_stock
from .sync import PULL_REFUSALS, changes, pull

blueprint = ApiBlueprint("vendors", __name__, description="Vendors", url_prefix="/v1/api")


@blueprint.operation(
    "GET",
    "/vendor",
    response=(200, VendorStatusSchema(many=True)),
    headers=PAGINATION_HEADER,
    query=PageQuery,
    refusals=(refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def list_vendors(query: dict[str, Any]) -> Listing:
    """Vendors that have reported something, by id."""
    paging = Paging.take_from(query)
    page = app_state().services.read_model.vendors(paging.offset, paging.size)
    return page.items, 200, paging.headers(page.total)


@blueprint.operation(
    "GET",
    "/vendor/<vendor:vendor_id>",
    response=(200, VendorStatusSchema()),
    refusals=(refusals.NO_SUCH_VENDOR, refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def get_vendor(vendor_id: str) -> VendorStatus:
    """One vendor."""
    return _known(vendor_id)


@blueprint.operation(
    "GET",
    "/vendor/<id:vendor_id>/rejections",
    response=(200, RejectionSchema(many=True)),
    headers=PAGINATION_HEADER,
    query=PageQuery,
    refusals=(refusals.NO_SUCH_VENDOR, refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def list_rejections(query: dict[str, Any], vendor_id: str) -> Listing:
    """The rows of a vendor's last report that were left out."""
    _known(vendor_id)
    paging = Paging.take_from(query)
    read_model = app_state().services.read_model
    page = read_model.rejections(vendor_id, paging.offset, paging.size)
    return page.items, 200, paging.headers(page.total)


@blueprint.operation(
    "POST",
    "/vendor/<id:vendor_id>/approve",
    response=(200, SyncSchema()),
    refusals=(*PULL_REFUSALS, refusals.NOT_QUARANTINED),
)
def approve_report(vendor_id: str) -> dict[str, Any]:
    """Believe a vendor's next report though it takes away much, and pull it now."""
    services = app_state().services
    gateway = services.gateway(vendor_id)
    services.approve_report(vendor_id)
    return changes(pull(services.sync_vendor, gateway))


@blueprint.operation(
    "PUT",
    "/vendor/<id:vendor_id>/stock",
    response=(200, SyncSchema()),
    refusals=(
        refusals.UNKNOWN_VENDOR,
        refusals.MALFORMED_JSON,
        refusals.TOO_LARGE,
        refusals.UNSUPPORTED_MEDIA_TYPE,
        refusals.INVALID_ORDER,
        refusals.QUARANTINED_REPORT,
        refusals.OVERLOADED,
        refusals.CONFLICT,
        refusals.SYNC_INTERRUPTED,
    ),
    requestBody=REQUEST_BODY,
)
def put_stock(vendor_id: str) -> dict[str, Any]:
    """Tell the whole stock of a vendor. Doing it again changes nothing.

    The vendor is one of the vendors file, or has reported before.
    """
    services, request = app_state().services, current_request()
    gateway = services.gateways.get(vendor_id)
    if gateway is None:
        vendor, terms = _reported(vendor_id), VendorTerms()
    else:
        vendor, terms = gateway.vendor, gateway.terms
    reports = parse_stock(json_body(request, services.limits.max_body_bytes))
    pushed = PushedStock(vendor=vendor, terms=terms, reports=reports)
    return changes(pull(services.sync_vendor, pushed))


def _reported(vendor_id: str) -> Vendor:
    found = app_state().services.read_model.vendors(0, 1, vendor_id).items
    if not found:
        raise UnknownVendor(vendor_id)
    return Vendor(id=vendor_id, name=found[0].name)


def _known(vendor_id: str) -> VendorStatus:
    found = app_state().services.read_model.vendors(0, 1, vendor_id).items
    if not found:
        raise NotFound(f"no vendor {vendor_id} has reported anything")
    return found[0]

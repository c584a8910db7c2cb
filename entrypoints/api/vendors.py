"""Vendors, and how their reports are getting on."""

from __future__ import annotations

import json
from typing import Any

import attrs
from flask import Response
from werkzeug.exceptions import NotFound

from ...domain.access import OPERATE
from ...domain.audit import about_vendor
from ...domain.errors import UnknownVendor
from ...domain.ports.read_model import VendorStatus
from ...domain.stock import Vendor
from ...domain.vendor_sync import VendorTerms
from . import refusals
from .access import ITS_VENDOR, tell_change
from .blueprint import ApiBlueprint
from .bodies import json_body
from .idempotency import answered, request_key
from .paging import PAGINATION_HEADER, Paging
from .schemas import PageQuery, RejectionSchema, SyncSchema, VendorStatusSchema
from .services import app_state, current_request
from .stock import Listing
from .stock_requests import (
    REQUEST_BODY,
    UPDATES_BODY,
    PushedStock,
    parse_stock,
    parse_updates,
)
from .sync import PULL_REFUSALS, interruptible, rendered
from .vendor_requests import VENDOR_BODY, parse_vendor

ACTION_REFUSALS = (
    refusals.UNKNOWN_VENDOR,
    refusals.OVERLOADED,
    refusals.CONFLICT,
    refusals.STORAGE_UNAVAILABLE,
)
PUSH_REFUSALS = (
    refusals.UNKNOWN_VENDOR,
    *refusals.BODY,
    refusals.OVERLOADED,
    refusals.CONFLICT,
    refusals.SYNC_INTERRUPTED,
)

blueprint = ApiBlueprint("vendors", __name__, description="Vendors", url_prefix="/v1/api")


@blueprint.operation(
    "GET",
    "/vendor",
    scope=OPERATE,
    response=(200, VendorStatusSchema(many=True)),
    headers=PAGINATION_HEADER,
    query=PageQuery,
    refusals=(refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def list_vendors(query: dict[str, Any]) -> Listing:
    """Vendors that are declared, or have reported something, by id."""
    paging = Paging.take_from(query)
    page = app_state().services.read_model.vendors(paging.offset, paging.size)
    return page.items, 200, paging.headers(page.total)


@blueprint.operation(
    "GET",
    "/vendor/<vendor:vendor_id>",
    scope=ITS_VENDOR,
    response=(200, VendorStatusSchema()),
    refusals=(refusals.NO_SUCH_VENDOR, refusals.OVERLOADED, refusals.STORAGE_UNAVAILABLE),
)
def get_vendor(vendor_id: str) -> VendorStatus:
    """One vendor."""
    return _known(vendor_id)


@blueprint.operation(
    "GET",
    "/vendor/<id:vendor_id>/rejections",
    scope=ITS_VENDOR,
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
    scope=OPERATE,
    response=(200, SyncSchema()),
    refusals=(*PULL_REFUSALS, refusals.NOT_QUARANTINED),
)
def approve_report(vendor_id: str) -> Response:
    """Believe a vendor's next report though it takes away much, and pull it now."""
    services = app_state().services
    key = request_key(current_request())
    gateway = services.gateways.get(vendor_id)
    with interruptible():
        return answered(services.vendor_actions.approve.and_sync(gateway, rendered, key))


@blueprint.operation(
    "POST",
    "/vendor/<id:vendor_id>/disable",
    scope=OPERATE,
    response=(200, VendorStatusSchema()),
    refusals=ACTION_REFUSALS,
)
def disable_vendor(vendor_id: str) -> Response:
    """Sync a vendor no longer. What it reported stays on sale, unless it becomes stale."""
    return _enabled(vendor_id, enabled=False)


@blueprint.operation(
    "POST",
    "/vendor/<id:vendor_id>/enable",
    scope=OPERATE,
    response=(200, VendorStatusSchema()),
    refusals=ACTION_REFUSALS,
)
def enable_vendor(vendor_id: str) -> Response:
    """Sync a vendor again."""
    return _enabled(vendor_id, enabled=True)


@blueprint.operation(
    "POST",
    "/vendor/<id:vendor_id>/retire",
    scope=OPERATE,
    response=(200, VendorStatusSchema()),
    refusals=(*ACTION_REFUSALS, refusals.VENDOR_IN_USE),
)
def retire_vendor(vendor_id: str) -> Response:
    """Take all of a vendor's stock off sale, and sync it no longer."""
    retire, key = app_state().services.vendor_actions.retire, request_key(current_request())
    return answered(retire(vendor_id, _status_text, key))


@blueprint.operation(
    "PUT",
    "/vendor/<vendor:vendor_id>",
    scope=OPERATE,
    response=(200, VendorStatusSchema()),
    refusals=(
        *refusals.BODY,
        refusals.OVERLOADED,
        refusals.CONFLICT,
        refusals.STORAGE_UNAVAILABLE,
    ),
    requestBody=VENDOR_BODY,
)
def put_vendor(vendor_id: str) -> Response:
    """Add a vendor, or replace how its feed is read. It is synced from now on."""
    services, request = app_state().services, current_request()
    key = request_key(request)
    declared = parse_vendor(vendor_id, json_body(request, services.limits.max_body_bytes))
    tell_change(request, about_vendor(declared))
    before = _find(vendor_id) or VendorStatus(vendor_id=vendor_id, name="")
    text = _status_text(attrs.evolve(before, name=declared.vendor.name))
    return answered(services.vendor_actions.declare([declared], text, key))


@blueprint.operation(
    "PUT",
    "/vendor/<id:vendor_id>/stock",
    scope=ITS_VENDOR,
    response=(200, SyncSchema()),
    refusals=(*PUSH_REFUSALS, refusals.QUARANTINED_REPORT),
    requestBody=REQUEST_BODY,
)
def put_stock(vendor_id: str) -> Response:
    """Tell the whole stock of a vendor. Doing it again changes nothing.

    The vendor is declared, or has reported before.
    """
    services, request = app_state().services, current_request()
    key = request_key(request)
    vendor, terms = _pushing(vendor_id)
    reports = parse_stock(json_body(request, services.limits.max_body_bytes))
    told = PushedStock(vendor=vendor, terms=terms, reports=reports)
    with interruptible():
        return answered(services.vendor_actions.sync_once(told, rendered, key))


@blueprint.operation(
    "PATCH",
    "/vendor/<id:vendor_id>/stock",
    scope=ITS_VENDOR,
    response=(200, SyncSchema()),
    refusals=(*PUSH_REFUSALS, refusals.STOCK_CHANGED),
    requestBody=UPDATES_BODY,
)
def patch_stock(vendor_id: str) -> Response:
    """Tell a vendor's figures of single products, or by how much they change.

    All of them are taken in or none. Rows that are older than what is known are rejected.
    """
    services, request = app_state().services, current_request()
    key = request_key(request)
    vendor, terms = _pushing(vendor_id)
    document = json_body(request, services.limits.max_body_bytes)
    updates = parse_updates(document, has_key=key is not None)
    update = services.vendor_actions.update_stock
    with interruptible():
        return answered(update(vendor, terms, updates, rendered, key))


def _enabled(vendor_id: str, *, enabled: bool) -> Response:
    key = request_key(current_request())
    status = _find(vendor_id)
    if status is None:
        raise UnknownVendor(vendor_id)
    text = _status_text(attrs.evolve(status, enabled=enabled))
    enable = app_state().services.vendor_actions.enable
    return answered(enable(vendor_id, enabled=enabled, answer=text, request=key))


def _status_text(status: VendorStatus) -> str:
    return json.dumps(VendorStatusSchema().dump(status))


def _pushing(vendor_id: str) -> tuple[Vendor, VendorTerms]:
    """A vendor that tells its stock itself, and how that is to be understood."""
    services = app_state().services
    try:
        gateway = services.gateways.get(vendor_id)
    except UnknownVendor:
        found = _find(vendor_id)
        if found is None:
            raise
        return Vendor(id=vendor_id, name=found.name), VendorTerms()
    return gateway.vendor, gateway.terms


def _known(vendor_id: str) -> VendorStatus:
    found = _find(vendor_id)
    if found is None:
        raise NotFound(f"no vendor {vendor_id} is known")
    return found


def _find(vendor_id: str) -> VendorStatus | None:
    return next(iter(app_state().services.read_model.vendors(0, 1, vendor_id).items), None)

"""Pulling what vendors report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from flask import Response

from ...domain.access import OPERATE
from ...domain.errors import (
    Conflict,
    InvalidSnapshot,
    OutdatedReport,
    QuarantinedReport,
    StorageUnavailable,
    VendorUnavailable,
)
from ...domain.ports.vendor_gateway import VendorGateway
from ...domain.use_cases.report_intake import SyncResult, require_taken_in
from . import refusals
from .access import ITS_VENDOR
from .blueprint import ApiBlueprint
from .idempotency import answered, request_key
from .problems import SyncInterrupted
from .schemas import SyncAttemptSchema, SyncSchema
from .services import app_state, current_request

# Vendors asked at the same time: most of it is waiting for them.
PARALLEL = 8
REFUSED = (VendorUnavailable, InvalidSnapshot, OutdatedReport, QuarantinedReport, Conflict)

# What may keep a vendor's feed from being taken in.
PULL_REFUSALS = (
    refusals.UNKNOWN_VENDOR,
    refusals.VENDOR_UNAVAILABLE,
    refusals.INVALID_SNAPSHOT,
    refusals.OUTDATED_REPORT,
    refusals.OVERLOADED,
    refusals.CONFLICT,
    refusals.SYNC_INTERRUPTED,
)

blueprint = ApiBlueprint("sync", __name__, description="Vendor feeds", url_prefix="/v1/api")


@blueprint.operation(
    "POST",
    "/vendor/<id:vendor_id>/sync",
    scope=ITS_VENDOR,
    response=(200, SyncSchema()),
    refusals=(*PULL_REFUSALS, refusals.QUARANTINED_REPORT),
)
def sync_vendor(vendor_id: str) -> Response:
    """Pull one vendor's stock now."""
    services = app_state().services
    key = request_key(current_request())
    gateway = services.gateways.get(vendor_id)
    with interruptible():
        return answered(services.vendor_actions.sync_once(gateway, rendered, key))


@blueprint.operation(
    "POST",
    "/sync",
    scope=OPERATE,
    response=(200, SyncAttemptSchema(many=True)),
    refusals=(refusals.OVERLOADED, refusals.CONFLICT, refusals.SYNC_INTERRUPTED),
)
def sync_all() -> Response:
    """Pull every vendor's stock now.

    A vendor that fails does not keep the others from it.
    """
    key = request_key(current_request())
    with interruptible():
        return answered(app_state().services.carry_out_once(key, _sync_all))


def _sync_all() -> str:
    services = app_state().services

    def attempt(gateway: VendorGateway) -> dict[str, Any]:
        try:
            result = services.vendor_actions.sync(gateway)
            require_taken_in(result)
            return changes(result) | {"error": None}
        except REFUSED as error:
            return _failed(gateway.vendor.id, str(error))

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="sync") as pool:
        attempts = list(pool.map(attempt, services.gateways.enabled().values()))
    return json.dumps(SyncAttemptSchema(many=True).dump(attempts))


@contextmanager
def interruptible() -> Iterator[None]:
    """Where the storage goes away, part of a report may have been taken in."""
    try:
        yield
    except StorageUnavailable as error:
        raise SyncInterrupted(str(error)) from error


def rendered(result: SyncResult) -> str:
    """What a sync is answered with, in JSON."""
    return json.dumps(SyncSchema().dump(changes(result)))


def changes(result: SyncResult) -> dict[str, Any]:
    """What a sync is answered with."""
    return {
        "vendor_id": result.vendor_id,
        "as_of": result.as_of,
        "products": result.products,
        "changed": result.changed,
        "changes": result.adjustments,
        "rejections": result.rejections,
    }


def _failed(vendor_id: str, error: str) -> dict[str, Any]:
    return {
        "vendor_id": vendor_id,
        "as_of": None,
        "products": 0,
        "changed": 0,
        "changes": [],
        "rejections": [],
        "error": error,
    }

"""Pulling what vendors report."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...domain.errors import (
    Conflict,
    InvalidSnapshot,
    OutdatedReport,
    QuarantinedReport,
    StorageUnavailable,
    VendorUnavailable,
)
from ...domain.ports.vendor_gateway import VendorGateway
from ...domain.use_cases.report_intake import SyncResult
from . import refusals
from .blueprint import ApiBlueprint
from .problems import SyncInterrupted
from .schemas import SyncAttemptSchema, SyncSchema
from .services import app_state

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
    response=(200, SyncSchema()),
    refusals=(*PULL_REFUSALS, refusals.QUARANTINED_REPORT),
)
def sync_vendor(vendor_id: str) -> dict[str, Any]:
    """Pull one vendor's stock now."""
    services = app_state().services
    return changes(pull(services.sync_vendor, services.gateway(vendor_id)))


@blueprint.operation(
    "POST",
    "/sync",
    response=(200, SyncAttemptSchema(many=True)),
    refusals=(refusals.OVERLOADED, refusals.SYNC_INTERRUPTED),
)
def sync_all() -> list[dict[str, Any]]:
    """Pull every vendor's stock now.

    A vendor that fails does not keep the others from it.
    """
    services = app_state().services

    def attempt(gateway: VendorGateway) -> dict[str, Any]:
        try:
            return changes(pull(services.sync_vendor, gateway)) | {"error": None}
        except REFUSED as error:
            return _failed(gateway.vendor.id, str(error))

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="sync") as pool:
        return list(pool.map(attempt, services.gateways.values()))


def pull(sync_vendor: Callable[[VendorGateway], SyncResult], gateway: VendorGateway) -> SyncResult:
    """Sync, and raise what kept the report from being taken in."""
    try:
        result = sync_vendor(gateway)
    except StorageUnavailable as error:
        raise SyncInterrupted(str(error)) from error
    if result.quarantined:
        cut = result.quarantined
        raise QuarantinedReport(result.vendor_id, cut.before, cut.after)
    if result.outdated:
        raise OutdatedReport(result.vendor_id, result.as_of)
    return result


def changes(result: SyncResult) -> dict[str, Any]:
    """What a sync is answered with."""
    return {
        "vendor_id": result.vendor_id,
        "as_of": result.as_of,
        "products": result.products,
        "changes": result.adjustments,
        "rejections": result.rejections,
    }


def _failed(vendor_id: str, error: str) -> dict[str, Any]:
    return {
        "vendor_id": vendor_id,
        "as_of": None,
        "products": 0,
        "changes": [],
        "rejections": [],
        "error": error,
    }

"""Pulling what vendors report."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import current_app

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
    scope=ITS_VENDOR,
    response=(200, SyncSchema()),
    refusals=(*PULL_REFUSALS, refusals.QUARANTINED_REPORT),
)
def sync_vendor(vendor_id: str) -> dict[str, Any]:
    """Pull one vendor's stock now."""
    return changes(pull(app_state().services.gateways.get(vendor_id)))


@blueprint.operation(
    "POST",
    "/sync",
    scope=OPERATE,
    response=(200, SyncAttemptSchema(many=True)),
    refusals=(refusals.OVERLOADED, refusals.SYNC_INTERRUPTED),
)
def sync_all() -> list[dict[str, Any]]:
    """Pull every vendor's stock now.

    A vendor that fails does not keep the others from it.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def attempt(gateway: VendorGateway) -> dict[str, Any]:
        try:
            with app.app_context():
                return changes(pull(gateway)) | {"error": None}
        except REFUSED as error:
            return _failed(gateway.vendor.id, str(error))

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="sync") as pool:
        return list(pool.map(attempt, app_state().services.gateways.enabled().values()))


def pull(gateway: VendorGateway) -> SyncResult:
    """Sync, and raise what kept the report from being taken in."""
    try:
        result = app_state().services.vendor_actions.sync(gateway)
    except StorageUnavailable as error:
        raise SyncInterrupted(str(error)) from error
    require_taken_in(result)
    return result


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

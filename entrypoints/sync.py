"""Pulls the vendors' stock, once or again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from threading import Event

import structlog

from ..domain.errors import InvalidSnapshot, VendorUnavailable
from ..domain.ports.vendor_gateway import VendorGateway
from ..domain.use_cases.sync_vendor import SyncResult
from .patience import Stopped, patiently

log = structlog.get_logger()

SyncVendor = Callable[[VendorGateway], SyncResult]
VendorFailed = (VendorUnavailable, InvalidSnapshot)


def sync_each(
    sync_vendor: SyncVendor, gateways: Iterable[VendorGateway]
) -> dict[str, SyncResult | Exception]:
    """Sync these vendors; by vendor id what changed, or why that vendor's feed could not be had."""
    outcomes: dict[str, SyncResult | Exception] = {}
    for gateway in gateways:
        vendor_id = gateway.vendor.id
        try:
            result = sync_vendor(gateway)
        except VendorFailed as error:
            outcomes[vendor_id] = error
            log.error("vendor.failed", vendor_id=vendor_id, reason=str(error))
        else:
            outcomes[vendor_id] = result
            log.info(
                "vendor.synced",
                vendor_id=vendor_id,
                products=result.products,
                changed=len(result.adjustments),
            )
    return outcomes


def sync_forever(
    sync_vendor: SyncVendor,
    gateways: Mapping[str, VendorGateway],
    interval: timedelta,
    stop: Event,
) -> None:
    """Sync every vendor at this interval until told to stop."""
    try:
        while not stop.is_set():
            patiently(lambda: sync_each(sync_vendor, gateways.values()), stop, "sync.waiting")
            stop.wait(interval.total_seconds())
    except Stopped:
        pass  # the next sync does what this one left undone
    log.info("sync.stopped")

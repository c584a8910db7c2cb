"""Pulls the vendors' stock, once or again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from threading import Event

import attrs

from ..adapters.system.log import Log
from ..domain.errors import InvalidSnapshot, UnknownVendor, VendorUnavailable
from ..domain.ports.clock import Clock
from ..domain.ports.read_model import ReadModel
from ..domain.ports.vendor_gateway import VendorGateway
from ..domain.stock import Vendor
from ..domain.use_cases.sync_vendor import SyncResult
from ..domain.values import timestamp_text
from ..domain.vendor_sync import Snapshot
from .runtime.retry import ShutdownRequested, retry_until_available

log = Log()

SyncVendor = Callable[[VendorGateway], SyncResult]
VENDOR_ERRORS = (VendorUnavailable, InvalidSnapshot)


@attrs.frozen(kw_only=True)
class RetiredVendor:
    """The gateway of a vendor that has nothing for us any more."""

    vendor: Vendor
    clock: Clock

    def fetch(self) -> Snapshot:
        """Nothing, from now on."""
        return Snapshot(vendor=self.vendor, as_of=self.clock.now(), reports=())


def retired(vendor_id: str, read_model: ReadModel, clock: Clock) -> RetiredVendor:
    """The gateway by which to take a known vendor's stock off sale; raises UnknownVendor."""
    levels = read_model.vendor_stock(offset=0, limit=1, vendor_id=vendor_id).items
    if not levels:
        raise UnknownVendor(vendor_id)
    return RetiredVendor(vendor=Vendor(id=vendor_id, name=levels[0].vendor_name), clock=clock)


def sync_each(
    sync_vendor: SyncVendor, gateways: Iterable[VendorGateway]
) -> dict[str, SyncResult | Exception]:
    """Sync these vendors; by vendor id what changed, or why that vendor's feed could not be had."""
    outcomes: dict[str, SyncResult | Exception] = {}
    for gateway in gateways:
        vendor_id = gateway.vendor.id
        try:
            result = sync_vendor(gateway)
        except VENDOR_ERRORS as error:
            outcomes[vendor_id] = error
            log.error("vendor.failed", vendor_id=vendor_id, reason=str(error))
        else:
            outcomes[vendor_id] = result
            if result.outdated:
                # Also so when our own clock, by which some feeds are dated, was set back.
                as_of = timestamp_text(result.as_of)
                log.warning("vendor.outdated", vendor_id=vendor_id, as_of=as_of)
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
    """After each interval sync every vendor, until told to stop."""
    try:
        while not stop.wait(interval.total_seconds()):
            try:
                retry_until_available(
                    lambda: sync_each(sync_vendor, gateways.values()), stop, "sync.waiting"
                )
            except ShutdownRequested:
                raise
            except Exception:
                log.exception("sync.crashed")  # the next one may do better
    except ShutdownRequested:
        pass  # the next sync does what this one left undone
    log.info("sync.stopped")

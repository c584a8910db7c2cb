"""Pulls the vendors' stock, once or again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from time import monotonic

import attrs

from ..adapters.system.log import Log
from ..domain.errors import InvalidSnapshot, UnknownVendor, VendorUnavailable
from ..domain.ports.read_model import ReadModel
from ..domain.ports.vendor_gateway import VendorGateway
from ..domain.stock import Vendor
from ..domain.use_cases.sync_vendor import SyncResult
from ..domain.values import timestamp_text
from .runtime.retry import ShutdownRequested, retry_until_available

log = Log()

SyncVendor = Callable[[VendorGateway], SyncResult]
VENDOR_ERRORS = (VendorUnavailable, InvalidSnapshot)
# More are counted only.
LOGGED_REJECTIONS = 20
# Seconds for a sync that is about to be committed.
STOP_WITHIN = 2.0


def known_vendor(vendor_id: str, read_model: ReadModel) -> Vendor:
    """A vendor that has reported something; raises UnknownVendor."""
    levels = read_model.vendor_stock(offset=0, limit=1, vendor_id=vendor_id).items
    if not levels:
        raise UnknownVendor(vendor_id)
    return Vendor(id=vendor_id, name=levels[0].vendor_name)


def sync_each(
    sync_vendor: SyncVendor, gateways: Iterable[VendorGateway]
) -> dict[str, SyncResult | Exception]:
    """Sync these vendors, side by side: none waits for another one.

    By vendor id what changed, or why that vendor's feed could not be had.
    """
    each = list(gateways)
    with ThreadPoolExecutor(len(each) or 1, thread_name_prefix="sync") as pool:
        outcomes = pool.map(lambda gateway: _sync(sync_vendor, gateway), each)
        return {gateway.vendor.id: found for gateway, found in zip(each, outcomes, strict=True)}


def _sync(sync_vendor: SyncVendor, gateway: VendorGateway) -> SyncResult | Exception:
    vendor_id = gateway.vendor.id
    try:
        result = sync_vendor(gateway)
    except VENDOR_ERRORS as error:
        log.error("vendor.failed", vendor_id=vendor_id, reason=str(error))
        return error
    if result.outdated:
        as_of = timestamp_text(result.as_of)
        log.warning("vendor.outdated", vendor_id=vendor_id, as_of=as_of)
    if result.quarantined:
        log.error("vendor.quarantined", vendor_id=vendor_id, **attrs.asdict(result.quarantined))
    for rejection in result.rejections[:LOGGED_REJECTIONS]:
        log.warning("vendor.row_rejected", vendor_id=vendor_id, **attrs.asdict(rejection))
    log.info(
        "vendor.synced",
        vendor_id=vendor_id,
        products=result.products,
        changed=len(result.adjustments),
        rejected=len(result.rejections),
    )
    return result


def is_well(outcome: SyncResult | Exception) -> bool:
    """Whether the vendor's report was taken in."""
    if not isinstance(outcome, SyncResult):
        return False
    return not outcome.outdated and outcome.quarantined is None


@contextmanager
def syncing(
    sync_vendor: SyncVendor,
    gateways: Iterable[VendorGateway],
    interval: timedelta,
    stop: Event,
) -> Iterator[None]:
    """Sync each vendor now and after each interval, in a thread of its own.

    On leaving, `stop` is set. A feed that is still read then is given up: what is not committed
    comes with the next sync.
    """
    threads = [
        Thread(
            target=_sync_forever,
            args=(sync_vendor, gateway, interval, stop),
            name=f"sync-{gateway.vendor.id}",
            daemon=True,
        )
        for gateway in gateways
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        end = monotonic() + STOP_WITHIN
        for thread in threads:
            thread.join(max(0.0, end - monotonic()))
        log.info("sync.stopped")


def _sync_forever(
    sync_vendor: SyncVendor, gateway: VendorGateway, interval: timedelta, stop: Event
) -> None:
    try:
        while not stop.is_set():
            try:
                retry_until_available(lambda: _sync(sync_vendor, gateway), stop, "sync.waiting")
            except ShutdownRequested:
                raise
            except Exception:
                log.exception("sync.crashed")  # the next one may do better
            stop.wait(interval.total_seconds())
    except ShutdownRequested:
        pass  # the next sync does what this one left undone

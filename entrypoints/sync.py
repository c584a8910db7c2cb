"""Pulls the vendors' stock, once or again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic

import attrs

from ..adapters.system.log import Log
from ..domain.errors import InvalidSnapshot, UnknownVendor, VendorUnavailable
from ..domain.ports.read_model import ReadModel
from ..domain.ports.vendor_gateway import VendorGateway
from ..domain.stock import Vendor
from ..domain.use_cases.report_intake import SyncResult
from ..domain.values import timestamp_text
from .runtime.retry import ShutdownRequested, retry_until_available

log = Log()

SyncVendor = Callable[[VendorGateway], SyncResult]
VENDOR_ERRORS = (VendorUnavailable, InvalidSnapshot)
# More are counted only.
LOGGED_REJECTIONS = 20
# Seconds for a sync that is about to be committed.
STOP_WITHIN = 2.0
STOP_CHECK = 0.1


def known_vendor(vendor_id: str, read_model: ReadModel) -> Vendor:
    """A vendor that has reported something; raises UnknownVendor."""
    levels = read_model.vendor_stock(offset=0, limit=1, vendor_id=vendor_id).items
    if not levels:
        raise UnknownVendor(vendor_id)
    return Vendor(id=vendor_id, name=levels[0].vendor_name)


def sync_each(
    sync_vendor: SyncVendor, gateways: Iterable[VendorGateway], stop: Event
) -> dict[str, SyncResult | Exception]:
    """Sync these vendors, side by side: none waits for another one.

    By vendor id what changed, or why that vendor's feed could not be had. Raises what kept one from
    being synced otherwise, once all have come to an end; and ShutdownRequested as soon as `stop` is
    set, whatever is still read.
    """
    each = list(gateways)
    done: SimpleQueue[tuple[str, SyncResult | Exception]] = SimpleQueue()

    def work(gateway: VendorGateway) -> None:
        try:
            done.put((gateway.vendor.id, _sync(sync_vendor, gateway)))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done.put((gateway.vendor.id, _Failed(error)))

    for gateway in each:
        # Nobody waits for it at the end: it may be reading a feed for a minute.
        name = f"sync-{gateway.vendor.id}"
        Thread(target=work, args=(gateway,), name=name, daemon=True).start()
    outcomes = dict(_next_outcome(done, stop) for _ in each)
    for outcome in outcomes.values():
        if isinstance(outcome, _Failed):
            raise outcome.error
    return {gateway.vendor.id: outcomes[gateway.vendor.id] for gateway in each}


class _Failed(Exception):
    """Something that is nobody's feed's fault."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _next_outcome(
    done: SimpleQueue[tuple[str, SyncResult | Exception]], stop: Event
) -> tuple[str, SyncResult | Exception]:
    while True:
        with suppress(Empty):
            return done.get(timeout=STOP_CHECK)
        if stop.is_set():
            raise ShutdownRequested


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
    if not is_well(result):
        return result
    for rejection in result.rejections[:LOGGED_REJECTIONS]:
        log.warning("vendor.row_rejected", vendor_id=vendor_id, **attrs.asdict(rejection))
    log.info(
        "vendor.synced",
        vendor_id=vendor_id,
        products=result.products,
        changed=result.changed,
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

"""Pulls the vendors' stock, once or again and again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Protocol

import attrs

from ..adapters.system.log import Log
from ..adapters.vendors.file import FileVendorGateway
from ..domain.errors import InvalidSnapshot, VendorUnavailable
from ..domain.ports.vendor_gateway import VendorGateway
from ..domain.use_cases.report_intake import SyncResult
from ..domain.use_cases.sync_vendor import Progress
from ..domain.values import timestamp_text
from .runtime.retry import ShutdownRequested, retry_until_available

log = Log()

VENDOR_ERRORS = (VendorUnavailable, InvalidSnapshot)
# More are counted only.
LOGGED_REJECTIONS = 20
# Progress is told of syncs that take longer than so many seconds.
TELL_EVERY = 5.0
# Seconds for a sync that is about to be committed.
STOP_WITHIN = 2.0
STOP_CHECK = 0.1
# Seconds until a vendor that was added or changed is noticed.
LOOK_EVERY = 1.0
# After a failure, at most; it doubles with each in a row.
FIRST_BACKOFF = timedelta(minutes=1)
LAST_BACKOFF = timedelta(hours=1)
MAX_DOUBLINGS = 10


class SyncVendor(Protocol):
    """The use case SyncVendor."""

    def __call__(self, gateway: VendorGateway, *, progress: Progress) -> SyncResult:
        """Sync one vendor."""


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
        result = sync_vendor(gateway, progress=_Progress(vendor_id))
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


class _Progress:
    """Says how far a feed has been compared, if that takes long."""

    def __init__(self, vendor_id: str) -> None:
        self._vendor_id = vendor_id
        self._told_at = monotonic()

    def __call__(self, compared: int) -> None:
        if monotonic() - self._told_at > TELL_EVERY:
            self._told_at = monotonic()
            log.info("vendor.comparing", vendor_id=self._vendor_id, products=compared)


def is_well(outcome: SyncResult | Exception) -> bool:
    """Whether the vendor's report was taken in."""
    if not isinstance(outcome, SyncResult):
        return False
    return not outcome.outdated and outcome.quarantined is None


class Vendors(Protocol):
    """Who is to be synced."""

    def enabled(self) -> Mapping[str, VendorGateway]:
        """By vendor id. Raises StorageUnavailable or Conflict."""


@attrs.frozen
class OneVendor:
    """One of them."""

    vendors: Vendors
    vendor_id: str

    def enabled(self) -> Mapping[str, VendorGateway]:
        """It alone, while it is enabled."""
        found = self.vendors.enabled()
        return {key: gateway for key, gateway in found.items() if key == self.vendor_id}


@contextmanager
def syncing(
    sync_vendor: SyncVendor,
    vendors: Vendors,
    interval: timedelta,
    stop: Event,
    plan: Callable[[str, timedelta], None],
    *,
    on_turn: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Sync each vendor now and whenever it is due, each in a thread of its own.

    `plan` is told when a vendor will be synced next; `on_turn` is called each time it is looked who
    is due. On leaving, `stop` is set. A feed that is
    still read then is given up: what is not committed comes with the next sync.
    """
    loop = _SyncLoop(sync_vendor, vendors, interval, stop, plan, on_turn=on_turn)
    thread = Thread(target=loop.run, name="sync", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        loop.join(thread)
        log.info("sync.stopped")


@attrs.define
class _Schedule:
    """When a vendor is due."""

    due: float = 0.0
    failures: int = 0
    thread: Thread | None = None
    # What its file looked like when it was read last.
    stamp: object = None

    def is_due(self, gateway: VendorGateway) -> bool:
        if self.thread is not None and self.thread.is_alive():
            return False
        if monotonic() >= self.due:
            return True
        return isinstance(gateway, FileVendorGateway) and gateway.stamp() != self.stamp


class _SyncLoop:
    """Looks who is due, again and again."""

    def __init__(
        self,
        sync_vendor: SyncVendor,
        vendors: Vendors,
        interval: timedelta,
        stop: Event,
        plan: Callable[[str, timedelta], None],
        *,
        on_turn: Callable[[], None],
    ) -> None:
        self._on_turn = on_turn
        self._sync_vendor = sync_vendor
        self._vendors = vendors
        self._interval = interval
        self._stop = stop
        self._plan = plan
        self._schedules: defaultdict[str, _Schedule] = defaultdict(_Schedule)

    def run(self) -> None:
        """Until told to stop."""
        gateways: Mapping[str, VendorGateway] = {}
        with suppress(ShutdownRequested):
            while not self._stop.is_set():
                self._on_turn()
                gateways = self._look(gateways)
                end = monotonic() + LOOK_EVERY
                while monotonic() < end and not self._stop.wait(STOP_CHECK):
                    self._start_due(gateways)

    def _look(self, known: Mapping[str, VendorGateway]) -> Mapping[str, VendorGateway]:
        """Who is to be synced now; those that were before, where that cannot be told."""
        try:
            return retry_until_available(self._vendors.enabled, self._stop, "sync.waiting")
        except ShutdownRequested:
            raise
        except Exception:
            log.exception("sync.crashed")  # the next look may do better
            return known

    def join(self, thread: Thread) -> None:
        """Wait a little for what is about to be committed."""
        end = monotonic() + STOP_WITHIN
        thread.join(STOP_WITHIN)
        for schedule in [*self._schedules.values()]:
            if schedule.thread is not None:
                schedule.thread.join(max(0.0, end - monotonic()))

    def _start_due(self, gateways: Mapping[str, VendorGateway]) -> None:
        for vendor_id, gateway in gateways.items():
            schedule = self._schedules[vendor_id]
            if schedule.is_due(gateway):
                # Another vendor may stall for as long as it likes.
                schedule.thread = Thread(
                    target=self._sync, args=(gateway, schedule), name=f"sync-{vendor_id}"
                )
                schedule.thread.daemon = True
                schedule.thread.start()

    def _sync(self, gateway: VendorGateway, schedule: _Schedule) -> None:
        if isinstance(gateway, FileVendorGateway):
            schedule.stamp = gateway.stamp()
        with suppress(ShutdownRequested):
            try:
                retry_until_available(
                    lambda: self._sync_once(gateway, schedule), self._stop, "sync.waiting"
                )
            except ShutdownRequested:
                raise
            except Exception:
                log.exception("sync.crashed")  # the next one may do better
                schedule.due = monotonic() + self._interval.total_seconds()

    def _sync_once(self, gateway: VendorGateway, schedule: _Schedule) -> None:
        outcome = _sync(self._sync_vendor, gateway)
        failed = isinstance(outcome, Exception) or outcome.outdated
        schedule.failures = schedule.failures + 1 if failed else 0
        every = gateway.terms.every or self._interval
        wait = next_sync_in(every, schedule.failures)
        schedule.due = monotonic() + wait.total_seconds()
        self._plan(gateway.vendor.id, wait)


def next_sync_in(every: timedelta, failures: int) -> timedelta:
    """How long to wait after so many failures in a row: twice as long each time, up to an hour.

    A vendor that is asked rarely is asked again soon.
    """
    if failures == 0:
        return every
    first = min(every, FIRST_BACKOFF)
    doubled: int = 2 ** min(failures - 1, MAX_DOUBLINGS)
    backoff = first * doubled
    return min(backoff, max(LAST_BACKOFF, first))

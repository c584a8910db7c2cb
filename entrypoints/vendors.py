"""What an operator may ask about vendors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ..domain.errors import InvalidSnapshot, StorageUnavailable, UnknownVendor, VendorUnavailable
from ..domain.ports.read_model import ReadModel, VendorStatus
from ..domain.ports.vendor_gateway import VendorGateway
from ..domain.stock_updates import StockUpdates
from ..domain.use_cases.report_intake import SyncResult
from ..domain.use_cases.sync_vendor import SyncVendor
from ..domain.values import timestamp_text
from ..domain.vendor_sync import Snapshot

SHOWN_ROWS = 5
SHOWN_REJECTIONS = 20
PAGE = 100


def status_line(vendor: VendorStatus) -> str:
    """A vendor in one line."""
    states = [
        "has reported nothing yet" if vendor.as_of is None else "",
        "retired" if vendor.retired else "",
        "" if vendor.enabled else "disabled",
        f"failed {vendor.failures} times" if vendor.failures > 1 else "",
        "failed" if vendor.failures == 1 else "",
        "stale" if vendor.stale else "",
        "waits for approval" if vendor.quarantined_at else "",
    ]
    state = ", ".join(filter(None, states)) or "well"
    reported = timestamp_text(vendor.reported_at) if vendor.reported_at else "long ago"
    reported = reported if vendor.as_of else "never"
    return (
        f"{vendor.vendor_id}: {state}; {vendor.products} products, reported {reported},"
        f" {vendor.rejected} rows rejected"
    )


def every_vendor(read_model: ReadModel) -> Iterator[VendorStatus]:
    """All of them, a page at a time."""
    offset = 0
    while page := read_model.vendors(offset, PAGE).items:
        yield from page
        offset += PAGE


def vendor_ids(read_model: ReadModel) -> set[str]:
    """Of all that are declared or have reported something."""
    return {vendor.vendor_id for vendor in every_vendor(read_model)}


def status_lines(read_model: ReadModel) -> Iterator[str]:
    """Every vendor in a line."""
    yield from map(status_line, every_vendor(read_model))


def details(read_model: ReadModel, vendor_id: str) -> Iterator[str]:
    """A vendor, and the rows of its last report that were left out; raises UnknownVendor."""
    found = read_model.vendors(0, 1, vendor_id).items
    if not found:
        raise UnknownVendor(vendor_id)
    yield status_line(found[0])
    yield from _sync_state(found[0])
    rejections = read_model.rejections(vendor_id, 0, SHOWN_REJECTIONS)
    for rejection in rejections.items:
        yield f"  rejected: {rejection}"
    if rejections.total > SHOWN_REJECTIONS:
        yield f"  and {rejections.total - SHOWN_REJECTIONS} more"


def _sync_state(vendor: VendorStatus) -> Iterator[str]:
    if vendor.attempted_at:
        yield f"  last asked {timestamp_text(vendor.attempted_at)}"
    if vendor.problem:
        yield f"  why it failed: {vendor.problem}"
    if vendor.next_sync_at:
        yield f"  next {timestamp_text(vendor.next_sync_at)}; breaker {vendor.breaker}"
    if vendor.outdated:
        yield f"  reports refused as outdated: {vendor.outdated}"


def check(gateway: VendorGateway, sync_vendor: SyncVendor) -> tuple[list[str], bool]:
    """What a vendor's feed says and would change, in lines; and whether it could be read.

    Nothing is changed.
    """
    vendor = gateway.vendor
    lines = [f"{vendor.id} ({vendor.name})"]
    try:
        snapshot = gateway.fetch()
    except VendorUnavailable as error:
        return [*lines, f"  cannot be had: {error.problem}"], False
    except InvalidSnapshot as error:
        told = [f"  {rejection}" for rejection in error.rejections]
        return [*lines, *(told or [f"  {error.problem}"])], False
    lines += [f"  {line}" for line in _understood(gateway, snapshot)]
    try:
        lines += [f"  {line}" for line in _effect(sync_vendor.preview(snapshot, gateway.terms))]
    except StorageUnavailable as error:
        lines.append(f"  what it would change is unknown: {error}")
    return lines, True


def _understood(gateway: VendorGateway, report: Snapshot | StockUpdates) -> Iterator[str]:
    date = timestamp_text(report.as_of) if report.as_of else "now"
    whose = "by its own word" if report.stated else "by the evidence"
    yield f"{_extent(report)}, as of {date} {whose}"
    yield f"orders count: {gateway.terms.counts_orders}"
    yield from report.findings
    rows = _rows(report)
    for product_id, units, name in islice(rows, SHOWN_ROWS):
        yield f"{product_id}: {units} ({name or 'without a name'})"
    if next(rows, None) is not None:
        yield "…"
    for rejection in report.rejections[:SHOWN_REJECTIONS]:
        yield f"rejected: {rejection}"


def _rows(report: Snapshot | StockUpdates) -> Iterator[tuple[str, str, str | None]]:
    if isinstance(report, Snapshot):
        return ((row.product_id, str(row.quantity), row.name) for row in report.reports)
    return ((row.product_id, f"{row.change:+}", row.name) for row in report.updates)


def _extent(report: Snapshot | StockUpdates) -> str:
    if isinstance(report, Snapshot):
        return f"{len(report.reports)} products, {report.units} units"
    return f"changes of {len(report.updates)} products"


def _effect(result: SyncResult) -> Iterator[str]:
    if result.outdated:
        yield "would be refused: it is older than what is known"
    elif result.quarantined:
        cut = result.quarantined
        yield f"would wait for approval: {cut.after} units instead of {cut.before}"
    else:
        change = f"{result.added} units more, {result.removed} units less"
        yield f"would change {result.changed} products: {change}"

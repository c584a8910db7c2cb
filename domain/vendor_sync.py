"""What a vendor's report does to its stock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import attrs

from . import values
from .counting import CountsOrders
from .errors import InvalidSnapshot, Rejection
from .stock import US, Product, Vendor, VendorStock

# Of what a vendor is that has not reported anything.
NEVER = datetime.min.replace(tzinfo=UTC)


@attrs.frozen(kw_only=True)
class StockReport:
    """A vendor's statement about one product: so many units, and what the vendor calls it."""

    product_id: str = attrs.field(converter=values.clean_id, validator=values.text_id)
    # None: the vendor does not name it.
    name: str | None = attrs.field(default=None, validator=attrs.validators.optional(values.name))
    quantity: int = attrs.field(validator=values.stock_level)
    # What the vendor says this row is of.
    as_of: datetime | None = attrs.field(
        default=None,
        converter=values.to_utc,
        validator=attrs.validators.optional(values.timestamp),
    )
    # The `sequence` of the last of our allocations that the quantity has counted.
    acked_through: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(values.sequence)
    )
    # When the vendor expects more of it; None: it does not say.
    expected_at: datetime | None = attrs.field(
        default=None,
        converter=values.to_utc,
        validator=attrs.validators.optional(values.timestamp),
    )


@attrs.frozen(kw_only=True)
class Snapshot:
    """Everything a vendor has at one moment; a product that it does not name, it does not have."""

    vendor: Vendor
    # None: nothing tells how old it is, so it is of the moment at which it was asked for.
    as_of: datetime | None = attrs.field(
        converter=values.to_utc, validator=attrs.validators.optional(values.timestamp)
    )
    # Whether the vendor itself says so: not a file's date, nor a header of HTTP.
    stated: bool = False
    # A tuple, or more than fit into memory: then in the order of product ids, as often as asked.
    reports: Collection[StockReport] = attrs.field()
    # What it has of all products together.
    units: int = attrs.field()
    # Rows that could not be understood. What is known of the products that they name stays.
    rejections: tuple[Rejection, ...] = ()
    # How it was understood, for people.
    findings: tuple[str, ...] = ()

    @units.default
    def _sum(self) -> int:
        return sum(report.quantity for report in self.reports)

    @reports.validator
    def _each_product_once(self, _attribute: Any, reports: Collection[StockReport]) -> None:
        if not isinstance(reports, tuple):
            return
        seen = set()
        for report in reports:
            if report.product_id in seen:
                raise InvalidSnapshot(self.vendor.id, f"product {report.product_id!r} stands twice")
            seen.add(report.product_id)


@attrs.frozen(kw_only=True)
class VendorTerms:
    """How a vendor is asked, and its reports are to be understood."""

    counts_orders: CountsOrders = attrs.field(factory=CountsOrders)
    # How often it is asked. None: as often as others are.
    every: timedelta | None = None
    # After so long without a report its stock is stale. None: never.
    max_age: timedelta | None = None
    # A report that takes away more than this share of its units, or all, waits in quarantine. None:
    # none does.
    max_cut: float | None = 0.5
    # Until somebody approves it, or one like it comes so much later.
    confirm_after: timedelta = timedelta(hours=1)


@attrs.frozen(kw_only=True)
class StockAdjustment:
    """One entry of the supply side of the ledger: why a vendor's stock rose or fell, in units."""

    vendor_id: str
    product_id: str
    delta: int
    cause: str
    at: datetime


@attrs.frozen(kw_only=True)
class Cut:
    """What a report would do to a vendor's stock, in units."""

    before: int
    after: int


@attrs.frozen(kw_only=True)
class Quarantine:
    """A vendor whose reports cut too much, since then."""

    since: datetime
    approved: bool = False

    def is_over(self, terms: VendorTerms, now: datetime) -> bool:
        """Whether a report that still cuts as much is to be believed."""
        return self.approved or now - self.since >= terms.confirm_after


@attrs.frozen(kw_only=True)
class ReportState:
    """How old a vendor's last whole report is, and whether its stock is withheld."""

    as_of: datetime
    # Silent for too long, or in quarantine.
    stale: bool


def suspicious_cut(before: int, after: int, terms: VendorTerms) -> Cut | None:
    """The cut, if it takes away more of the units than the vendor's terms allow."""
    if terms.max_cut is None or before == 0:
        return None
    if after > 0 and after >= before * (1 - terms.max_cut):
        return None
    return Cut(before=before, after=after)


def is_outdated(
    report: StockReport, as_of: datetime, known: VendorStock | None, now: datetime
) -> bool:
    """Whether something newer is known of the product.

    What is dated later than now is a mistake of some clock, and no newer.
    """
    if known is None or known.stated_at is None or known.stated_at > now:
        return False
    return (report.as_of or as_of) < known.stated_at


def is_known(report: StockReport, known: VendorStock | None, name: str | None) -> bool:
    """Whether a report says nothing new, so that taking it in would change nothing.

    That stays so while orders are allocated: they are not counted by it.
    """
    if known is None or name is None or known.stale:
        return False
    counted = known.allocated if report.acked_through is None else report.acked_through
    before = (known.reported, known.stated_at, known.expected_at, known.counted)
    told = (report.quantity, report.as_of, report.expected_at, counted)
    return before == told and report.name in (None, name)


def with_missing(reports: Iterable[StockReport], known: Iterable[str]) -> Iterator[StockReport]:
    """The reports, and one of zero units for each product that is known and not among them.

    Both are, and come, in the order of product ids.
    """
    rest = iter(known)
    next_known = next(rest, None)
    for report in reports:
        while next_known is not None and next_known < report.product_id:
            yield StockReport(product_id=next_known, quantity=0)
            next_known = next(rest, None)
        if next_known == report.product_id:
            next_known = next(rest, None)
        yield report
    while next_known is not None:
        yield StockReport(product_id=next_known, quantity=0)
        next_known = next(rest, None)


def reconcile(
    vendor_id: str,
    reports: Iterable[StockReport],
    known: Mapping[str, VendorStock],
    counted: Mapping[str, int],
    *,
    part_of: datetime | None = None,
) -> list[VendorStock]:
    """The vendor stock that changes by these reports, by product id.

    `counted` says how much of what was ever allocated a report's quantity knows of. The rest the
    vendor still has in its figure, so it is subtracted. What is reported is not stale any more.
    `part_of` is when only a part was told: then what is stale stays so, and nothing older than that
    moment undoes what was told.
    """
    changed = []
    for report in sorted(reports, key=attrgetter("product_id")):
        before = known.get(report.product_id)
        allocated = 0 if before is None else before.allocated
        after = VendorStock(
            vendor_id=vendor_id,
            product_id=report.product_id,
            available=max(0, report.quantity - (allocated - counted[report.product_id])),
            reported=report.quantity,
            allocated=allocated,
            counted=counted[report.product_id],
            stated_at=report.as_of or part_of,
            expected_at=report.expected_at,
            stale=part_of is not None and before is not None and before.stale,
        )
        if after != before:
            changed.append(after)
    return changed


def new_products(
    vendor_id: str, reports: Iterable[StockReport], known: Mapping[str, Product]
) -> list[Product]:
    """The reported products that are not known yet. One without a name is called by its id."""
    return [
        Product(
            id=report.product_id,
            name=report.product_id if report.name is None else report.name,
            named_by=None if report.name is None else vendor_id,
        )
        for report in reports
        if report.product_id not in known
    ]


def renamed_products(
    vendor_id: str,
    reports: Iterable[StockReport],
    known: Mapping[str, Product],
    levels: Iterable[VendorStock],
) -> list[Product]:
    """The products that this vendor's report gives another name.

    A product's name follows the feed of the vendor that gave it. Once that vendor has no stock of
    the product (see `levels`: the stock of all vendors before the report), another that has some
    may name it. So vendors that disagree do not rename a product in turns. A name that we gave
    stays.
    """
    stocked = {(level.product_id, level.vendor_id) for level in levels if level.reported}
    renamed = []
    for report in reports:
        product = known.get(report.product_id)
        if product is None or report.name in (None, product.name):
            continue
        if product.named_by == US:
            continue
        named_elsewhere = (product.id, product.named_by) in stocked or not report.quantity
        if product.named_by == vendor_id or not named_elsewhere:
            renamed.append(Product(id=product.id, name=str(report.name), named_by=vendor_id))
    return renamed

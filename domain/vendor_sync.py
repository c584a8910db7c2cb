"""What a vendor's report does to its stock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from . import values
from .errors import InvalidSnapshot
from .stock import Product, Vendor, VendorStock


@attrs.frozen(kw_only=True)
class StockReport:
    """A vendor's statement about one product: so many units, and what the vendor calls it."""

    product_id: str = attrs.field(validator=values.text_id)
    # None: the vendor does not name it.
    name: str | None = attrs.field(default=None, validator=attrs.validators.optional(values.name))
    quantity: int = attrs.field(validator=values.stock_level)


@attrs.frozen(kw_only=True)
class Snapshot:
    """Everything a vendor has at one moment; a product that it does not name, it does not have."""

    vendor: Vendor
    # The vendor has counted every order that we gave it up to this moment, and none after it.
    as_of: datetime = attrs.field(validator=values.timestamp)
    reports: tuple[StockReport, ...] = attrs.field()

    @reports.validator
    def _each_product_once(self, _attribute: Any, reports: Collection[StockReport]) -> None:
        seen = set()
        for report in reports:
            if report.product_id in seen:
                raise InvalidSnapshot(self.vendor.id, f"product {report.product_id!r} stands twice")
            seen.add(report.product_id)


@attrs.frozen(kw_only=True)
class StockAdjustment:
    """One entry of the supply side of the ledger: why a vendor's stock rose or fell, in units."""

    vendor_id: str
    product_id: str
    delta: int
    cause: str
    at: datetime


def reconcile(
    vendor_id: str,
    quantities: Mapping[str, int],
    as_of: datetime,
    known: Mapping[str, VendorStock],
    uncounted: Mapping[str, int],
) -> list[VendorStock]:
    """The vendor stock that changes when these quantities (units by product) are reported.

    `uncounted` has the units that we allocated after `as_of`: the vendor still has them in its
    figure, so they are subtracted.
    """
    changed = []
    for product_id, reported in sorted(quantities.items()):
        after = VendorStock(
            vendor_id=vendor_id,
            product_id=product_id,
            available=max(0, reported - uncounted.get(product_id, 0)),
            reported=reported,
            as_of=as_of,
        )
        if after != known.get(product_id):
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
    may name it. So vendors that disagree do not rename a product in turns.
    """
    stocked = {(level.product_id, level.vendor_id) for level in levels if level.reported}
    renamed = []
    for report in reports:
        product = known.get(report.product_id)
        if product is None or report.name in (None, product.name):
            continue
        named_elsewhere = (product.id, product.named_by) in stocked or not report.quantity
        if product.named_by == vendor_id or not named_elsewhere:
            renamed.append(Product(id=product.id, name=str(report.name), named_by=vendor_id))
    return renamed

"""What every balance is checked against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import attrs

# The cause of entries that stand for the allocations of orders which were removed since.
ARCHIVED = "archive"


@attrs.frozen(kw_only=True)
class Discrepancy:
    """A figure that is not what the ledger says."""

    figure: str
    # What it belongs to: a product id, "vendor/product", or an order id.
    subject: str
    expected: int
    found: int
    # Whose stock it is about; central stock has no vendor, an order's own figure neither.
    product_id: str | None = None
    vendor_id: str | None = None


class Ledger(Protocol):
    """The record of supply and demand from which every balance can be recomputed."""

    def discrepancies(self) -> Iterator[Discrepancy]:
        """Every figure that differs, at one moment, in memory that does not grow with the data.

        `vendor_available`: a vendor's stock is its adjustments less its allocations.
        `on_hand`: a product's central stock is the sum over its vendors.
        `stale`: and of that, what is of stale vendors.
        `reserved`: and it holds exactly what orders have reserved that have not ended.
        `backordered`: what is waited for is the sum of what orders wait for.
        `vendor_allocated`: what was ever allocated from a vendor's stock is the sum of that, and of
        what entries with the cause ARCHIVED stand for.
        `allocated`: a fulfilled order's allocations are exactly its lines less what is cancelled;
        any other has none.
        `has_lines`: an order has lines (1), whatever its status; without any (0), what it stood for
        is lost, and nothing else would tell.
        """

"""When vendors expect more stock."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from .tables import Tables


def expected_stock(
    tables: Tables, product_ids: Collection[str], now: datetime
) -> dict[str, datetime]:
    """By product, the earliest time after `now` that a vendor gives; by a scan."""
    earliest: dict[str, datetime] = {}
    for level in tables.vendor_stock.values():
        at = level.expected_at
        if level.product_id not in product_ids or at is None or at <= now:
            continue
        if _is_heard(tables, level.vendor_id):
            earliest[level.product_id] = min(at, earliest.get(level.product_id, at))
    return earliest


def _is_heard(tables: Tables, vendor_id: str) -> bool:
    return (
        tables.enabled.get(vendor_id, True)
        and not tables.stale.get(vendor_id, False)
        and tables.quarantines.get(vendor_id) is None
    )

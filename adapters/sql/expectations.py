"""When vendors expect more stock, in SQL."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select

from .schema import TIMESTAMP, vendor_stock, vendors


def earliest_expected(now: ColumnElement[datetime]) -> Select[tuple[datetime]]:
    """The earliest time after `now` of all vendors that are heard; of which products, is added."""
    return (
        select(func.min(vendor_stock.c.expected_at, type_=TIMESTAMP))
        .select_from(vendor_stock.join(vendors, vendors.c.id == vendor_stock.c.vendor_id))
        .where(
            vendor_stock.c.expected_at > now,
            vendors.c.enabled,
            ~vendors.c.stale,
            vendors.c.quarantined_at.is_(None),
        )
    )

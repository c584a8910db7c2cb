"""What came and went of a product, out of the two sides of the ledger."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Select,
    Uuid,
    bindparam,
    func,
    literal,
    null,
    select,
    true,
    type_coerce,
    union_all,
)

from .schema import TEXT_ID, allocations, central_stock, orders, stock_adjustments


@cache
def movements() -> Select[Any]:
    """Of the product in `product_id`, newest first, each with what was on hand after it."""
    product = bindparam("product_id", type_=TEXT_ID)
    entries = stock_adjustments.c
    supply = select(
        entries.at,
        entries.id.label("number"),
        entries.cause,
        entries.vendor_id,
        type_coerce(null(), Uuid()).label("order_id"),
        entries.delta,
    ).where(entries.product_id == product)
    demand = (
        select(
            func.coalesce(orders.c.fulfilled_at, orders.c.updated_at),
            literal(0, BigInteger),
            literal("order"),
            allocations.c.vendor_id,
            allocations.c.order_id,
            -allocations.c.quantity,
        )
        .select_from(allocations.join(orders, orders.c.id == allocations.c.order_id))
        .where(allocations.c.product_id == product)
    )
    each = union_all(supply, demand).subquery("each")
    newest = (each.c.at.desc(), each.c.number.desc(), each.c.order_id.desc())
    later = func.sum(each.c.delta).over(order_by=newest, rows=(None, -1))
    on_hand = (
        select(central_stock.c.on_hand)
        .where(central_stock.c.product_id == product)
        .scalar_subquery()
    )
    page = (
        select(each, (on_hand - func.coalesce(later, 0)).label("after"))
        .order_by(*newest)
        .offset(bindparam("offset", type_=BigInteger))
        .limit(bindparam("limit", type_=BigInteger))
        .subquery("page")
    )
    total = select(func.count().label("total")).select_from(each).subquery("listing")
    return (
        select(total.c.total, page)
        .select_from(total.outerjoin(page, true()))
        .order_by(page.c.at.desc(), page.c.number.desc(), page.c.order_id.desc())
    )

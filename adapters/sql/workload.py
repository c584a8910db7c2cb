"""What is under way, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    Dialect,
    ScalarSelect,
    Select,
    exists,
    func,
    literal_column,
    select,
    true,
)

from ...domain.order import OrderStatus
from ...domain.ports.read_model import COUNTED, UNDER_WAY, Pending, Workload
from ...domain.use_cases.deliver_webhooks import READER as WEBHOOKS
from .event_log import select_end
from .schema import (
    NOT_FULFILLED,
    RESERVED,
    TIMESTAMP,
    event_cursors,
    orders,
    outbox,
    webhook_deliveries,
    webhooks,
)


def select_workload(dialect: Dialect) -> Select[Any]:
    """A row for each reader of events, with the same figures in all of them; at least one."""
    first = _first_reserved()
    is_new = first.c.failed_attempts == literal_column("0")
    figures = select(
        *(column for status in UNDER_WAY for column in _orders_of(status)),
        select(func.count().filter(is_new)).select_from(first).scalar_subquery().label("untried"),
        select(func.min(first.c.updated_at, type_=TIMESTAMP).filter(is_new))
        .scalar_subquery()
        .label("untried_since"),
        select(func.count().filter(~is_new)).select_from(first).scalar_subquery().label("retried"),
        _count(outbox).label("messages"),
        select(func.min(outbox.c.created_at, type_=TIMESTAMP))
        .scalar_subquery()
        .label("messages_since"),
        _count(webhook_deliveries, webhook_deliveries.c.due_at.is_not(None)).label("deliveries"),
        _count(webhook_deliveries, webhook_deliveries.c.due_at.is_(None)).label("dead_deliveries"),
        select_end(dialect).scalar_subquery().label("events_end"),
    ).subquery("figures")
    reads = (event_cursors.c.reader != WEBHOOKS) | exists().where(webhooks.c.enabled)
    return select(figures, event_cursors.c.reader, event_cursors.c.position).select_from(
        figures.outerjoin(event_cursors, true() & reads)
    )


def workload_from(rows: Sequence[Any]) -> Workload:
    """What the rows say."""
    row = rows[0]
    return Workload(
        orders={
            status: Pending(
                count=getattr(row, status.value), since=getattr(row, f"{status.value}_since")
            )
            for status in UNDER_WAY
        },
        untried=Pending(count=row.untried, since=row.untried_since),
        retried=row.retried,
        outbox=Pending(count=row.messages, since=row.messages_since),
        deliveries=row.deliveries,
        dead_deliveries=row.dead_deliveries,
        unread_events={
            each.reader: max(0, each.events_end - each.position)
            for each in rows
            if each.reader is not None
        },
    )


def _orders_of(status: OrderStatus) -> tuple[Any, Any]:
    """How many, and when the first was created: ids grow with time."""
    wanted = (orders.c.status == status.value, NOT_FULFILLED)
    first = select(orders.c.created_at).where(*wanted).order_by(orders.c.id).limit(1)
    return (
        _count(orders, *wanted).label(status.value),
        first.scalar_subquery().label(f"{status.value}_since"),
    )


def _first_reserved() -> CTE:
    return (
        select(orders.c.failed_attempts, orders.c.updated_at)
        .where(orders.c.status == literal_column(f"'{RESERVED}'"), NOT_FULFILLED)
        .order_by(orders.c.id)
        .limit(COUNTED)
        .cte("first")
    )


def _count(table: Any, *conditions: Any) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).where(*conditions).scalar_subquery()

"""Webhooks and their deliveries in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Executable,
    Integer,
    Text,
    bindparam,
    delete,
    exists,
    false,
    insert,
    literal,
    null,
    or_,
    select,
    true,
    update,
)

from ...domain.ports.webhooks import ClaimedDeliveries
from ...domain.webhooks import Delivery, Message, Webhook
from .bulk import bulk_keys, bulk_rows, upsert
from .schema import ROW_ID, TEXT_ID, TIMESTAMP, webhook_deliveries, webhooks
from .transaction import Transaction

WEBHOOK_COLUMNS = (
    webhooks.c.id,
    webhooks.c.url,
    webhooks.c.secret,
    webhooks.c.types,
    webhooks.c.enabled,
    webhooks.c.created_at,
    webhooks.c.position,
)
DELIVERY_COLUMNS = (
    webhook_deliveries.c.id,
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.message_id,
    webhook_deliveries.c.subject,
    webhook_deliveries.c.body,
    webhook_deliveries.c.attempts,
    webhook_deliveries.c.due_at,
    webhook_deliveries.c.problem,
)
_NOW = bindparam("now", type_=TIMESTAMP)


def has_due() -> ColumnElement[bool]:
    """Whether a webhook has a delivery that is due at the moment in the parameter `now`."""
    column = webhook_deliveries.c
    return exists().where(column.webhook_id == webhooks.c.id, column.due_at <= _NOW)


def webhook_from(row: Sequence[Any]) -> Webhook:
    """From WEBHOOK_COLUMNS."""
    key, url, secret, types, enabled, created_at, position = row
    return Webhook(
        id=key,
        url=url,
        secret=secret,
        types=tuple(types.split(" ")),
        enabled=bool(enabled),
        created_at=created_at,
        position=position,
    )


def delivery_from(row: Sequence[Any]) -> Delivery:
    """From DELIVERY_COLUMNS."""
    key, webhook_id, message_id, subject, body, attempts, due_at, problem = row
    return Delivery(
        id=key,
        webhook_id=webhook_id,
        message_id=message_id,
        subject=subject,
        body=body,
        attempts=attempts,
        due_at=due_at,
        problem=problem,
    )


class WebhookStatements:
    """The statements about webhooks, built once for a database."""

    def __init__(self, dialect: Dialect) -> None:
        column, row = webhooks.c, webhook_deliveries.c
        this = column.id == bindparam("this", type_=TEXT_ID)
        its = row.webhook_id == bindparam("this", type_=TEXT_ID)
        self.ids = bulk_keys(dialect, ROW_ID)
        self.names = bulk_keys(dialect, TEXT_ID)
        self.add = insert(webhooks).values(
            {name: bindparam(f"_{name}", type_=webhooks.c[name].type) for name in _ADDED}
        )
        self.lock = select(column.id).where(this).with_for_update()
        self.remove_its_deliveries = delete(webhook_deliveries).where(its)
        self.remove = delete(webhooks).where(this)
        self.enable = {
            enabled: update(webhooks).values(enabled=true() if enabled else false()).where(this)
            for enabled in (True, False)
        }
        self.enabled = (
            select(*WEBHOOK_COLUMNS)
            .where(column.enabled)
            .order_by(column.id)
            .with_for_update(read=True, key_share=True)
        )
        self.note_problem = (
            update(webhooks).values(problem=bindparam("_problem", type_=Text)).where(this)
        )
        self.release = (
            update(webhooks)
            .values(claimed_until=null())
            .where(this, column.claimed_until == bindparam("until", type_=TIMESTAMP))
        )
        self.claim = self._claim()
        self.due = (
            select(*DELIVERY_COLUMNS)
            .where(its, row.due_at <= _NOW)
            .order_by(row.due_at, row.id)
            .limit(bindparam("each", type_=Integer))
        )
        self._build_changes(dialect)

    def _claim(self) -> Executable:
        column = webhooks.c
        free = (
            select(column.id)
            .where(
                column.enabled,
                or_(column.claimed_until.is_(None), column.claimed_until <= _NOW),
                ~self.names.contain(column.id),
                has_due(),
            )
            .order_by(column.id)
            .limit(bindparam("limit", type_=Integer))
            .with_for_update(skip_locked=True)
            .cte("free")
        )
        return (
            update(webhooks)
            .values(claimed_until=bindparam("until", type_=TIMESTAMP))
            .where(column.id == free.c.id)
            .returning(*WEBHOOK_COLUMNS)
        )

    def _build_changes(self, dialect: Dialect) -> None:
        row = webhook_deliveries.c
        its = row.webhook_id == bindparam("this", type_=TEXT_ID)
        names = ("webhook_id", "message_id", "subject", "body")
        self.messages = bulk_rows(
            dialect, webhook_id=TEXT_ID, message_id=TEXT_ID, subject=Text(), body=Text()
        )
        added = upsert(dialect, webhook_deliveries).from_select(
            [*names, "attempts", "due_at"],
            select(
                *(self.messages.c[name] for name in names),
                literal(0),
                bindparam("due_at", type_=TIMESTAMP),
            ).where(true()),
        )
        self.add_deliveries = added.on_conflict_do_nothing()
        self.remove_deliveries = delete(webhook_deliveries).where(self.ids.contain(row.id))
        self.rows = bulk_rows(
            dialect, id=ROW_ID, attempts=Integer(), due_at=TIMESTAMP, problem=Text()
        )
        self.reschedule = (
            update(webhook_deliveries)
            .values({name: self.rows.c[name] for name in ("attempts", "due_at", "problem")})
            .where(row.id == self.rows.c.id)
        )
        self.bury = (
            update(webhook_deliveries)
            .values(due_at=null(), problem=bindparam("_problem", type_=Text))
            .where(its, row.due_at.is_not(None))
        )
        self.replay_all = (
            update(webhook_deliveries)
            .values(attempts=literal(0), due_at=_NOW)
            .where(its, row.due_at.is_(None))
            .returning(row.id)
        )
        self.replay = self.replay_all.where(self.names.contain(row.message_id))


_ADDED = ("id", "url", "secret", "types", "created_at", "position")


class SqlWebhooks:
    """WebhookRepository on SQL."""

    def __init__(self, transaction: Transaction, statements: WebhookStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    def add(self, webhook: Webhook) -> None:
        """Insert."""
        row = {
            "_id": webhook.id,
            "_url": webhook.url,
            "_secret": webhook.secret,
            "_types": " ".join(webhook.types),
            "_created_at": webhook.created_at,
            "_position": webhook.position,
        }
        self._transaction.enqueue(self._statements.add, row)
        if not webhook.enabled:
            self.enable(webhook.id, enabled=False)

    def remove(self, webhook_id: str) -> bool:
        """Locked first, so that nobody adds a delivery meanwhile."""
        this = {"this": webhook_id}
        if not self._transaction.fetch_all(self._statements.lock, this):
            return False
        self._transaction.enqueue(self._statements.remove_its_deliveries, this)
        self._transaction.enqueue(self._statements.remove, this)
        return True

    def enable(self, webhook_id: str, *, enabled: bool) -> None:
        """One statement."""
        self._transaction.enqueue(self._statements.enable[enabled], {"this": webhook_id})

    def enabled(self) -> list[Webhook]:
        """Their keys locked, which stands in the way of a removal and of nothing else."""
        return [webhook_from(row) for row in self._transaction.fetch_all(self._statements.enabled)]

    def add_deliveries(self, messages: Sequence[tuple[str, Message]], due_at: datetime) -> None:
        """One statement; rows are numbered in their order."""
        if messages:
            rows = [(key, each.id, each.subject, each.body) for key, each in messages]
            parameters = self._statements.messages.bind(rows) | {"due_at": due_at}
            self._transaction.enqueue(self._statements.add_deliveries, parameters)

    def claim(
        self, webhooks: int, each: int, now: datetime, until: datetime, busy: Collection[str]
    ) -> list[ClaimedDeliveries]:
        """By the rows of the webhooks; one that another transaction claims is passed over."""
        parameters = self._statements.names.bind(busy) | {"limit": webhooks, "until": until}
        rows = self._transaction.fetch_all(self._statements.claim, parameters | {"now": now})
        found = sorted(map(webhook_from, rows), key=lambda webhook: webhook.id)
        return [
            ClaimedDeliveries(webhook=one, deliveries=self._due(one.id, each, now), until=until)
            for one in found
        ]

    def _due(self, webhook_id: str, each: int, now: datetime) -> tuple[Delivery, ...]:
        parameters = {"this": webhook_id, "each": each, "now": now}
        rows = self._transaction.fetch_all(self._statements.due, parameters)
        return tuple(map(delivery_from, rows))

    def remove_deliveries(self, ids: Collection[int]) -> None:
        """Delete."""
        if ids:
            parameters = self._statements.ids.bind(ids)
            self._transaction.enqueue(self._statements.remove_deliveries, parameters)

    def reschedule(self, deliveries: Sequence[Delivery]) -> None:
        """One statement."""
        if deliveries:
            rows = [(x.id, x.attempts, x.due_at, x.problem) for x in deliveries]
            self._transaction.enqueue(self._statements.reschedule, self._statements.rows.bind(rows))

    def note_problem(self, webhook_id: str, problem: str | None) -> None:
        """One statement."""
        parameters = {"this": webhook_id, "_problem": problem}
        self._transaction.enqueue(self._statements.note_problem, parameters)

    def release(self, claimed: ClaimedDeliveries) -> None:
        """Compare and set."""
        parameters = {"this": claimed.webhook.id, "until": claimed.until}
        self._transaction.enqueue(self._statements.release, parameters)

    def bury(self, webhook_id: str, problem: str) -> None:
        """One statement."""
        parameters = {"this": webhook_id, "_problem": problem}
        self._transaction.enqueue(self._statements.bury, parameters)

    def replay(self, webhook_id: str, message_ids: Collection[str] | None, now: datetime) -> int:
        """One statement."""
        parameters = {"this": webhook_id, "now": now}
        if message_ids is None:
            return len(self._transaction.fetch_all(self._statements.replay_all, parameters))
        parameters |= self._statements.names.bind(message_ids)
        return len(self._transaction.fetch_all(self._statements.replay, parameters))

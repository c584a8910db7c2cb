"""Webhooks and their deliveries in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import islice

import attrs

from ...domain.ports.read_model import Page
from ...domain.ports.webhooks import ClaimedDeliveries, WebhookStatus
from ...domain.webhooks import Delivery, Message, Webhook
from .database import Database
from .tables import Tables, WebhookRow


class MemoryWebhooks:
    """WebhookRepository on memory."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._tables = tables

    def add(self, webhook: Webhook) -> None:
        """Add a row."""
        self._tables.webhooks[webhook.id] = WebhookRow(webhook=webhook)

    def remove(self, webhook_id: str) -> bool:
        """Leave marks for the commit to delete."""
        if self._tables.webhooks.get(webhook_id) is None:
            return False
        self._tables.webhooks[webhook_id] = None
        for delivery in _deliveries(self._tables, webhook_id):
            self._tables.deliveries[delivery.id] = None
        return True

    def enable(self, webhook_id: str, *, enabled: bool) -> None:
        """Replace."""
        if row := self._tables.webhooks.get(webhook_id):
            webhook = attrs.evolve(row.webhook, enabled=enabled)
            self._tables.webhooks[webhook_id] = attrs.evolve(row, webhook=webhook)

    def enabled(self) -> list[Webhook]:
        """By a scan."""
        return [row.webhook for row in _rows(self._tables) if row.webhook.enabled]

    def add_deliveries(self, messages: Sequence[tuple[str, Message]], due_at: datetime) -> None:
        """Add rows, each with the next number."""
        for webhook_id, message in messages:
            waiting = _deliveries(self._tables, webhook_id)
            if any(each.message_id == message.id for each in waiting):
                continue
            number = self._database.next_id()
            self._tables.deliveries[number] = Delivery(
                id=number,
                webhook_id=webhook_id,
                message_id=message.id,
                subject=message.subject,
                body=message.body,
                due_at=due_at,
            )

    def claim(
        self, webhooks: int, each: int, now: datetime, until: datetime, busy: Collection[str]
    ) -> list[ClaimedDeliveries]:
        """Compare and set."""
        free = (
            (row, due)
            for row in _rows(self._tables)
            if row.webhook.enabled and row.webhook.id not in busy and not row.is_claimed(now)
            if (due := _due(_deliveries(self._tables, row.webhook.id), now)[:each])
        )
        claimed = []
        for row, due in list(islice(free, webhooks)):
            self._tables.webhooks[row.webhook.id] = attrs.evolve(row, claimed_until=until)
            claimed.append(
                ClaimedDeliveries(webhook=row.webhook, deliveries=tuple(due), until=until)
            )
        return claimed

    def remove_deliveries(self, ids: Collection[int]) -> None:
        """Leave marks."""
        self._tables.deliveries.update(dict.fromkeys(ids))

    def reschedule(self, deliveries: Sequence[Delivery]) -> None:
        """Replace."""
        for delivery in deliveries:
            if self._tables.deliveries.get(delivery.id):
                self._tables.deliveries[delivery.id] = delivery

    def note_problem(self, webhook_id: str, problem: str | None) -> None:
        """Replace."""
        if row := self._tables.webhooks.get(webhook_id):
            self._tables.webhooks[webhook_id] = attrs.evolve(row, problem=problem)

    def release(self, claimed: ClaimedDeliveries) -> None:
        """Compare and set."""
        row = self._tables.webhooks.get(claimed.webhook.id)
        if row and row.claimed_until == claimed.until:
            released = attrs.evolve(row, claimed_until=None)
            self._tables.webhooks[claimed.webhook.id] = released

    def bury(self, webhook_id: str, problem: str) -> None:
        """Replace."""
        for each in _waiting(_deliveries(self._tables, webhook_id)):
            self._tables.deliveries[each.id] = attrs.evolve(each, due_at=None, problem=problem)

    def replay(self, webhook_id: str, message_ids: Collection[str] | None, now: datetime) -> int:
        """Replace."""
        dead = [
            each
            for each in _dead(_deliveries(self._tables, webhook_id))
            if message_ids is None or each.message_id in message_ids
        ]
        for each in dead:
            self._tables.deliveries[each.id] = attrs.evolve(each, attempts=0, due_at=now)
        return len(dead)


class MemoryWebhookDirectory:
    """WebhookDirectory on memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_any_enabled(self) -> bool:
        """By a scan."""
        with self._database.committed() as tables:
            return any(row.webhook.enabled for row in _rows(tables))

    def is_any_due(self, now: datetime) -> bool:
        """By a scan."""
        with self._database.committed() as tables:
            rows = [row for row in _rows(tables) if row.webhook.enabled]
            return any(_due(_deliveries(tables, row.webhook.id), now) for row in rows)

    def page(self, offset: int, limit: int) -> Page[WebhookStatus]:
        """Count."""
        with self._database.committed() as tables:
            rows = _rows(tables)
            items = tuple(_status(tables, row) for row in rows[offset : offset + limit])
        return Page(items=items, total=len(rows))

    def get(self, webhook_id: str) -> WebhookStatus | None:
        """By its id."""
        with self._database.committed() as tables:
            row = tables.webhooks.get(webhook_id)
            return None if row is None else _status(tables, row)

    def dead(self, webhook_id: str, offset: int, limit: int) -> Page[Delivery]:
        """By a scan."""
        with self._database.committed() as tables:
            found = _dead(_deliveries(tables, webhook_id))
        return Page(items=tuple(found[offset : offset + limit]), total=len(found))


def _rows(tables: Tables) -> list[WebhookRow]:
    return [row for _, row in sorted(tables.webhooks.items()) if row is not None]


def _deliveries(tables: Tables, webhook_id: str) -> list[Delivery]:
    rows = (row for _, row in sorted(tables.deliveries.items()) if row is not None)
    return [row for row in rows if row.webhook_id == webhook_id]


def _dead(deliveries: Iterable[Delivery]) -> list[Delivery]:
    return [each for each in deliveries if each.due_at is None]


def _waiting(deliveries: Iterable[Delivery]) -> list[Delivery]:
    return [each for each in deliveries if each.due_at is not None]


def _due(deliveries: Iterable[Delivery], now: datetime) -> list[Delivery]:
    """Those that are due, in the order in which they became so."""
    due = [
        (each.due_at, each.id, each) for each in deliveries if each.due_at and each.due_at <= now
    ]
    return [each for _, _, each in sorted(due, key=lambda row: row[:2])]


def _status(tables: Tables, row: WebhookRow) -> WebhookStatus:
    deliveries = _deliveries(tables, row.webhook.id)
    return WebhookStatus(
        webhook=row.webhook,
        waiting=len(_waiting(deliveries)),
        dead=len(_dead(deliveries)),
        problem=row.problem,
    )

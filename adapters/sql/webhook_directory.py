"""What is committed about webhooks, in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Engine, Executable, bindparam, func, select

from ...domain.ports.read_model import Page
from ...domain.ports.webhooks import WebhookStatus
from ...domain.webhooks import Delivery
from .errors import read_errors_translated
from .schema import TEXT_ID, webhook_deliveries, webhooks
from .webhooks import DELIVERY_COLUMNS, WEBHOOK_COLUMNS, delivery_from, has_due, webhook_from

_COUNTED = (webhook_deliveries.c.due_at.is_not(None), webhook_deliveries.c.due_at.is_(None))


class SqlWebhookDirectory:
    """WebhookDirectory on SQL."""

    def __init__(self, engine: Engine) -> None:
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        offset, limit = (bindparam(name, type_=BigInteger) for name in ("offset", "limit"))
        this = bindparam("webhook_id", type_=TEXT_ID)
        self._any_enabled = select(webhooks.c.id).where(webhooks.c.enabled).limit(1)
        self._any_due = select(webhooks.c.id).where(webhooks.c.enabled, has_due()).limit(1)
        self._count = select(func.count()).select_from(webhooks)
        statuses = select(*WEBHOOK_COLUMNS, webhooks.c.problem, *map(_count_its, _COUNTED))
        self._page = statuses.order_by(webhooks.c.id).offset(offset).limit(limit)
        self._get = statuses.where(webhooks.c.id == this)
        its_dead = (webhook_deliveries.c.webhook_id == this, webhook_deliveries.c.due_at.is_(None))
        self._count_dead = select(func.count()).select_from(webhook_deliveries).where(*its_dead)
        self._dead = (
            select(*DELIVERY_COLUMNS)
            .where(*its_dead)
            .order_by(webhook_deliveries.c.id)
            .offset(offset)
            .limit(limit)
        )

    def is_any_enabled(self) -> bool:
        """By a scan that ends with the first: webhooks are few."""
        return bool(self._rows(self._any_enabled))

    def is_any_due(self, now: datetime) -> bool:
        """By the index on what is due."""
        return bool(self._rows(self._any_due, now=now))

    def page(self, offset: int, limit: int) -> Page[WebhookStatus]:
        """The page, with its deliveries counted, and the total."""
        rows = self._rows(self._page, offset=offset, limit=limit)
        return Page(items=tuple(map(_status, rows)), total=self._rows(self._count)[0][0])

    def get(self, webhook_id: str) -> WebhookStatus | None:
        """By the primary key."""
        return next(map(_status, self._rows(self._get, webhook_id=webhook_id)), None)

    def dead(self, webhook_id: str, offset: int, limit: int) -> Page[Delivery]:
        """The page and the total."""
        rows = self._rows(self._dead, webhook_id=webhook_id, offset=offset, limit=limit)
        [(total,)] = self._rows(self._count_dead, webhook_id=webhook_id)
        return Page(items=tuple(map(delivery_from, rows)), total=total)

    def _rows(self, statement: Executable, **parameters: object) -> list[Any]:
        with read_errors_translated(), self._reader.connect() as connection:
            return list(connection.execute(statement, parameters).all())


def _count_its(condition: Any) -> Any:
    its = webhook_deliveries.c.webhook_id == webhooks.c.id
    return select(func.count()).where(its, condition).scalar_subquery()


def _status(row: Any) -> WebhookStatus:
    *columns, problem, waiting, dead = row
    return WebhookStatus(webhook=webhook_from(columns), waiting=waiting, dead=dead, problem=problem)

"""Add, remove and replay webhooks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ..errors import UnknownWebhook
from ..ports.clock import Clock
from ..ports.event_log import EventFeed
from ..ports.unit_of_work import UnitOfWorkFactory
from ..ports.webhooks import WebhookDirectory
from ..webhooks import EVERYTHING, Webhook, check_url
from .deliver_webhooks import READER


class WebhookActions:
    """What may be done about webhooks. Each call raises StorageUnavailable or Conflict."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        directory: WebhookDirectory,
        feed: EventFeed,
        clock: Clock,
        new_id: Callable[[], str],
        new_secret: Callable[[], str],
        private: bool,
    ) -> None:
        """`private`: webhooks may be at private addresses."""
        self._unit_of_work = unit_of_work
        self.directory = directory
        self._feed = feed
        self._clock = clock
        self._new_id = new_id
        self._new_secret = new_secret
        self._private = private

    def add(
        self, url: str, types: Sequence[str] = EVERYTHING, secret: str | None = None
    ) -> Webhook:
        """A new webhook, told of what happens from now on. Raises InvalidValue."""
        check_url(url, private=self._private)
        now = self._clock.now()
        webhook = Webhook(
            id=self._new_id(),
            url=url,
            secret=self._new_secret() if secret is None else secret,
            types=tuple(types),
            created_at=now,
            position=self._begin(),
        )
        with self._unit_of_work() as uow:
            uow.webhooks.add(webhook)
            uow.commit()
        return webhook

    def _begin(self) -> int:
        """The end of the feed, where the cursor of all webhooks stands at the latest."""
        now = self._clock.now()
        with self._unit_of_work() as uow:
            # A claim that is over at once: it makes the cursor, if this is the first webhook ever.
            uow.events.claim(READER, now, now)
            uow.commit()
        return self._feed.end()

    def remove(self, webhook_id: str) -> None:
        """Tell it nothing more, what waits included. Raises UnknownWebhook."""
        with self._unit_of_work() as uow:
            if not uow.webhooks.remove(webhook_id):
                raise UnknownWebhook(webhook_id)
            uow.commit()

    def replay(self, webhook_id: str, message_ids: Collection[str] | None = None) -> int:
        """Try dead deliveries anew, these or all, and enable the webhook. UnknownWebhook."""
        if self.directory.get(webhook_id) is None:
            raise UnknownWebhook(webhook_id)
        # Before the transaction: the clock of some storages may have to write.
        now = self._clock.now()
        with self._unit_of_work() as uow:
            replayed = uow.webhooks.replay(webhook_id, message_ids, now)
            uow.webhooks.enable(webhook_id, enabled=True)
            uow.commit()
        return replayed

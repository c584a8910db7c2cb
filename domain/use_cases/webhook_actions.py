"""Add, remove and replay webhooks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from ..errors import UnknownWebhook
from ..ports.clock import Clock
from ..ports.event_log import EventFeed
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..ports.webhooks import WebhookDirectory
from ..webhooks import EVERYTHING, Webhook, check_url
from .deliver_webhooks import READER
from .idempotency import Answer, RequestKey, once, once_in_transaction, remember_answer


class WebhookActions:
    """What may be done about webhooks, each once for a request with a key.

    Each call raises IdempotencyKeyReused, StorageUnavailable, or Conflict when others keep getting
    in the way.
    """

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
        webhook = self._new(url, types, secret)
        self._add(webhook, "", None)
        return webhook

    def add_once(
        self,
        url: str,
        types: Sequence[str] = EVERYTHING,
        secret: str | None = None,
        *,
        answer: Callable[[Webhook], str],
        request: RequestKey | None,
    ) -> Answer:
        """Likewise."""
        webhook = self._new(url, types, secret)
        return self._add(webhook, answer(webhook), request)

    def _new(self, url: str, types: Sequence[str], secret: str | None) -> Webhook:
        check_url(url, private=self._private)
        now = self._clock.now()
        return Webhook(
            id=self._new_id(),
            url=url,
            secret=self._new_secret() if secret is None else secret,
            types=tuple(types),
            created_at=now,
            position=self._begin(),
        )

    def _add(self, webhook: Webhook, answer: str, request: RequestKey | None) -> Answer:
        def add(uow: UnitOfWork, _now: datetime) -> str:
            uow.webhooks.add(webhook)
            # With the secret: that lies in the same database as long as it signs anything.
            return answer

        return once_in_transaction(self._unit_of_work, self._clock, request, add)

    def _begin(self) -> int:
        """The end of the feed, where the cursor of all webhooks stands at the latest."""
        now = self._clock.now()
        with self._unit_of_work() as uow:
            # A claim that is over at once: it makes the cursor, if this is the first webhook ever.
            uow.events.claim(READER, now, now)
            uow.commit()
        return self._feed.end()

    def remove(self, webhook_id: str, request: RequestKey | None = None) -> Answer:
        """Tell it nothing more, what waits included. Raises UnknownWebhook."""

        def remove(uow: UnitOfWork, _now: datetime) -> str:
            if not uow.webhooks.remove(webhook_id):
                raise UnknownWebhook(webhook_id)
            return ""

        return once_in_transaction(self._unit_of_work, self._clock, request, remove)

    def replay(self, webhook_id: str, message_ids: Collection[str] | None = None) -> int:
        """Try dead deliveries anew, these or all, and enable the webhook. UnknownWebhook."""
        return int(self.replay_once(webhook_id, message_ids, answer=str, request=None).text)

    def replay_once(
        self,
        webhook_id: str,
        message_ids: Collection[str] | None = None,
        *,
        answer: Callable[[int], str],
        request: RequestKey | None,
    ) -> Answer:
        """Likewise."""

        def carry_out() -> Answer:
            return self._replay(webhook_id, message_ids, answer, request)

        return once(self._unit_of_work, request, carry_out)

    def _replay(
        self,
        webhook_id: str,
        message_ids: Collection[str] | None,
        answer: Callable[[int], str],
        request: RequestKey | None,
    ) -> Answer:
        if self.directory.get(webhook_id) is None:
            raise UnknownWebhook(webhook_id)
        # Before the transaction: the clock of some storages may have to write.
        now = self._clock.now()
        with self._unit_of_work() as uow:
            replayed = uow.webhooks.replay(webhook_id, message_ids, now)
            uow.webhooks.enable(webhook_id, enabled=True)
            given = remember_answer(uow, request, answer(replayed), now)
            uow.commit()
        return given

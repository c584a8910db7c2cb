"""Turn events into deliveries, and send those that are due."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from time import monotonic

import attrs

from ..batches import batches_of
from ..ports.clock import Clock
from ..ports.event_log import EventBatch, EventFeed
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..ports.webhooks import (
    ClaimedDeliveries,
    DeliveryFailed,
    EventEncoder,
    ListenerGone,
    ListenerUnreachable,
    WebhookDirectory,
    WebhookSender,
)
from ..webhooks import Delivery, Webhook

# Whose cursor it is.
READER = "webhooks"
# Transactions of the shop that are read at once.
BATCHES = 200
# Deliveries that are added by one statement.
ROWS = 1000
# Deliveries of a webhook that are claimed at once.
EACH = 200
# Longer than LANE_SECONDS and one more delivery, however long that takes.
LEASE = timedelta(seconds=60)
LANE_SECONDS = 10.0


class FanOutEvents:
    """Makes a delivery of each event for each webhook that wants it, in the order of the feed."""

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        directory: WebhookDirectory,
        feed: EventFeed,
        encode: EventEncoder,
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._directory = directory
        self._feed = feed
        self._encode = encode
        self._clock = clock
        # Nothing after this has been seen.
        self._seen: int | None = None

    def is_wanted(self) -> bool:
        """Whether anybody is to be told anything: one question. Raises StorageUnavailable."""
        return self._directory.is_any_enabled()

    def __call__(self) -> int:
        """How many batches of events were read. Raises StorageUnavailable or Conflict."""
        if self._seen is not None and self._feed.end() <= self._seen:
            return 0
        # Before the transaction: the clock of some storages may have to write.
        now = self._clock.now()
        with self._unit_of_work() as uow:
            batches, seen = self._fan_out(uow, now)
            uow.commit()
        self._seen = seen
        return len(batches)

    def _fan_out(self, uow: UnitOfWork, now: datetime) -> tuple[list[EventBatch], int | None]:
        """What was read, and up to where; None: somebody else reads."""
        position = uow.events.claim(READER, now, now + LEASE)
        webhooks = [] if position is None else uow.webhooks.enabled()
        if position is None or not webhooks:
            return [], None
        # What happened before the first of them came is of no use to any.
        position = max(position, min(webhook.position for webhook in webhooks))
        batches = self._feed.read(position, BATCHES)
        messages = [
            (webhook.id, self._encode(batch, index))
            for batch in batches
            for index, event in enumerate(batch.events)
            for webhook in webhooks
            if batch.position > webhook.position and webhook.wants(event.type)
        ]
        for some in batches_of(messages, ROWS):
            uow.webhooks.add_deliveries(some, now)
        seen = batches[-1].position if batches else position
        uow.events.advance(READER, seen)
        return batches, seen


@attrs.frozen(kw_only=True)
class Outcomes:
    """What became of deliveries that were sent one after another."""

    delivered: tuple[int, ...] = ()
    failed: tuple[Delivery, ...] = ()
    # The last failure, if there was one.
    error: DeliveryFailed | None = None


class DeliverWebhooks:
    """Sends what is due, each at least once. Thread-safe; no transaction is open meanwhile."""

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        directory: WebhookDirectory,
        sender: WebhookSender,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        """`chance`: a number from 0 to 1, another one each time."""
        self._unit_of_work = unit_of_work
        self._directory = directory
        self._sender = sender
        self._clock = clock
        self._chance = chance

    def claim(self, webhooks: int, busy: Collection[str]) -> list[ClaimedDeliveries]:
        """Due deliveries of so many webhooks that are not busy. StorageUnavailable, Conflict."""
        now = self._clock.now()
        if not self._directory.is_any_due(now):
            return []
        with self._unit_of_work() as uow:
            claimed = uow.webhooks.claim(webhooks, EACH, now, now + LEASE, busy)
            if claimed:
                uow.commit()
        return claimed

    def send(
        self, webhook: Webhook, lane: Sequence[Delivery], is_stopping: Callable[[], bool]
    ) -> Outcomes:
        """Send one after another, for LANE_SECONDS; what is not tried is due as before."""
        end = monotonic() + LANE_SECONDS
        delivered: list[int] = []
        failed: list[Delivery] = []
        error: DeliveryFailed | None = None
        for index, delivery in enumerate(lane):
            if is_stopping() or monotonic() > end:
                break
            failure = self._try(webhook, delivery)
            if failure is None:
                delivered.append(delivery.id)
                continue
            if is_stopping():
                # What is broken off because we stop has not failed.
                break
            error = failure
            if isinstance(error, ListenerGone):
                break
            # Where nobody answers, nobody would answer the rest.
            is_over = isinstance(error, ListenerUnreachable)
            failed += self._failures(lane[index:] if is_over else [delivery], str(error))
            if is_over:
                break
        return Outcomes(delivered=tuple(delivered), failed=tuple(failed), error=error)

    def _try(self, webhook: Webhook, delivery: Delivery) -> DeliveryFailed | None:
        try:
            self._sender.send(delivery, webhook)
        except DeliveryFailed as error:
            return error
        return None

    def _failures(self, deliveries: Sequence[Delivery], problem: str) -> list[Delivery]:
        now = self._clock.now()
        return [each.failed(problem, now, self._chance()) for each in deliveries]

    def settle(self, claimed: ClaimedDeliveries, outcomes: Sequence[Outcomes]) -> None:
        """Note what became of a claim, and give it up. Raises StorageUnavailable or Conflict."""
        webhook_id = claimed.webhook.id
        errors = [outcome.error for outcome in outcomes if outcome.error is not None]
        gone = [str(error) for error in errors if isinstance(error, ListenerGone)]
        with self._unit_of_work() as uow:
            uow.webhooks.remove_deliveries([key for each in outcomes for key in each.delivered])
            uow.webhooks.reschedule([row for each in outcomes for row in each.failed])
            if gone:
                uow.webhooks.enable(webhook_id, enabled=False)
                uow.webhooks.bury(webhook_id, gone[0])
            if errors or any(each.delivered for each in outcomes):
                uow.webhooks.note_problem(webhook_id, str(errors[0]) if errors else None)
            uow.webhooks.release(claimed)
            uow.commit()

"""Tell others what happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ..ports.clock import Clock
from ..ports.event_log import EventBatch, EventFeed
from ..ports.event_publisher import EventPublisher
from ..ports.unit_of_work import UnitOfWorkFactory

READER = "exchange"
# Batches that are read at once, and events that are published at once; a batch is never divided.
BATCHES = 200
EVENTS = 2000
# Longer than it takes to publish these; after that another process may publish them again.
LEASE = timedelta(seconds=30)


class PublishEvents:
    """Publishes what happened, each event at least once and in order.

    However many processes do this, one at a time has the cursor. The first round of all begins with
    what happens from then on. Not to be shared by threads.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        feed: EventFeed,
        publisher: EventPublisher,
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._feed = feed
        self._publisher = publisher
        self._clock = clock
        # Where the cursor was seen last: it may be further by now, but not less far.
        self._position: int | None = None

    def __call__(self) -> int:
        """Publish a round of events, and say how many. Raises Unavailable or Conflict.

        No transaction is open while they are published.
        """
        if not self._has_news():
            return 0
        position = self._claim()
        if position is None:
            return 0
        published: Sequence[EventBatch] = ()
        try:
            batches = _first(self._feed.read(position, BATCHES))
            if batches:
                published = batches[: self._publisher.publish(batches)]
        finally:
            self._advance(published[-1].position if published else position)
        return sum(len(batch.events) for batch in published)

    def _has_news(self) -> bool:
        if self._position is None:
            # A storage may give positions when it is asked for them, and a new cursor begins with
            # the last that was given.
            self._feed.end()
            return True
        return bool(self._feed.read(self._position, 1))

    def _claim(self) -> int | None:
        with self._unit_of_work() as uow:
            now = self._clock.now()
            position = uow.events.claim(READER, now, now + LEASE)
            uow.commit()
        return position

    def _advance(self, position: int) -> None:
        with self._unit_of_work() as uow:
            uow.events.advance(READER, position)
            uow.commit()
        self._position = position


def _first(batches: Sequence[EventBatch]) -> list[EventBatch]:
    """The first of these, with no more than EVENTS events unless a single batch has more."""
    chosen: list[EventBatch] = []
    room = EVENTS
    for batch in batches:
        room -= len(batch.events)
        if chosen and room < 0:
            break
        chosen.append(batch)
    return chosen

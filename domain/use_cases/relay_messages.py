"""Send the messages that wait in the outbox."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from ..ports.clock import Clock
from ..ports.message_bus import MessageBus
from ..ports.unit_of_work import OutboxMessage, UnitOfWorkFactory

BATCH = 1000
# Longer than the bus takes to confirm a batch; after that the messages may be sent again.
LEASE = timedelta(seconds=30)
# How often a claim begins at the first id. The others begin further on, as a database may have to
# step over everything that was removed.
FULL_SCAN_INTERVAL = timedelta(seconds=5)


class RelayMessages:
    """Publishes committed messages, each at least once, and removes the confirmed ones.

    Not to be shared by threads. What was sent is removed together with the next claim, as each
    commit costs more than the rows in it.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, bus: MessageBus, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._bus = bus
        self._clock = clock
        # Messages of the last round that the bus did not confirm: they are due again.
        self.unconfirmed = 0
        self._sent: set[int] = set()
        self._look_back = _ClaimCursor()

    def __call__(self) -> list[bytes]:
        """Relay one batch; the messages that were confirmed. Raises Unavailable or Conflict.

        No transaction is open while the bus is at work.
        """
        messages = self._claim()
        unconfirmed = {message.id: message.body for message in messages}
        sent: list[bytes] = []
        try:
            if messages:
                answers = self._bus.publish([message.body for message in messages])
                confirmed = [m.id for m, ok in zip(messages, answers, strict=True) if ok]
                sent = [unconfirmed.pop(key) for key in confirmed]
                self._sent.update(confirmed)
        finally:
            self.unconfirmed = len(unconfirmed)
            if unconfirmed:
                self._release(unconfirmed)
        return sent

    def finish(self) -> None:
        """Remove what was sent last. Raises Unavailable or Conflict."""
        with self._unit_of_work() as uow:
            uow.outbox.remove(self._sent)
            uow.commit()
        self._sent.clear()

    def _claim(self) -> list[OutboxMessage]:
        with self._unit_of_work() as uow:
            now = self._clock.now()
            uow.outbox.remove(self._sent)
            from_id = self._look_back.from_id(now)
            messages = uow.outbox.claim(BATCH, now, now + LEASE, from_id)
            if messages or self._sent:
                uow.commit()
        self._sent.clear()
        self._look_back.found(messages, self._clock.now())
        return messages

    def _release(self, unconfirmed: Collection[int]) -> None:
        with self._unit_of_work() as uow:
            uow.outbox.release(unconfirmed)
            uow.commit()


class _ClaimCursor:
    """Where claims begin: at the oldest message that was found one look back earlier.

    Ids are given before the commit, so a lower one may come later. If that takes longer than from
    one look back to the next, another one has to find it.
    """

    def __init__(self) -> None:
        self._begin = self._next_begin = self._newest = 0
        self._last: datetime | None = None
        self._looking = False

    def from_id(self, now: datetime) -> int:
        """The lowest id to claim."""
        # A clock that was set back does not put it off.
        due = self._last is None or not self._last <= now < self._last + FULL_SCAN_INTERVAL
        # Never twice in a row: if it fails, or takes long, messages are sent all the same.
        self._looking = due and not self._looking
        return 0 if self._looking else self._begin

    def found(self, messages: Sequence[OutboxMessage], now: datetime) -> None:
        """Remember what was claimed."""
        if self._looking:
            self._last = now
            self._begin = self._next_begin
            self._next_begin = messages[0].id if messages else self._newest
        if messages:
            self._newest = messages[-1].id

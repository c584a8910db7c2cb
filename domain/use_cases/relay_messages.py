"""Send the messages that wait in the outbox."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from ..ports.clock import Clock
from ..ports.message_bus import MessageBus
from ..ports.outbox import OutboxMessage
from ..ports.unit_of_work import UnitOfWorkFactory

BATCH = 1000
# Longer than the bus takes to confirm a batch; after that the messages may be sent again.
LEASE = timedelta(seconds=30)


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
            messages = uow.outbox.claim(BATCH, now, now + LEASE)
            if messages or self._sent:
                uow.commit()
        self._sent.clear()
        return messages

    def _release(self, unconfirmed: Collection[int]) -> None:
        with self._unit_of_work() as uow:
            uow.outbox.release(unconfirmed)
            uow.commit()

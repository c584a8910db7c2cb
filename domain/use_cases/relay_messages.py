"""Send the messages that wait in the outbox."""

from __future__ import annotations

from datetime import timedelta

from ..ports.clock import Clock
from ..ports.message_bus import MessageBus
from ..ports.unit_of_work import UnitOfWorkFactory

BATCH = 1000
# Longer than the bus takes to confirm a batch; after that the messages are sent again.
LEASE = timedelta(seconds=30)


class RelayMessages:
    """Publishes committed messages, then removes the confirmed ones; each goes out at least once."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, bus: MessageBus, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._bus = bus
        self._clock = clock

    def __call__(self) -> int:
        """Relay one batch; the number of messages confirmed. Raises Unavailable or Conflict.

        No transaction is open while the bus is at work.
        """
        with self._unit_of_work() as uow:
            now = self._clock.now()
            messages = uow.outbox.claim(BATCH, now, now + LEASE)
            if not messages:
                return 0
            uow.commit()
        confirmed = self._bus.publish([message.body for message in messages])
        sent = [message.id for message, ok in zip(messages, confirmed, strict=True) if ok]
        with self._unit_of_work() as uow:
            uow.outbox.remove(sent)
            uow.commit()
        return len(sent)

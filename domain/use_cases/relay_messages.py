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
    """Publishes committed messages, each at least once, and removes the confirmed ones."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, bus: MessageBus, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._bus = bus
        self._clock = clock

    def __call__(self) -> list[bytes]:
        """Relay one batch; the messages that were confirmed. Raises Unavailable or Conflict.

        No transaction is open while the bus is at work.
        """
        with self._unit_of_work() as uow:
            now = self._clock.now()
            messages = uow.outbox.claim(BATCH, now, now + LEASE)
            if not messages:
                return []
            uow.commit()
        confirmed: set[int] = set()
        try:
            answers = self._bus.publish([message.body for message in messages])
            confirmed = {m.id for m, ok in zip(messages, answers, strict=True) if ok}
        finally:
            self._settle(confirmed, {message.id for message in messages} - confirmed)
        return [message.body for message in messages if message.id in confirmed]

    def _settle(self, confirmed: set[int], unconfirmed: set[int]) -> None:
        with self._unit_of_work() as uow:
            uow.outbox.remove(confirmed)
            uow.outbox.release(unconfirmed)
            uow.commit()

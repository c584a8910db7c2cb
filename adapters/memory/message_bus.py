"""The message bus in memory."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import count, islice
from threading import Condition
from time import monotonic
from types import TracebackType
from typing import Self

import attrs

from ...domain.ports.message_bus import DeadLetter, Delivery, QueueDepth


@attrs.frozen(order=True)
class _Waiting:
    due: float
    # Breaks ties by age, so that what is due comes oldest first.
    number: int
    body: bytes = attrs.field(order=False)
    returns: int = attrs.field(order=False)


class MemoryMessageBus:
    """MessageBus for threads of one process."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._first_deliveries: deque[_Waiting] = deque()
        # A heap.
        self._returned: list[_Waiting] = []
        self._with_returned = False
        self._numbers = count()
        self._parked: list[DeadLetter] = []

    def publish(self, bodies: Sequence[bytes]) -> list[bool]:
        """Everything is confirmed."""
        with self._changed:
            for body in bodies:
                message = _Waiting(
                    due=monotonic(), number=next(self._numbers), body=body, returns=0
                )
                self._first_deliveries.append(message)
            self._changed.notify_all()
        return [True] * len(bodies)

    def consume(self) -> MemoryConsumer:
        """A new consumer."""
        return MemoryConsumer(self)

    def depth(self) -> QueueDepth:
        """Without what consumers hold, and without knowing them."""
        with self._changed:
            waiting = len(self._first_deliveries) + len(self._returned)
            return QueueDepth(waiting=waiting, parked=len(self._parked), consumers=None)

    def ping(self) -> None:
        """Memory always answers."""

    @property
    def parked(self) -> list[tuple[bytes, str]]:
        """The parked messages with their reasons, oldest first."""
        with self._changed:
            return [(letter.body, letter.reason) for letter in self._parked]

    def dead_letters(self, limit: int, after: str | None = None) -> list[DeadLetter]:
        """From the list."""
        with self._changed:
            ids = [letter.id for letter in self._parked]
            start = ids.index(after) + 1 if after in ids else 0
            return self._parked[start : start + limit]

    def find_dead_letters(self, ids: Collection[str]) -> list[DeadLetter]:
        """From the list."""
        with self._changed:
            return [letter for letter in self._parked if letter.id in ids]

    def replay(self, ids: Collection[str]) -> list[DeadLetter]:
        """Publish them anew."""
        letters = self.discard(ids)
        self.publish([letter.body for letter in letters])
        return letters

    def discard(self, ids: Collection[str]) -> list[DeadLetter]:
        """Take them off the list."""
        with self._changed:
            found = self.find_dead_letters(ids)
            self._parked = [letter for letter in self._parked if letter.id not in ids]
            return found

    def take(self, limit: int, timeout: float) -> list[_Waiting]:
        """Wait for a message that is due, and take up to `limit` of them off the queue.

        Every other time without those that were returned, if there are others.
        """
        end = monotonic() + timeout
        with self._changed:
            while not self._is_due() and (rest := self._until_next(end)) > 0:
                self._changed.wait(rest)
            self._with_returned = not self._with_returned
            taken: list[_Waiting] = []
            if not self._with_returned:
                there = min(limit, len(self._first_deliveries))
                taken = [self._first_deliveries.popleft() for _ in range(there)]
            if not taken:
                taken = list(islice(self._oldest_first(), limit))
            return taken

    def give_back(self, messages: Iterable[_Waiting], delay: float) -> None:
        """Queue messages again, after `delay` seconds; at once, they keep their places."""
        due = monotonic() + delay
        with self._changed:
            for message in messages:
                returned = attrs.evolve(
                    message, due=due if delay else message.due, returns=message.returns + 1
                )
                heapq.heappush(self._returned, returned)
            self._changed.notify_all()

    def park(self, message: _Waiting, reason: str) -> None:
        """Keep a message aside."""
        with self._changed:
            letter = DeadLetter(
                id=str(message.number),
                body=message.body,
                reason=reason,
                attempts=message.returns + 1,
                parked_at=None,
            )
            self._parked.append(letter)

    def _oldest_first(self) -> Iterator[_Waiting]:
        """Take what is due off the queue, one after the other."""
        while self._is_due():
            first = self._first_deliveries[0] if self._first_deliveries else None
            if self._a_return_is_due() and (first is None or self._returned[0] < first):
                yield heapq.heappop(self._returned)
            else:
                yield self._first_deliveries.popleft()

    def _is_due(self) -> bool:
        return bool(self._first_deliveries) or self._a_return_is_due()

    def _a_return_is_due(self) -> bool:
        return bool(self._returned) and self._returned[0].due <= monotonic()

    def _until_next(self, end: float) -> float:
        due = self._returned[0].due if self._returned else end
        return min(due, end) - monotonic() if end > monotonic() else 0


class MemoryConsumer:
    """Consumer on memory."""

    def __init__(self, bus: MemoryMessageBus) -> None:
        self._bus = bus
        # By number and returns: a message that was returned is another delivery.
        self._unsettled: dict[object, _Waiting] = {}

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Take messages off the queue."""
        messages = self._bus.take(limit, timeout)
        taken: dict[object, _Waiting] = {
            (message.number, message.returns): message for message in messages
        }
        self._unsettled.update(taken)
        return [
            Delivery(body=message.body, attempt=message.returns + 1, tag=tag)
            for tag, message in taken.items()
        ]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Forget them."""
        self._settled(deliveries)

    def retry(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """Queue them again, due later."""
        self._bus.give_back(self._settled(deliveries), delay)

    def park(self, reasons: Sequence[tuple[Delivery, str]]) -> None:
        """Hand them to the bus to keep."""
        for delivery, reason in reasons:
            for message in self._settled([delivery]):
                self._bus.park(message, reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bus.give_back(self._unsettled.values(), 0)
        self._unsettled.clear()

    def _settled(self, deliveries: Sequence[Delivery]) -> list[_Waiting]:
        """Those that were not settled before: now they are."""
        held = (self._unsettled.pop(delivery.tag, None) for delivery in deliveries)
        return [message for message in held if message is not None]

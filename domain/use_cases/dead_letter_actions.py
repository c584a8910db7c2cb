"""What an operator may do about messages that were given up."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..errors import UnknownDeadLetter
from ..ports.clock import Clock
from ..ports.message_bus import DeadLetter, DeadLetters
from ..ports.unit_of_work import UnitOfWorkFactory
from .idempotency import Answer, CarryOutOnce, RequestKey

Settle = Callable[[Collection[str]], list[DeadLetter]]


class DeadLetterActions:
    """Replays and discards parked messages.

    They lie on the bus, whose changes no transaction of the storage can hold. So a request with a
    key is remembered first, and its repetition does what is not done yet: it is never lost, is
    answered the same each time, and like every replay may deliver a message twice.

    Each call raises UnknownDeadLetter, IdempotencyKeyReused, Unavailable or Conflict.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock, letters: DeadLetters) -> None:
        self.letters = letters
        self._once = CarryOutOnce(unit_of_work, clock)

    def replay(
        self,
        letter_id: str,
        answer: Callable[[DeadLetter], str],
        request: RequestKey | None = None,
    ) -> Answer:
        """Return it to the queue, as if it were new."""
        return self._settle(self.letters.replay, letter_id, answer, request)

    def discard(self, letter_id: str, request: RequestKey | None = None) -> Answer:
        """Delete it for good."""
        return self._settle(self.letters.discard, letter_id, lambda _letter: "", request)

    def _settle(
        self,
        settle: Settle,
        letter_id: str,
        answer: Callable[[DeadLetter], str],
        request: RequestKey | None,
    ) -> Answer:
        if request is None:
            return Answer(text=answer(_only(settle([letter_id]), letter_id)))
        find = self.letters.find_dead_letters
        given = self._once(request, lambda: answer(_only(find([letter_id]), letter_id)))
        settle([letter_id])
        return given


def _only(found: list[DeadLetter], letter_id: str) -> DeadLetter:
    if not found:
        raise UnknownDeadLetter(letter_id)
    return found[0]

"""Carrying a request out once, however often it comes."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from ..errors import IdempotencyKeyReused
from ..ports.clock import Clock
from ..ports.idempotency_keys import Remembered
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

# Of HTTP clients.
CLIENTS = "http"
# Keys that are forgotten in one transaction.
BITE = 500


@attrs.frozen(kw_only=True)
class RequestKey:
    """A request's key, and a digest of all that it asks for."""

    key: str
    digest: str
    scope: str = CLIENTS


@attrs.frozen(kw_only=True)
class Answer:
    """What a request is answered with, and whether that is what an earlier one was told."""

    text: str
    replayed: bool = False


def find_answer(uow: UnitOfWork, request: RequestKey | None) -> Answer | None:
    """What the same request was told before; IdempotencyKeyReused where it asked for other."""
    if request is None:
        return None
    known = uow.idempotency_keys.find(request.scope, request.key)
    if known is None:
        return None
    if known.digest != request.digest:
        raise IdempotencyKeyReused(request.key)
    return Answer(text=known.answer, replayed=True)


def remember_answer(
    uow: UnitOfWork, request: RequestKey | None, answer: str, at: datetime
) -> Answer:
    """Have the answer given again, if what it tells is committed."""
    if request is not None:
        remembered = Remembered(digest=request.digest, answer=answer)
        uow.idempotency_keys.remember(request.scope, request.key, remembered, at)
    return Answer(text=answer)


class ForgetKeys:
    """Forgets requests that nobody will repeat any more, a few at a time."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock, keep: timedelta) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._keep = keep

    def __call__(self) -> int:
        """How many were forgotten. Raises StorageUnavailable or Conflict."""
        before = self._clock.now() - self._keep
        with self._unit_of_work() as uow:
            forgotten = uow.idempotency_keys.forget(before, BITE)
            uow.commit()
        return forgotten

"""Carrying a request out once, however often it comes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs

from ..errors import IdempotencyKeyReused, OrderAggregatorError, StorageUnavailable
from ..ports.clock import Clock
from ..ports.idempotency_keys import Remembered
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from .attempts import despite_conflicts

# Of HTTP clients.
CLIENTS = "http"


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


def once(
    unit_of_work: UnitOfWorkFactory, request: RequestKey | None, carry_out: Callable[[], Answer]
) -> Answer:
    """What the same request was told before, else what `carry_out` answers and remembers.

    Raises what that raises; Conflict only when others keep getting in the way.
    """

    def attempt() -> Answer:
        return _recall(unit_of_work, request) or carry_out()

    try:
        return despite_conflicts(attempt)
    except StorageUnavailable:
        raise
    except OrderAggregatorError:
        # Perhaps it is refused because the same request was carried out meanwhile.
        if earlier := _recall(unit_of_work, request):
            return earlier
        raise


def once_in_transaction(
    unit_of_work: UnitOfWorkFactory,
    clock: Clock,
    request: RequestKey | None,
    effect: Callable[[UnitOfWork, datetime], str],
) -> Answer:
    """Likewise, for an effect in one transaction, in which its answer is remembered."""

    def carry_out() -> Answer:
        # Before the transaction: the clock of some storages may have to write.
        now = clock.now()
        with unit_of_work() as uow:
            given = remember_answer(uow, request, effect(uow, now), now)
            uow.commit()
        return given

    return once(unit_of_work, request, carry_out)


class CarryOutOnce:
    """Does once, for a request with a key, what has no single transaction of its own.

    What was asked for is remembered after it is done, so it must be harmless to do it again: that
    is what happens if the process dies in between.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, request: RequestKey | None, effect: Callable[[], str]) -> Answer:
        """The answer of the effect. Raises what it raises, IdempotencyKeyReused or Conflict."""
        return once(self._unit_of_work, request, lambda: self._remember(request, effect()))

    def _remember(self, request: RequestKey | None, answer: str) -> Answer:
        if request is None:
            return Answer(text=answer)
        now = self._clock.now()
        with self._unit_of_work() as uow:
            given = remember_answer(uow, request, answer, now)
            uow.commit()
        return given


def _recall(unit_of_work: UnitOfWorkFactory, request: RequestKey | None) -> Answer | None:
    if request is None:
        return None
    with unit_of_work() as uow:
        return find_answer(uow, request)

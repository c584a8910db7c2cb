"""Notice that the outbox is not being sent."""

from __future__ import annotations

from datetime import timedelta

from ..ports.clock import Clock
from ..ports.outbox import Backlog
from ..ports.unit_of_work import UnitOfWorkFactory

OVERDUE = timedelta(seconds=30)
REPORT_EVERY = timedelta(minutes=1)


class WatchOutbox:
    """Tells one of many callers, once a minute, that messages wait for too long."""

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        *,
        overdue: timedelta = OVERDUE,
        report_every: timedelta = REPORT_EVERY,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._overdue = overdue
        self._report_every = report_every

    def __call__(self) -> Backlog | None:
        """The backlog, if its oldest message is overdue and nobody was told so lately.

        Raises StorageUnavailable or Conflict.
        """
        with self._unit_of_work() as uow:
            now = self._clock.now()
            backlog = uow.outbox.backlog()
            if backlog is None or now - backlog.since < self._overdue:
                return None
            if not uow.outbox.claim_alarm(now, now - self._report_every):
                return None
            uow.commit()
        return backlog

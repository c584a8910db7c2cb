"""Record what was changed by whom, and forget what is old."""

from __future__ import annotations

from datetime import timedelta

from ..access import Principal
from ..audit import AuditEntry
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory

# Entries that are forgotten in one transaction.
BITE = 500


class RecordChange:
    """Records a change, right after it, in a transaction of its own."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(
        self,
        who: Principal,
        operation: str,
        *,
        status: int,
        path: str | None = None,
        target: str | None = None,
        request_id: str | None = None,
    ) -> AuditEntry:
        """What was recorded. Raises StorageUnavailable or Conflict."""
        entry = AuditEntry(
            at=self._clock.now(),
            actor=who.id,
            actor_name=who.name,
            operation=operation,
            path=path,
            target=target,
            status=status,
            request_id=request_id,
        )
        with self._unit_of_work() as uow:
            uow.audit_log.append(entry)
            uow.commit()
        return entry


class ForgetAudit:
    """Forgets old entries, a few at a time."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock, keep: timedelta) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._keep = keep

    def __call__(self) -> int:
        """How many were forgotten. Raises StorageUnavailable or Conflict."""
        before = self._clock.now() - self._keep
        with self._unit_of_work() as uow:
            forgotten = uow.audit_log.forget(before, BITE)
            if forgotten:
                uow.commit()
        return forgotten

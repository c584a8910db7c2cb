"""Record what was changed by whom."""

from __future__ import annotations

from ..access import Principal
from ..audit import AuditEntry
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWorkFactory


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
        detail: str | None = None,
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
            detail=detail,
            status=status,
            request_id=request_id,
        )
        with self._unit_of_work() as uow:
            uow.audit_log.append(entry)
            uow.commit()
        return entry

"""What every storage promises about the audit log.

Fixtures: `storage`: an empty storage.
"""

from __future__ import annotations

from datetime import timedelta

from ..domain.audit import AuditEntry
from ..domain.ports.storage import Storage
from .shop_work import NOW, work

DAY = timedelta(days=1)


def make_entry(day: int, **fields: object) -> AuditEntry:
    given: dict[str, object] = {"actor": "token:4711", "operation": "retire_vendor", "status": 200}
    return AuditEntry(at=NOW + day * DAY, **(given | fields))  # type: ignore[arg-type]


def _append(storage: Storage, *entries: AuditEntry) -> None:
    for entry in entries:
        work(storage, lambda uow, each=entry: uow.audit_log.append(each))  # type: ignore[misc]


def _entries(storage: Storage) -> tuple[AuditEntry, ...]:
    return storage.audit_trail.page(0, 100).items


def test_entries_are_kept_as_they_are_newest_first(storage: Storage) -> None:
    whole = make_entry(
        0,
        actor_name="é",
        path="/v1/api/vendor/a c",
        target="a c",
        detail="A: http https://a.example/ö",
        request_id="r-1",
        status=404,
    )
    bare = make_entry(1)
    _append(storage, whole, bare)
    assert _entries(storage) == (bare, whole)
    page = storage.audit_trail.page(1, 1)
    assert (page.items, page.total) == ((whole,), 2)


def test_what_is_not_committed_is_not_kept(storage: Storage) -> None:
    with storage.unit_of_work() as uow:
        uow.audit_log.append(make_entry(0))
    assert _entries(storage) == ()


def test_the_oldest_are_forgotten_a_few_at_a_time(storage: Storage) -> None:
    _append(storage, *map(make_entry, range(4)))

    def forget() -> int:
        return work(storage, lambda uow: uow.audit_log.forget(NOW + 3 * DAY, 2))

    assert forget() == 2
    assert _entries(storage) == (make_entry(3), make_entry(2))
    assert [forget(), forget()] == [1, 0]
    assert _entries(storage) == (make_entry(3),)

"""What every storage promises about requests that were carried out.

Fixtures: `storage`: an empty storage.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from ..domain.errors import Conflict
from ..domain.ports.idempotency_keys import Remembered
from ..domain.ports.storage import Storage
from ..domain.ports.unit_of_work import UnitOfWork
from .race import race
from .shop_work import NOW, work

DAY = timedelta(days=1)
REQUEST = Remembered(digest="00ff", answer='{"über": 1}')
OTHER = Remembered(digest="other", answer="")


def _remember(storage: Storage, key: str, days: int = 0, scope: str = "http") -> None:
    at = NOW + days * DAY
    work(storage, lambda uow: uow.idempotency_keys.remember(scope, key, REQUEST, at))


def _find(storage: Storage, key: str, scope: str = "http") -> Remembered | None:
    return work(storage, lambda uow: uow.idempotency_keys.find(scope, key))


def test_a_request_is_found_by_its_key_in_its_scope(storage: Storage) -> None:
    assert _find(storage, "k") is None
    _remember(storage, "k")
    assert _find(storage, "k") == REQUEST
    assert _find(storage, "K") is None
    assert _find(storage, "k", "feed") is None
    _remember(storage, "k", scope="feed")
    assert _find(storage, "k", "feed") == REQUEST


def test_what_is_not_committed_is_not_remembered(storage: Storage) -> None:
    with storage.unit_of_work() as uow:
        uow.idempotency_keys.remember("http", "k", REQUEST, NOW)
        assert uow.idempotency_keys.find("http", "k") == REQUEST
    assert _find(storage, "k") is None


def test_a_key_is_used_once(storage: Storage) -> None:
    _remember(storage, "k")
    with pytest.raises(Conflict):
        work(storage, lambda uow: uow.idempotency_keys.remember("http", "k", OTHER, NOW))
    assert _find(storage, "k") == REQUEST


def test_of_many_at_once_one_uses_a_key(storage: Storage) -> None:
    def attempt() -> bool:
        try:
            _remember(storage, "k")
        except Conflict:
            return False
        return True

    assert sorted(race([attempt] * 4)) == [False, False, False, True]


def test_the_oldest_are_forgotten_a_few_at_a_time(storage: Storage) -> None:
    for day, key in enumerate(("a", "b", "c", "d")):
        _remember(storage, key, days=day)
    work(storage, lambda uow: uow.idempotency_keys.touch("http", "a", NOW + 9 * DAY))
    work(storage, lambda uow: uow.idempotency_keys.touch("http", "unknown", NOW))

    def forget(uow: UnitOfWork) -> int:
        return uow.idempotency_keys.forget(NOW + 3 * DAY, 1)

    assert work(storage, forget) == 1
    assert [key for key in "abcd" if _find(storage, key)] == ["a", "c", "d"]
    assert [work(storage, forget), work(storage, forget)] == [1, 0]
    assert [key for key in "abcd" if _find(storage, key)] == ["a", "d"]

"""What every storage promises about API tokens.

Fixtures: `storage`: an empty storage.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ..domain.access import AccessToken, digest_of
from ..domain.errors import Conflict
from ..domain.ports.storage import Storage
from ..domain.rate import Rate
from ..domain.use_cases.attempts import despite_conflicts
from .race import race
from .shop_work import NOW, work

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def make_token(token_id: str, **fields: object) -> AccessToken:
    given: dict[str, object] = {"name": "shop", "scopes": ["orders:write", "vendor:a c/é"]}
    given |= {"digest": digest_of(token_id), "created_at": NOW} | fields
    return AccessToken(id=token_id, **given)  # type: ignore[arg-type]


def _add(storage: Storage, *tokens: AccessToken) -> None:
    for token in tokens:
        work(storage, lambda uow, each=token: uow.access_tokens.add(each))  # type: ignore[misc]


def _only(storage: Storage) -> AccessToken:
    [token] = storage.access_tokens.all()
    return token


def test_tokens_are_kept_as_they_are_oldest_first(storage: Storage) -> None:
    assert storage.access_tokens.all() == []
    later = make_token("a", created_at=NOW + MINUTE, expires_at=NOW + 2 * MINUTE, of_demo=True)
    limited = {"rate_limit": Rate(100, 60), "daily_quota": 10**9, "used_on": NOW.date(), "used": 3}
    earlier = make_token("b", **limited)
    _add(storage, later, earlier)
    assert storage.access_tokens.all() == [earlier, later]


def test_what_is_not_committed_is_not_kept(storage: Storage) -> None:
    with storage.unit_of_work() as uow:
        uow.access_tokens.add(make_token("a"))
    assert storage.access_tokens.all() == []


def test_a_digest_belongs_to_one_token(storage: Storage) -> None:
    _add(storage, make_token("a"))
    with pytest.raises(Conflict):
        _add(storage, make_token("b", digest=digest_of("a")))
    assert _only(storage).id == "a"


def test_a_token_is_revoked_once(storage: Storage) -> None:
    _add(storage, make_token("a"))
    assert work(storage, lambda uow: uow.access_tokens.revoke("a", NOW))
    assert work(storage, lambda uow: uow.access_tokens.revoke("a", NOW + MINUTE))
    assert not work(storage, lambda uow: uow.access_tokens.revoke("b", NOW))
    assert _only(storage).revoked_at == NOW


def _note(storage: Storage, at: datetime, **requests: int) -> dict[str, int]:
    return work(storage, lambda uow: uow.access_tokens.note_uses(requests, at))


def test_requests_of_a_day_add_up(storage: Storage) -> None:
    _add(storage, make_token("a"), make_token("b"))
    assert _note(storage, NOW, a=2) == {"a": 2}
    later = NOW + MINUTE
    assert _note(storage, later, b=7, a=3, unknown=1) == {"a": 5, "b": 7}
    token = storage.access_tokens.all()[0]
    assert (token.last_used_at, token.used_on, token.used) == (later, NOW.date(), 5)
    assert (token.requests_on(NOW.date()), token.requests_on(NOW.date() - DAY)) == (5, 0)


def test_a_day_begins_at_nothing_and_is_not_gone_back_from(storage: Storage) -> None:
    _add(storage, make_token("a"))
    _note(storage, NOW, a=2)
    tomorrow = NOW + DAY
    assert _note(storage, tomorrow, a=1) == {"a": 1}
    # Of a process that is late, or whose clock is.
    assert _note(storage, NOW, a=4) == {}
    assert _only(storage).last_used_at == tomorrow
    assert _only(storage).requests_on(tomorrow.date()) == 1


def test_requests_that_are_noted_at_once_all_count(storage: Storage) -> None:
    _add(storage, make_token("a"), make_token("b"))

    def note() -> None:
        for _ in range(10):
            despite_conflicts(lambda: _note(storage, NOW, a=1, b=2))

    race([note] * 4)
    assert [token.used for token in storage.access_tokens.all()] == [40, 80]


def test_only_those_of_the_demo_are_removed(storage: Storage) -> None:
    _add(storage, make_token("a"), make_token("b", of_demo=True))
    work(storage, lambda uow: uow.access_tokens.remove_of_demo())
    assert _only(storage).id == "a"

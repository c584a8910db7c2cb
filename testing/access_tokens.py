"""What every storage promises about API tokens.

Fixtures: `storage`: an empty storage.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from ..domain.access import AccessToken, digest_of
from ..domain.errors import Conflict
from ..domain.ports.storage import Storage
from .shop_work import NOW, work

MINUTE = timedelta(minutes=1)


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
    earlier = make_token("b")
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


def test_a_use_is_noted_unless_one_was_lately(storage: Storage) -> None:
    _add(storage, make_token("a"))
    for seconds, noted in ((0, 0), (59, 0), (61, 61)):
        at = NOW + timedelta(seconds=seconds)
        work(storage, lambda uow, at=at: uow.access_tokens.note_use("a", at, at - MINUTE))  # type: ignore[misc]
        assert _only(storage).last_used_at == NOW + timedelta(seconds=noted)
    work(storage, lambda uow: uow.access_tokens.note_use("unknown", NOW, NOW))


def test_only_those_of_the_demo_are_removed(storage: Storage) -> None:
    _add(storage, make_token("a"), make_token("b", of_demo=True))
    work(storage, lambda uow: uow.access_tokens.remove_of_demo())
    assert _only(storage).id == "a"
